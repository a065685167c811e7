#include <stdlib.h>
#include <string.h>

#include "base/num.h"
#include "cli/cli.h"
#include "cli/simulated.h"
#include "report/cost.h"

/* All that a comparison is made of. */
typedef struct comparison {
    mf_prices *prices;
    mf_cli_case buy;
    mf_cli_case rent;
    bool rents;
    const mf_rental *offer;
    bool offer_chosen;
    bool simulated;
    mf_cost_plan plan;
    mf_cost cost;
} comparison;

static void free_comparison(comparison *c)
{
    mf_prices_free(c->prices);
    mf_cli_case_free(&c->buy);
    mf_cli_case_free(&c->rent);
}

/* The rented machine: the offer's, or the one that was named with a rent of one's own. */
static mf_status
load_rent(comparison *c, const mf_database *database, const mf_arguments *a, mf_error *err)
{
    char *own = NULL;
    mf_status status = MF_OK;
    if (a->rent != NULL) {
        status = mf_price_rental(&c->offer, &c->offer_chosen, c->prices, a->rent, err);
    }
    if (status == MF_OK && a->rent_on == NULL && c->offer != NULL) {
        status = mf_cost_offer_machine(&own, c->offer, database, err);
    }
    const char *machine = a->rent_on != NULL ? a->rent_on : own;
    c->rents = machine != NULL;
    if (status == MF_OK && c->rents) {
        status = mf_cli_case_load(&c->rent, database, a, a->positional[0], machine, err);
    }
    free(own);
    return status;
}

/* A tariff is an id or a price; one below 0 is neither. */
static mf_cost_options options_of(const mf_arguments *a)
{
    mf_cost_options options = a->cost;
    double price = 0;
    const char *end = NULL;
    if (options.tariff != NULL && mf_parse_number(&price, options.tariff, &end) && *end == '\0' &&
        price >= 0) {
        options.tariff_per_kwh = price;
        options.tariff = NULL;
    }
    if (a->sampler != NULL) {
        options.sampler = strcmp(a->sampler, "mt") == 0 ? MF_SAMPLER_MT19937 : MF_SAMPLER_SOBOL;
    }
    return options;
}

/* With simulations the machines serve requests side by side: as many a day as came in, over the hours of use. */
static mf_status
use_simulations(comparison *c, mf_cost_options *options, const mf_arguments *a, mf_error *err)
{
    enum { SECONDS_PER_HOUR = 3600, HOURS_PER_DAY = 24 };
    mf_cli_simulated buy = {0};
    mf_cli_simulated rent = {0};
    if (a->simulated == NULL && a->rent_simulated == NULL) {
        return MF_OK;
    }
    if (a->simulated == NULL || (c->rents && a->rent_simulated == NULL)) {
        return mf_fail(err,
                       MF_E_USAGE,
                       "simulate both machines: --simulated FILE of the bought one%s",
                       c->rents ? ", --rent-simulated FILE of the rented one" : "");
    }
    mf_status status =
        mf_cli_simulated_read(&buy, a->simulated, c->buy.model->id, c->buy.machine->id, err);
    if (status == MF_OK && c->rents) {
        status = mf_cli_simulated_read(
            &rent, a->rent_simulated, c->rent.model->id, c->rent.machine->id, err);
    }
    if (status != MF_OK) {
        return status;
    }
    c->simulated = true;
    status = mf_cli_simulated_apply(&c->buy, &buy, err);
    if (status == MF_OK && c->rents) {
        status = mf_cli_simulated_apply(&c->rent, &rent, err);
    }
    if (status != MF_OK) {
        return status;
    }
    if (options->requests_per_day < 0) {
        const double hours = options->hours_per_day > 0 ? options->hours_per_day : HOURS_PER_DAY;
        options->requests_per_day = buy.request_per_s * SECONDS_PER_HOUR * hours;
    }
    return MF_OK;
}

/* The commonest reason for which there is no speed is said by its name, with the cure. */
static mf_status check_fits(const mf_cli_case *c, const char *cure, mf_error *err)
{
    const mf_prediction *p = &c->prediction;
    if (!p->memory_known || p->memory.fits || p->effective.known) {
        return MF_OK;
    }
    return mf_fail(err,
                   MF_E_USAGE,
                   "%s does not fit %s, and no speed is known with parts in host memory: a smaller "
                   "--quant%s",
                   c->model->id,
                   c->machine->id,
                   cure);
}

