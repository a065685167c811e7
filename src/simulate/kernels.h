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

typedef struct mf_reduction {
    double least_s;
    double bytes_per_s;
} mf_reduction;

typedef struct mf_kernel_rates {
    double weight_bytes_per_s;    /* products of few rows stream weights */
    double weight_32_bytes_per_s; /* the same with 32 rows or more */
    double flop_per_s;            /* products of many rows */
    double fp8_flop_per_s; /* the same of FP8 where the card has units for it; else as above */
    double unpack_per_s;   /* weights that a kernel unpacks before it multiplies */
    double fp8_product_s;  /* a product of FP8 takes so much longer: no tuned kernel */
    bool fp8_is_native;
    double cache_bytes_per_s;      /* attention of decoding sequences */
    double attention_flop_per_s;   /* attention of prompts */
    double activation_bytes_per_s; /* norms, activations, rotations */
    double kernel_s;               /* between two kernels that depend on each other */
    double row_s;                  /* sampling of one token */
    double host_s;                 /* the host's work per step, while the card computes */
    double host_sequence_s;
    mf_reduction reduce; /* what devices tell each other, by NCCL */
    mf_reduction
        little;       /* a sum of less than little_bytes, by vLLM's own kernel where it has one */
    bool is_measured; /* but for the host and reductions */
} mf_kernel_rates;

/* What the data sheet says, at the shares of it that kernels usually reach. MF_E_UNSUPPORTED with what is missing. */
mf_status mf_kernel_rates_of(mf_kernel_rates *rates, const mf_case *run, mf_error *err);

/* Experts of all layers, as one of the devices that share them sees them. */
typedef struct mf_expert_work {
    double n_layers; /* 0: the model has none */
    double n_experts;
    double n_used;
    double bytes;                    /* of all experts */
    double weights[MF_FORMAT_COUNT]; /* the same, counted */
    double activation_bytes;         /* per token: what goes into an expert and comes out */
    double n_exchanges;              /* between servers that share them */
    double exchange_bytes;           /* per token and exchange */
    bool is_packed;                  /* multiplied by Marlin's kernels, which take smaller tiles */
} mf_expert_work;

/* A model as the kernels see it, on one of n_devices that share every layer. */
typedef struct mf_kernel_work {
    mf_work work; /* of one device */
    mf_expert_work experts;
    mf_cache_width cache;
    double head_bytes;
    double head_weights[MF_FORMAT_COUNT];
    double activation_bytes; /* per token, all layers */
    double n_kernels;        /* of a step */
    double n_products;       /* dense ones, without the head */
    double n_reduces;
    double reduce_bytes; /* per token and reduction */
    double gather_bytes; /* per row: the logits of the other devices */
} mf_kernel_work;

/* n_together: servers of so many devices that share the experts. */
mf_status
mf_kernel_work_build(mf_kernel_work *work, const mf_case *run, uint32_t n_together, mf_error *err);

/* What a product of matrices asks for: the longest of streaming, unpacking and multiplying, with soft corners. */
typedef struct mf_product {
    double bytes;
    double weights[MF_FORMAT_COUNT]; /* that are read */
    double n_rows;                   /* each is multiplied with */
    bool is_grouped;                 /* of several experts: tiles fill less */
} mf_product;

double mf_reduction_s(const mf_reduction *reduction, double bytes);

double mf_product_s(const mf_kernel_rates *rates, const mf_product *product);

/* Seconds of a step without attention, experts and host: so many tokens, of which so many rows give a token. */
double mf_kernel_step_s(const mf_kernel_rates *rates,
                        const mf_kernel_work *work,
                        double n_tokens,
                        double n_rows);

#endif
