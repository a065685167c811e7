#include "memfit/cost_setup.h"

#define NOT_SAID (-1.0)

mf_cost_options mf_cost_options_default(void)
{
    enum { DRAWS = 20000 };
    static const double days_per_week = 7;
    static const double years = 3;
    return (mf_cost_options){.price = NOT_SAID,
                             .price_around_cards = NOT_SAID,
                             .hours_per_day = NOT_SAID,
                             .busy = 1,
                             .days_per_week = days_per_week,
                             .requests_per_day = NOT_SAID,
                             .years = years,
                             .on_hours_per_day = NOT_SAID,
                             .active_w = NOT_SAID,
                             .idle_w = NOT_SAID,
                             .tariff_per_kwh = NOT_SAID,
                             .wage_per_hour = NOT_SAID,
                             .admin_hours_buy = NOT_SAID,
                             .admin_hours_rent = NOT_SAID,
                             .setup_hours_buy = NOT_SAID,
                             .setup_hours_rent = NOT_SAID,
                             .cooling = 1,
                             .rent_price_per_hour = NOT_SAID,
                             .rent_price_per_month = NOT_SAID,
                             .rent_min_hours = NOT_SAID,
                             .reserved_years = NOT_SAID,
                             .storage_gb = NOT_SAID,
                             .storage_per_gb_month = NOT_SAID,
                             .api_in = NOT_SAID,
                             .api_out = NOT_SAID,
                             .api_cached = NOT_SAID,
                             .usd_per_eur = NOT_SAID,
                             .seed = 1,
                             .n_draws = DRAWS,
                             .sampler = MF_SAMPLER_SOBOL};
}
