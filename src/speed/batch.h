/*
 * batch.h - one step in which several sequences get a token each, from the same work, peaks and knobs as one token's.
 *
 *   t(T) = dense(T) + experts(T) + T (t_kv (1 + w idle) + t_mla) + layers t_layer (1 + r) + (T - 1) passes 2 state / BW
 *
 * Weights are read once a step. Up to some 8 tokens a kernel for vectors takes each further one at a price a weight;
 * beyond, a kernel for matrices computes whole tiles. T independent tokens touch E (1 - (1 - k/E)^(T^0.75)) experts.
 * Where each engine changes kernels is known from its source, the prices are few and fitted: docs/speed.md.
 */
#ifndef MF_SPEED_BATCH_H
#define MF_SPEED_BATCH_H

#include "speed/path.h"

/* A segment's law for any number of tokens. Plain data; borrows nothing. */
typedef struct mf_batch {
    mf_segment segment;
    mf_work attention; /* all else 0 */
    double dense_s;    /* weights of one token, its experts apart */
    double column_s;
    double matrix_s; /* per token in tiles */
    double experts_s;
    double expert_share; /* picked by one token; 1 without experts */
    double expert_token_s;
    double expert_tile_s; /* all experts' */
    double fixed_s;
    double again_s; /* more for a step of several */
    double sequence_s;
    double head_s; /* the rows' last product: read once */
} mf_batch;

mf_batch mf_batch_of(const mf_segment *segment);

/* A step of so many sequences, at least 1, with `depth` tokens in the cache of each. One: mf_segment_decode's. */
mf_path_time
mf_batch_decode(const mf_batch *batch, double n_sequences, double depth, mf_cache_width cache);

/* Rows of several sequences speak for its kernels. */
bool mf_batch_is_measured(mf_runtime runtime);

#endif
