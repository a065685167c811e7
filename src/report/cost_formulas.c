/*
 * cost_formulas.c - how the parts of a cost are computed, in words.
 */
#include "report/cost.h"

/* Where a part's amounts come from, as one formula for all ways. */
const char *mf_cost_part_formula(mf_cost_part part)
{
    static const char *const formulas[MF_PART_COUNT] = {
        [MF_PART_PRICE] = "price",
        [MF_PART_TAX] = "price x tax",
        [MF_PART_ENERGY_ACTIVE] =
            "sum over years of busy hours x watts / 1000 x tariff, discounted",
        [MF_PART_ENERGY_IDLE] = "sum over years of idle hours x watts / 1000 x tariff, discounted",
        [MF_PART_RENT] = "sum over years of billed hours x rent x trend, discounted",
        [MF_PART_OVERHEAD] = "rent x overhead",
        [MF_PART_STORAGE] = "sum over years of storage, discounted",
        [MF_PART_TOKENS_IN] = "sum over years of input tokens x price x trend, discounted",
        [MF_PART_TOKENS_OUT] = "sum over years of output tokens x price x trend, discounted",
        [MF_PART_ADMIN] = "(hours once + sum over years of your hours) x wage, discounted",
        [MF_PART_RESALE] =
            "- price x kept x exp(-yearly loss x years - drop x generations), discounted",
    };
    return formulas[part];
}
