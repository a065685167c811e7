/*
 * kernels.h - how fast the kernels of vLLM run on one card, and the work of a step shared out over the cards of a server.
 *
 * A matrix product takes its launch and, joined, the time to stream its weights and to multiply; that is what profiles of single
 * kernels show (docs/simulate.md).
 */
#ifndef MF_SIMULATE_KERNELS_H
#define MF_SIMULATE_KERNELS_H

#include "memfit/predict.h"
#include "speed/work.h"

typedef struct mf_kernel_rates {
    double weight_bytes_per_s;     /* products of few rows stream weights */
    double weight_32_bytes_per_s;  /* the same with 32 rows or more */
    double flop_per_s;             /* products of many rows */
    double cache_bytes_per_s;      /* attention of decoding sequences */
    double mixed_bytes_per_s;      /* the same in a step that also holds a prompt */
    double attention_flop_per_s;   /* attention of prompts */
    double activation_bytes_per_s; /* norms, activations, rotations */
    double kernel_s;               /* between two kernels that depend on each other */
    double row_s;                  /* sampling of one token */
    double gap_s;                  /* the card waits for the host between steps */
    double host_s;                 /* the host's work per step, while the card computes */
    double host_sequence_s;
    double reduce_s; /* an all-reduce of little */
    double reduce_bytes_per_s;
    bool is_measured; /* but for the host and reductions */
} mf_kernel_rates;

/* What the data sheet says, at the shares of it that kernels usually reach. MF_E_UNSUPPORTED with what is missing. */
mf_status mf_kernel_rates_of(mf_kernel_rates *rates, const mf_case *run, mf_error *err);

/* A model as the kernels see it, on one of n_devices that share every layer. */
typedef struct mf_kernel_work {
    mf_work work; /* of one device */
    mf_cache_width cache;
    double head_bytes;
    double head_weights;
    double activation_bytes; /* per token, all layers */
    double n_kernels;        /* of a step */
    double n_reduces;
    double reduce_bytes; /* per token and reduction */
    double gather_bytes; /* per row: the logits of the other devices */
} mf_kernel_work;

mf_status mf_kernel_work_build(mf_kernel_work *work, const mf_case *run, mf_error *err);

/* Seconds of a step without attention and host: so many tokens, of which so many rows give a token. */
double mf_kernel_step_s(const mf_kernel_rates *rates,
                        const mf_kernel_work *work,
                        double n_tokens,
                        double n_rows);

#endif
