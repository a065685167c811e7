/*
 * experts.c - a layer of experts as vLLM computes it: rows are put in order by expert, each expert's are padded to whole tiles, and two
 * grouped products (gate and up, down) run over the tiles (vllm/model_executor/layers/fused_moe).
 */
#include "simulate/experts.h"

#include <math.h>

/* Variation of how often experts are picked, over the experts of a layer. The tokens of a batch pick alike: with 1, 24 of them
   touch 60 % of 128 experts, evenly picked ones 79 %. */
#define POPULARITY_VARIATION 1.0

/* Without a table for the card: fused_moe's default tiles (get_default_config). */
enum { FEW_TILE = 16, MANY_TILE = 64 };

/* Picks are Poisson, of a popularity that is gamma distributed: an expert is left out with (1 + v mean) ^ (-1 / v). */
double mf_experts_touched(double n, double n_used, double n_tokens)
{
    static const double v = POPULARITY_VARIATION * POPULARITY_VARIATION;
    const double picks = n_used * n_tokens;
    if (n_tokens <= 1) {
        return fmin(n, picks);
    }
    const double touched = n * (1 - pow(1 + v * picks / n, -1 / v));
    return fmin(n, fmax(n_used, touched));
}

static double tile_rows(const mf_expert_work *experts, double n_tokens)
{
    /* Marlin's: the smallest that a mean expert does not fill (fused_marlin_moe.py). */
    static const double packed[] = {8, 16, 32, 48};
    static const double full = 0.9;
    if (!experts->is_packed) {
        return n_tokens <= experts->n_experts ? FEW_TILE : MANY_TILE;
    }
    for (size_t i = 0; i < sizeof packed / sizeof packed[0]; i++) {
        if (n_tokens * experts->n_used / experts->n_experts < full * packed[i]) {
            return packed[i];
        }
    }
    return MANY_TILE;
}

double mf_experts_rows(const mf_expert_work *experts, double n_tokens)
{
    const double tile = tile_rows(experts, n_tokens);
    const double touched = mf_experts_touched(experts->n_experts, experts->n_used, n_tokens);
    /* The last tile of each is half full on average, but where all rows are within one. */
    return fmax(touched * tile, n_tokens * experts->n_used + touched * (tile - 1) / 2);
}

double mf_experts_s(const mf_kernel_rates *rates, const mf_expert_work *experts, double n_tokens)
{
    if (experts->n_layers <= 0 || n_tokens <= 0) {
        return 0;
    }
    const double touched = mf_experts_touched(experts->n_experts, experts->n_used, n_tokens);
    const double share = touched / experts->n_experts;
    mf_product product = {.bytes = share * experts->bytes,
                          .n_rows = mf_experts_rows(experts, n_tokens) / touched,
                          .is_grouped = true};
    for (size_t f = 0; f < MF_FORMAT_COUNT; f++) {
        product.weights[f] = share * experts->weights[f];
    }
    double s = mf_product_s(rates, &product) +
               experts->activation_bytes * n_tokens / rates->activation_bytes_per_s;
    if (experts->n_exchanges > 0) {
        s += experts->n_exchanges *
             mf_reduction_s(&rates->reduce, experts->exchange_bytes * n_tokens);
    }
    return s;
}
