/*
 * quant_mixes.h - llama-quantize's mixes as a table: which format a kind of tensor gets, and when it
 * gets a better one (llama.cpp b10470, src/llama-quant.cpp, without an importance matrix).
 */
#ifndef MF_MEMORY_QUANT_MIXES_H
#define MF_MEMORY_QUANT_MIXES_H

#include <stdbool.h>

#include "memfit/tensor_type.h"

/* When a rule prefers its first format. */
typedef enum mix_condition {
    NEVER,
    ALWAYS,
    MORE_BITS, /* the first and last eighth of the layers and every third between */
    FIRST_TWO,
    FIRST_FOUR,
    FIRST_EIGHTH,
    FIRST_SIXTEENTH,
    GQA_OF_FOUR,    /* at least four query heads share a value head */
    GQA_OR_EXPERTS, /* the same, or at least four experts */
    MIDDLE,         /* neither the first nor the last eighth */
} mix_condition;

typedef struct mix_rule {
    mix_condition when;
    mf_tensor_type then;
    mf_tensor_type otherwise; /* MF_TYPE_COUNT: the mix's base format */
} mix_rule;

#define MIX_BASE MF_TYPE_COUNT

typedef struct quant_mix {
    const char *name;
    mf_tensor_type base;
    mf_tensor_type output;    /* lm_head, or the embedding when it is tied */
    mf_tensor_type embedding; /* MF_TYPE_COUNT: base */
    mix_rule value;
    mix_rule down;
    mf_tensor_type attention_output; /* MF_TYPE_COUNT: base */
    mf_tensor_type key_query;        /* MF_TYPE_COUNT: base */
    mix_rule gate_up;
    bool eight_experts_output; /* with exactly 8 experts attn_output gets q5_K */
} quant_mix;

/* By name, case ignored; NULL if there is none. */
const quant_mix *mf_find_mix(const char *name);

#endif
