/*
 * quant_names.h - what the rules of every scheme ask of the tensors' names, asked once for a model.
 */
#ifndef MF_MEMORY_QUANT_NAMES_H
#define MF_MEMORY_QUANT_NAMES_H

#include "memfit/memory.h"

/* Kinds of tensors that llama-quantize's mixes tell apart. */
typedef enum name_kind {
    NAME_OTHER,
    NAME_VALUE,
    NAME_DOWN,
    NAME_KEY,
    NAME_QUERY,
    NAME_ATTENTION_OUTPUT,
    NAME_GATE_UP
} name_kind;

typedef struct name_traits {
    name_kind kind;
    bool is_f32; /* mf_tensor_stays_f32 */
    bool stays;  /* the same, or another one that llama-quantize leaves as it is */
} name_traits;

/* One for each of the model's tensors. */
void mf_quant_names(name_traits *names, const mf_model *model);

/* mf_quant_types with names at hand. */
mf_status mf_quant_types_named(mf_tensor_type *types,
                               bool *estimated,
                               const mf_model *model,
                               const mf_quant *quant,
                               const name_traits *names,
                               mf_error *err);

#endif
