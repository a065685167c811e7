/*
 * experts.h - what the experts of a mixture take in a step: which of them its tokens touch, and how full the tiles of their products are.
 */
#ifndef MF_SIMULATE_EXPERTS_H
#define MF_SIMULATE_EXPERTS_H

#include "simulate/kernels.h"

/* How many of n experts are touched by so many tokens that each pick n_used of them. */
double mf_experts_touched(double n, double n_used, double n_tokens);

/* Rows that the products of one layer's experts compute: each expert's own, padded to whole tiles. */
double mf_experts_rows(const mf_expert_work *experts, double n_tokens);

/* Seconds of all expert layers' products, activations and kernels. */
double mf_experts_s(const mf_kernel_rates *rates, const mf_expert_work *experts, double n_tokens);

#endif
