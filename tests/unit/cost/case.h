/*
 * case.h - a made-up comparison with awkward numbers: 7.5 hours a day on 5 days a week, 3.5 years.
 */
#ifndef MF_TESTS_COST_CASE_H
#define MF_TESTS_COST_CASE_H

#include "memfit/cost.h"

static inline mf_rate rate_of(double tok_s, double spread)
{
    return (mf_rate){.known = true,
                     .tok_s = tok_s,
                     .low_tok_s = tok_s / spread,
                     .high_tok_s = tok_s * spread,
                     .ceiling_tok_s = 2 * tok_s};
}

/* 1 400 tokens in, 300 out: 7 s to read at 200 tok/s and 10 s to write at 30. */
static const mf_buying a_machine = {
    .tax = 0.0825,
    .powered_hours_per_day = 24,
    .cooling = 1,
    .resale_spread = 0.2,
    .usable_bytes = UINT64_C(115448725504),
    .co2_kg_per_kwh = 0.37,
    .served =
        {.prefill = {.known = true, .tok_s = 200, .low_tok_s = 150, .high_tok_s = 260},
                 .decode = {.known = true, .tok_s = 30, .low_tok_s = 26, .high_tok_s = 34},
                 .effective = {.known = true, .tok_s = 300.0 / 17, .low_tok_s = 15, .high_tok_s = 20}},
};

static const mf_renting an_offer = {
    .billing = MF_BILLING_HOUR,
    .price_per_hour = 2.69,
    .rent_spread = 0.25,
    .served = {.prefill = {.known = true, .tok_s = 4000, .low_tok_s = 3000, .high_tok_s = 5000},
               .decode = {.known = true, .tok_s = 80, .low_tok_s = 70, .high_tok_s = 90},
               .effective = {.known = true, .tok_s = 73.17073, .low_tok_s = 60, .high_tok_s = 85}},
};

static const mf_api a_price = {.input_per_mtok = 0.6, .output_per_mtok = 2.4, .api_spread = 0.25};

static inline mf_range certain(double value)
{
    return (mf_range){value, value, value};
}

static inline mf_cost_case a_case(void)
{
    mf_cost_case run = {
        .usage = {.hours_per_day = 7.5,
                  .busy = 0.6,
                  .days_per_week = 5,
                  .n_prompt = 1400,
                  .n_output = 300                            },
        .years = 3.5,
        .correlation_rent_api = 0.6,
        .correlation_rent_resale = 0.5,
        .correlation_api_resale = 0.3,
        .buy = &a_machine,
        .rent = &an_offer,
        .api = &a_price,
        .seed = 42,
        .n_draws = 4000,
        .sampler = MF_SAMPLER_SOBOL,
        .inputs =
            {
                  [MF_COST_PRICE] = {3499, 3299, 3999},
                  [MF_COST_HOURS] = {1, 0.75, 1.25},
                  [MF_COST_BUY_TIME] = {1, 1, 1},
                  [MF_COST_RENT_TIME] = {1, 1, 1},
                  [MF_COST_ACTIVE_W] = {130, 116, 145},
                  [MF_COST_IDLE_W] = {6, 6, 6},
                  [MF_COST_TARIFF] = {0.1883, 0.16, 0.226},
                  [MF_COST_TARIFF_DRIFT] = {0.065, 0, 0.1},
                  [MF_COST_INTEREST] = {0.05, 0.02, 0.08},
                  [MF_COST_RESALE_KEPT] = {0.87, 0.8, 0.95},
                  [MF_COST_RESALE_YEARLY] = {0.13, 0.05, 0.25},
                  [MF_COST_GENERATION_YEARS] = {1.5, 1, 2.5},
                  [MF_COST_GENERATION_DROP] = {0.2, 0.12, 0.28},
                  [MF_COST_RENT_OVERHEAD] = {0.3, 0.1, 0.5},
                  [MF_COST_RENT_DRIFT] = {-0.3, -0.45, -0.05},
                  [MF_COST_API_DRIFT] = {-0.3, -0.6, 0},
                  },
    };
    return run;
}

#endif
