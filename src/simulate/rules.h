/*
 * rules.h - the engines whose scheduling is known. What each follows is said in its file.
 */
#ifndef MF_SIMULATE_RULES_H
#define MF_SIMULATE_RULES_H

#include "simulate/server.h"

extern const mf_rules mf_rules_slots; /* llama.cpp's server; with one slot: one request at a time */
extern const mf_rules mf_rules_vllm;  /* vLLM V1 */
extern const mf_rules mf_rules_vllm_in_turn; /* the same without asynchronous scheduling */
extern const mf_rules mf_rules_mlx;          /* mlx-lm's server */

#endif
