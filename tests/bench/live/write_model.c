/*
 * write_model.c - a GGUF file of random weights in the shape of a manifest: bench_write_model NAME QUANT FILE.gguf
 *
 * The speed of an engine does not depend on what the weights say, so that a file made here measures as a real one does.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/str.h"
#include "calibrate/blocks.h"
#include "memfit/memory.h"
#include "stubs/gguf_writer.h"

#define ALIGNMENT 32
#define RANDOM_BLOCKS 4096 /* the rest repeats them */

static uint64_t seed = 9;

/* A vocabulary that llama.cpp takes: bytes, then made-up words. */
static void write_vocabulary(mf_str *out, uint64_t n)
{
    enum { BYTES = 256 };
    mf_str_add(out, "tokenizer.ggml.model str llama\ntokenizer.ggml.tokens arr_str");
    for (uint64_t i = 0; i < n; i++) {
        mf_str_printf(out, i < BYTES ? " <0x%02llX>" : " t%llu", (unsigned long long)i);
    }
    mf_str_printf(
        out,
        "\ntokenizer.ggml.scores arr_f32 %llu*0\ntokenizer.ggml.token_type arr_i32 %d*6 %llu*1\n"
        "tokenizer.ggml.bos_token_id u32 300\ntokenizer.ggml.eos_token_id u32 301",
        (unsigned long long)n,
        BYTES,
        (unsigned long long)(n - BYTES));
}

/* The manifest with a vocabulary, and every tensor's format written out. */
static mf_status
write_manifest(mf_str *out, const char *text, const mf_model *model, const mf_tensor_type *types)
{
    const char *vocabulary = strstr(text, "tokenizer.ggml.model");
    mf_str_add_n(out, text, (size_t)(vocabulary - text));
    write_vocabulary(out, model->vocabulary);
    mf_str_add(out, "\ntensors\n");
    for (size_t i = 0; i < model->n_tensors; i++) {
        const mf_tensor *t = &model->tensors[i];
        mf_str_printf(out, "%s ", t->name);
        for (size_t d = 0; d < t->n_dims; d++) {
            mf_str_printf(out, "%s%llu", d > 0 ? "x" : "", (unsigned long long)t->dims[d]);
        }
        mf_str_printf(out, " %s\n", mf_tensor_type_get(types[i])->name);
    }
    return mf_str_status(out, NULL);
}

/* Bytes of one block with scales that give numbers of ordinary size. */
static void fill_block(uint8_t *block, mf_tensor_type type, size_t bytes)
{
    static const struct {
        mf_tensor_type type;
        size_t scales[2]; /* where half precision scales stand; the second may be the first again */
    } layouts[] = {
        {MF_TYPE_Q8_0, {0, 0}    },
        {MF_TYPE_Q4_0, {0, 0}    },
        {MF_TYPE_Q5_0, {0, 0}    },
        {MF_TYPE_Q4_K, {0, 2}    },
        {MF_TYPE_Q5_K, {0, 2}    },
        {MF_TYPE_Q6_K, {208, 208}},
    };
    for (size_t i = 0; i < bytes; i++) {
        block[i] = (uint8_t)(mf_random_next(&seed) >> 32);
    }
    for (size_t l = 0; l < sizeof layouts / sizeof layouts[0]; l++) {
        for (size_t s = 0; layouts[l].type == type && s < 2; s++) {
            const uint16_t scale = mf_half_from(0.0005F);
            memcpy(block + layouts[l].scales[s], &scale, sizeof scale);
        }
    }
    if (type == MF_TYPE_F16) {
        const uint16_t value = mf_half_from(0.02F * mf_random_float(&seed));
        memcpy(block, &value, sizeof value);
    } else if (type == MF_TYPE_F32) {
        const float one = 1;
        memcpy(block, &one, sizeof one);
    }
}

static int write_tensor(FILE *file, const mf_tensor *t, mf_tensor_type type)
{
    const mf_tensor_type_info info = *mf_tensor_type_get(type);
    uint64_t n = 1;
    for (size_t d = 0; d < t->n_dims; d++) {
        n *= t->dims[d];
    }
    const uint64_t n_blocks = n / info.block_elements;
    uint8_t *blocks = malloc(RANDOM_BLOCKS * info.block_bytes);
    for (size_t i = 0; i < RANDOM_BLOCKS; i++) {
        fill_block(blocks + i * info.block_bytes, type, info.block_bytes);
    }
    for (uint64_t done = 0; done < n_blocks;) {
        const uint64_t left = n_blocks - done;
        const uint64_t now = left < RANDOM_BLOCKS ? left : RANDOM_BLOCKS;
        if (fwrite(blocks, info.block_bytes, now, file) != now) {
            return 1;
        }
        done += now;
    }
    free(blocks);
    const uint64_t bytes = n_blocks * info.block_bytes;
    static const uint8_t zeros[ALIGNMENT];
    const size_t padding = (size_t)((ALIGNMENT - bytes % ALIGNMENT) % ALIGNMENT);
    return fwrite(zeros, 1, padding, file) == padding ? 0 : 1;
}

int main(int argc, char **argv)
{
    mf_error err = {0};
    mf_model *model = NULL;
    mf_str manifest = {0};
    mf_str header = {0};
    uint64_t data_bytes = 0;
    bool estimated = false;
    if (argc != 4 || test_model_from_manifest(&model, argv[1], &err) != MF_OK) {
        fprintf(stderr, "usage: bench_write_model NAME QUANT FILE.gguf %s\n", err.message);
        return 2;
    }
    char *text = test_manifest_text(argv[1]);
    const mf_quant quant = {.id = argv[2],
                            .family = MF_QUANT_GGUF,
                            .base = strcmp(argv[2], "F16") == 0 ? MF_TYPE_F16 : MF_TYPE_Q4_K,
                            .mix = argv[2]};
    mf_tensor_type *types = calloc(model->n_tensors, sizeof *types);
    mf_status status = mf_quant_types(types, &estimated, model, &quant, &err);
    status = status == MF_OK ? write_manifest(&manifest, text, model, types) : status;
    status = status == MF_OK ? test_gguf_build(&header, &data_bytes, manifest.data, &err) : status;
    FILE *file = status == MF_OK ? fopen(argv[3], "wb") : NULL;
    if (file == NULL || fwrite(header.data, 1, header.size, file) != header.size) {
        fprintf(stderr, "bench_write_model: %s\n", err.message);
        return 1;
    }
    int rc = 0;
    for (size_t i = 0; i < model->n_tensors && rc == 0; i++) {
        rc = write_tensor(file, &model->tensors[i], types[i]);
    }
    rc = fclose(file) != 0 ? 1 : rc;
    free(types);
    free(text);
    mf_str_free(&manifest);
    mf_str_free(&header);
    mf_model_free(model);
    return rc;
}
