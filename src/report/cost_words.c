/*
 * cost_words.c - money in words, for all that shows costs.
 */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/num.h"
#include "report/cost.h"
#include "report/wording.h"

const char *mf_cost_currency(const mf_cost_shown *shown)
{
    return mf_currency_name(shown->plan->currency);
}

/* "12 345" with thin groups is hard to copy: plain digits. Whole money from 100 on, cents below 10. */
const char *mf_amount_text(char out[MF_WORDING_SIZE], double value)
{
    const double size = fabs(value);
    char number[MF_NUMBER_SIZE];
    const char *digits = mf_fixed_text(number, value, size >= 100 ? 0 : size >= 10 ? 1 : 2);
    (void)snprintf(out,
                   MF_WORDING_SIZE,
                   "%s",
                   strcmp(digits, "-0") == 0 || strcmp(digits, "-0.00") == 0 ? "0" : digits);
    return out;
}

const char *mf_money_text(char out[MF_NUMBER_SIZE + 16], double value, mf_currency currency)
{
    char number[MF_WORDING_SIZE];
    (void)snprintf(out,
                   MF_NUMBER_SIZE + 16,
                   "%.40s %s",
                   mf_amount_text(number, value),
                   mf_currency_name(currency));
    return out;
}

const char *mf_cost_rent_text(char out[MF_WORDING_SIZE], const mf_cost_shown *shown)
{
    char number[MF_WORDING_SIZE];
    const mf_renting *rent = &shown->plan->renting;
    const bool monthly = rent->billing == MF_BILLING_MONTH;
    (void)snprintf(out,
                   MF_WORDING_SIZE,
                   "%.32s %s a%s",
                   mf_amount_text(number, monthly ? rent->price_per_month : rent->price_per_hour),
                   mf_cost_currency(shown),
                   monthly ? " month" : "n hour");
    return out;
}