static mf_status
compute(comparison *c, const mf_database *database, const mf_arguments *a, mf_error *err)
{
    mf_cost_options options = options_of(a);
    mf_status status = mf_prices_load(&c->prices, database, err);
    if (status == MF_OK) {
        status = mf_cli_case_load(&c->buy, database, a, a->positional[0], a->buy, err);
    }
    if (status == MF_OK) {
        status = load_rent(c, database, a, err);
    }
    if (status == MF_OK) {
        status = use_simulations(c, &options, a, err);
    }
    if (status == MF_OK) {
        status = check_fits(&c->buy, ", or a machine that holds it ('memfit plan')", err);
    }
    if (status == MF_OK && c->rents) {
        status = check_fits(
            &c->rent, ", or --rent-on a machine of several with its --rent-price an hour", err);
    }
    const mf_cost_place buy = {.machine = c->buy.machine, .prediction = &c->buy.prediction};
    const mf_cost_place rent = {.machine = c->rents ? c->rent.machine : NULL,
                                .prediction = &c->rent.prediction};
    if (status == MF_OK) {
        status = mf_cost_setup(
            &c->plan, c->prices, &options, c->offer, buy, rent, &c->buy.run.workload, err);
        c->plan.offer_chosen = c->offer_chosen;
    }
    if (status == MF_OK && c->plan.run.rent == NULL && c->plan.run.api == NULL) {
        status = mf_fail(err,
                         MF_E_USAGE,
                         "say what to compare with: --rent OFFER ('memfit db list rentals'), or "
                         "--api-in and --api-out");
    }
    return status == MF_OK ? mf_cost_compute(&c->cost, &c->plan.run, err) : status;
}

static mf_cost_shown shown_of(const comparison *c)
{
    return (mf_cost_shown){
        .cost = &c->cost,
        .plan = &c->plan,
        .buy = mf_cli_shown(&c->buy),
        .rent = c->rents ? mf_cli_shown(&c->rent) : (mf_shown){0                                             },
        .simulated = { c->simulated ? c->buy.note : NULL,
                                                               c->simulated && c->rents ? c->rent.note : NULL}
    };
}

static mf_status write_cost(void *text, const comparison *c, const mf_arguments *a, mf_error *err)
{
    const mf_cost_shown shown = shown_of(c);
    if (mf_cli_is_format(a, "json")) {
        return mf_write_cost_json(text, &shown, err);
    }
    if (mf_cli_is_format(a, "csv")) {
        return mf_write_cost_csv(text, &shown, err);
    }
    mf_document document = {0};
    mf_show_cost(&document, &shown);
    const mf_status status = mf_cli_write_document(text, &document, "memfit cost", a, err);
    mf_document_free(&document);
    return status;
}

static mf_status
show_cost(void *document, const comparison *c, const mf_arguments *a, mf_error *err)
{
    const mf_cost_shown shown = shown_of(c);
    (void)a;
    mf_show_cost(document, &shown);
    return mf_document_status(document, err);
}

typedef mf_status (*use_comparison)(void *out,
                                    const comparison *c,
                                    const mf_arguments *a,
                                    mf_error *err);

/* Computes a comparison and hands it on. */
static mf_status
with_comparison(use_comparison use, void *out, const mf_arguments *a, mf_error *err)
{
    mf_database *database = NULL;
    comparison *c = calloc(1, sizeof *c);
    mf_status status =
        c != NULL ? mf_cli_database(&database, a, err) : mf_fail(err, MF_E_NOMEM, "out of memory");
    status = status == MF_OK ? compute(c, database, a, err) : status;
    status = status == MF_OK ? use(out, c, a, err) : status;
    if (c != NULL) {
        free_comparison(c);
    }
    free(c);
    mf_database_close(database);
    return status;
}

mf_status mf_cost_show(mf_document *document, const mf_arguments *a, mf_error *err)
{
    return a->buy != NULL ? with_comparison(show_cost, document, a, err)
                          : mf_fail(err, MF_E_USAGE, "say what to buy: --buy MACHINE");
}

static mf_status cost(const mf_arguments *a, mf_error *err)
{
    mf_str text = {0};
    mf_status status = with_comparison(write_cost, &text, a, err);
    status = status == MF_OK ? mf_cli_write(&text, a->output_file, err) : status;
    mf_str_free(&text);
    return status;
}

int mf_cmd_cost(int n_words, char **words)
{
    mf_error err = {0};
    mf_arguments a = {0};
    mf_status status = mf_parse_arguments(&a, MF_FOR_COST, n_words, words, &err);
    if (status == MF_OK && a.help) {
        return mf_cli_help(mf_cli_command("cost"), MF_FOR_COST);
    }
    if (status == MF_OK && (a.n_positional != 1 || a.buy == NULL)) {
        status =
            mf_fail(&err,
                    MF_E_USAGE,
                    "cost takes a model and --buy MACHINE, like: memfit cost llama-3.3-70b --buy "
                    "mac-studio-m5-max-40c-128gb --rent runpod-h100-sxm --hours-per-day 8");
    }
    if (status == MF_OK) {
        status = cost(&a, &err);
    }
    mf_arguments_free(&a);
    return status == MF_OK ? MF_EXIT_YES : mf_cli_fail(status, &err);
}
