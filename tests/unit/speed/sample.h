/* A small model and card made by hand: awkward widths, three layers of three kinds. */
#ifndef MF_TEST_SPEED_SAMPLE_H
#define MF_TEST_SPEED_SAMPLE_H

#include "memfit/machine.h"
#include "memfit/model.h"

#define SAMPLE_TENSORS 9
#define SAMPLE_LAYERS 3

typedef struct sample {
    mf_model model;
    mf_layer layers[SAMPLE_LAYERS];
    mf_tensor tensors[SAMPLE_TENSORS];
    mf_tensor_type types[SAMPLE_TENSORS];
} sample;

/* Layer 0: GQA of 6 heads, 2 KV heads, 48 wide, dense. Layer 1: window of 100 tokens, 8 experts of which 2 are used.
   Layer 2: recurrent, dense, no attention. Untied. All tensors f16, hidden 256, vocabulary 1000. */
void sample_fill(sample *s);

/* A card with every rate known: 1000 GB/s, 80 TFLOP/s FP32, 40 TOP/s INT32, 320 TFLOP/s matrix. */
mf_device sample_card(void);

#endif
