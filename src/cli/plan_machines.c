/*
 * plan_machines.c - searches over many machines or many models.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/num.h"
#include "cli/plan_offers.h"

double mf_plan_capacity(const mf_machine *machine)
{
    double sum = 0;
    for (size_t i = 0; i < machine->n_devices; i++) {
        const mf_device *device = machine->devices[i].device;
        const bool own = device != NULL && device->memory_bytes.known;
        sum += own ? device->memory_bytes.value * machine->devices[i].count : 0;
    }
    const bool by_devices = sum > 0;
    for (size_t i = 0; i < machine->n_pools; i++) {
        const mf_pool *pool = &machine->pools[i];
        const bool counted = pool->kind == MF_POOL_DEVICE && by_devices;
        sum += pool->capacity_bytes.known && !counted ? pool->capacity_bytes.value : 0;
    }
    return sum * (machine->n_nodes > 0 ? machine->n_nodes : 1);
}

/* Host memory of a machine that is built around cards, whose price is that of the cards; 0 where it is no more than a usual
   computer has (hwdb's PCs with one card: 64 GiB). */
static double host_beside_cards(const mf_machine *machine)
{
    static const double usual_bytes = 64.0 * 1024 * 1024 * 1024;
    const mf_pool *host = mf_machine_pool(machine, MF_POOL_HOST);
    const double bytes =
        host != NULL && host->capacity_bytes.known ? host->capacity_bytes.value : 0;
    return mf_machine_pool(machine, MF_POOL_DEVICE) != NULL && bytes > usual_bytes ? bytes : 0;
}

/* All of what mf_plan_capacity adds up. */
static bool has_known_memory(const mf_machine *machine)
{
    bool known = machine->n_pools > 0;
    size_t n_own = 0;
    for (size_t i = 0; i < machine->n_pools; i++) {
        known = known && machine->pools[i].capacity_bytes.known;
    }
    for (size_t i = 0; i < machine->n_devices; i++) {
        const mf_device *device = machine->devices[i].device;
        n_own += device != NULL && device->memory_bytes.known ? 1 : 0;
    }
    return known && (n_own == 0 || n_own == machine->n_devices);
}

mf_status
mf_plan_may_grant(bool *may, mf_planner *planner, const mf_machine *machine, mf_error *err)
{
    *may = true;
    return has_known_memory(machine)
               ? mf_planner_may_grant(may, planner, mf_plan_capacity(machine), err)
               : MF_OK;
}

mf_price mf_plan_price(const mf_plan_facts *facts, const mf_machine *machine)
{
    const mf_cost_options *cost = &facts->arguments->cost;
    return mf_price_asked(facts->prices, machine, cost->used, cost->price_around_cards);
}

int mf_plan_by_price(const void *a, const void *b)
{
    const mf_machine_offer *x = a;
    const mf_machine_offer *y = b;
    if (x->price.known != y->price.known) {
        return x->price.known ? -1 : 1;
    }
    if (x->price.known && x->price.standing != y->price.standing) {
        return x->price.standing > y->price.standing ? 1 : -1;
    }
    if (x->price.known && x->price.currency != y->price.currency) {
        return x->price.currency < y->price.currency ? -1 : 1;
    }
    const double left = x->price.known ? x->price.value : x->capacity_bytes;
    const double right = y->price.known ? y->price.value : y->capacity_bytes;
    const double faster = y->choice.decode.tok_s - x->choice.decode.tok_s;
    if (left < right || left > right) {
        return left < right ? -1 : 1;
    }
    return faster < 0 ? -1 : faster > 0 ? 1 : strcmp(x->machine, y->machine);
}

void mf_plan_fill_offer(mf_machine_offer *offer,
                        const mf_plan_facts *facts,
                        const mf_plan_request *request,
                        const mf_choice *choice,
                        const mf_machine *machine)
{
    *offer = (mf_machine_offer){.price = mf_plan_price(facts, machine),
                                .rather_used = !facts->arguments->cost.used &&
                                               mf_price_rather_used(facts->prices, machine),
                                .capacity_bytes = mf_plan_capacity(machine),
                                .host_bytes = choice->offloaded ? host_beside_cards(machine) : 0,
                                .choice = *choice};
    (void)snprintf(offer->machine, sizeof offer->machine, "%s", machine->id);
    (void)mf_choice_text(offer->how, request, choice);
}

/* Of a machine that was named it is told why it is not among the offers. */
static void add_missed(mf_offers *offers,
                       const mf_plan_request *request,
                       const mf_plan_result *result,
                       const mf_machine *machine,
                       const mf_raised_answer *raised)
{
    mf_missed_offer *missed = &offers->missed[offers->n_missed++];
    char speed[MF_NUMBER_SIZE];
    *missed = (mf_missed_offer){.has_nearest = result->pick < result->n_choices, .raised = *raised};
    (void)snprintf(missed->machine, sizeof missed->machine, "%s", machine->id);
    if (!missed->has_nearest) {
        (void)snprintf(missed->why, sizeof missed->why, "nothing fits");
        return;
    }
    missed->nearest = result->choices[result->pick];
    const mf_rate *decode = &missed->nearest.decode;
    (void)snprintf(missed->why,
                   sizeof missed->why,
                   "nearest %.80s%s%s%s; %.120s",
                   mf_choice_text(missed->how, request, &missed->nearest),
                   decode->known ? " at " : "",
                   decode->known ? mf_number_text(speed, decode->tok_s, 3) : "",
                   decode->known ? " tok/s" : "",
                   result->reason);
}

/* What each of several sequences has of the pick; not known where the law does not say. */
static mf_status fill_each(mf_machine_offer *offer,
                           const mf_planner *planner,
                           const mf_machine *machine,
                           mf_error *err)
{
    mf_case run;
    mf_prediction prediction = {0};
    const uint32_t n = offer->choice.workload.n_parallel;
    if (n < 2) {
        return MF_OK;
    }
    const mf_status status =
        mf_plan_predict(&prediction, &run, planner, &offer->choice, machine, err);
    if (status == MF_OK && prediction.together.known) {
        offer->each = mf_rate_share(&prediction.together, n);
    }
    return status;
}

static mf_status try_machine(mf_offers *offers,
                             const mf_plan_facts *facts,
                             const mf_plan_request *request,
                             mf_planner *planner,
                             const mf_machine *machine,
                             const char *name,
                             mf_error *err)
{
    mf_raised_answer raised = {0};
    mf_plan_result result = {0};
    bool may = true;
    mf_status status = offers->named ? MF_OK : mf_plan_may_grant(&may, planner, machine, err);
    if (status != MF_OK || !may) {
        return status;
    }
    status = mf_plan_search(&result, planner, machine, err);
    if (status == MF_OK && result.pick_meets) {
        mf_machine_offer *offer = &offers->items[offers->n];
        const double budget = facts->arguments->budget;
        mf_plan_fill_offer(offer, facts, request, &result.choices[result.pick], machine);
        const bool unpriced = budget > 0 && !offer->price.known && !offers->named;
        const bool dear = budget > 0 && offer->price.known && offer->price.value > budget;
        offers->n_unpriced += unpriced ? 1 : 0;
        offers->n_dear += dear ? 1 : 0;
        if (!unpriced && !dear) {
            offers->n++;
            status = fill_each(offer, planner, machine, err);
        }
    } else if (status == MF_OK && offers->named) {
        const mf_plan_shown shown = {
            .planner = planner, .request = request, .machine = machine, .result = &result};
        status = mf_plan_raised_answer(&raised, planner, facts, &shown, name, err);
        add_missed(offers, request, &result, machine, &raised);
    }
    mf_plan_result_free(&result);
    return status;
}

mf_status
mf_plan_offers(mf_offers *out, const mf_plan_facts *facts, const mf_model *model, mf_error *err)
{
    const mf_cli_list *machines = &facts->machines;
    mf_plan_request request = {0};
    mf_planner *planner = NULL;
    mf_offers offers = {.items = calloc(machines->n + 1, sizeof *offers.items),
                        .missed = calloc(machines->n + 1, sizeof *offers.missed),
                        .around_cards = facts->arguments->cost.price_around_cards > 0,
                        .used = facts->arguments->cost.used,
                        .named = facts->arguments->on != NULL};
    mf_status status = offers.items != NULL && offers.missed != NULL
                           ? mf_plan_facts_request(&request, facts, model, true, err)
                           : mf_fail(err, MF_E_NOMEM, "out of memory for machines");
    request.granting = !offers.named;
    status = status == MF_OK ? mf_planner_new(&planner, &request, err) : status;
    for (size_t i = 0; status == MF_OK && i < machines->n; i++) {
        mf_machine *machine = NULL;
        status = mf_cli_machine(&machine, facts->database, machines->names[i], err);
        if (status == MF_OK) {
            status =
                try_machine(&offers, facts, &request, planner, machine, machines->names[i], err);
        }
        mf_machine_free(machine);
    }
    mf_planner_free(planner);
    if (status != MF_OK) {
        mf_offers_free(&offers);
        return status;
    }
    qsort(offers.items, offers.n, sizeof *offers.items, mf_plan_by_price);
    *out = offers;
    return MF_OK;
}

/* A model that machines are asked about. */
typedef struct asked {
    mf_model *model;
    mf_model_counts counts;
    mf_plan_request request;
    mf_planner *planner; /* NULL: it runs nowhere, as `why` says */
    mf_error why;
} asked;

static void free_asked(asked *a)
{
    mf_planner_free(a->planner);
    mf_model_free(a->model);
}

/* A model that is not trained for so long a context, or that no law is known for, does not run. */
static mf_status unless_refused(mf_status status, const mf_error *why, mf_error *err)
{
    const bool refused = status == MF_E_USAGE || status == MF_E_UNSUPPORTED || status == MF_E_DATA;
    return status == MF_OK || refused ? MF_OK : mf_fail(err, status, "%s", why->message);
}

/* `granting`: only what grants the wishes counts. */
static mf_status
ask(asked *a, const mf_plan_facts *facts, const char *name, bool granting, mf_error *err)
{
    bool is_file = false;
    *a = (asked){.model = NULL};
    mf_status status = mf_cli_model(&a->model, &is_file, facts->database, name, err);
    status = status == MF_OK ? mf_model_count(&a->counts, a->model, err) : status;
    if (status != MF_OK) {
        return status;
    }
    status = mf_plan_facts_request(&a->request, facts, a->model, true, &a->why);
    a->request.granting = granting;
    status = status == MF_OK ? mf_planner_new(&a->planner, &a->request, &a->why) : status;
    return unless_refused(status, &a->why, err);
}

/* A model's best choice on a machine, and with its GPU limit raised where the machine's `name` is given. */
static mf_status best_of(mf_model_row *row,
                         const asked *a,
                         const mf_plan_facts *facts,
                         const mf_machine *machine,
                         const char *name,
                         mf_error *err)
{
    mf_plan_result result = {0};
    mf_error why = a->why;
    bool may = a->planner != NULL;
    *row = (mf_model_row){.parameters = a->counts.parameters,
                          .active_parameters = a->counts.active_parameters};
    (void)snprintf(row->model, sizeof row->model, "%s", a->model->id);
    mf_status status =
        may && a->request.granting ? mf_plan_may_grant(&may, a->planner, machine, &why) : MF_OK;
    status = status == MF_OK && may ? mf_plan_search(&result, a->planner, machine, &why) : status;
    const bool searched = status == MF_OK && may;
    status = unless_refused(status, &why, err);
    (void)snprintf(row->why,
                   sizeof row->why,
                   "%.300s",
                   result.reason[0] != '\0' ? result.reason : why.message);
    if (searched && name != NULL) {
        const mf_plan_shown shown = {
            .planner = a->planner, .request = &a->request, .machine = machine, .result = &result};
        status = mf_plan_raised_answer(&row->raised, a->planner, facts, &shown, name, err);
    }
    if (searched && result.pick < result.n_choices) {
        row->runs = true;
        row->choice = result.choices[result.pick];
        row->meets = result.pick_meets;
        (void)mf_choice_text(row->how, &a->request, &row->choice);
    }
    mf_plan_result_free(&result);
    return status;
}

/* What grants the wishes first; then the larger model. */
static int by_size(const void *a, const void *b)
{
    const mf_model_row *x = a;
    const mf_model_row *y = b;
    if (x->meets != y->meets) {
        return x->meets ? -1 : 1;
    }
    return x->parameters != y->parameters ? (x->parameters > y->parameters ? -1 : 1)
                                          : strcmp(x->model, y->model);
}

mf_status
mf_plan_models(mf_document *document, bool *any, const mf_plan_facts *facts, mf_error *err)
{
    mf_machine *machine = NULL;
    mf_model_row *rows = calloc(facts->models.n, sizeof *rows);
    size_t n = 0;
    mf_status status =
        rows != NULL ? mf_cli_machine(&machine, facts->database, facts->machines.names[0], err)
                     : mf_fail(err, MF_E_NOMEM, "out of memory for models");
    *any = false;
    for (size_t i = 0; status == MF_OK && i < facts->models.n; i++) {
        asked a;
        status = ask(&a, facts, facts->models.names[i], facts->arguments->any, err);
        status = status == MF_OK
                     ? best_of(&rows[n], &a, facts, machine, facts->machines.names[0], err)
                     : status;
        free_asked(&a);
        const bool only_raised = rows[n].raised.words[0] != '\0' && !rows[n].meets;
        const bool listed = rows[n].meets || !facts->arguments->any || only_raised;
        rows[n].runs = rows[n].runs && !(facts->arguments->any && only_raised);
        *any = *any || rows[n].meets;
        n += status == MF_OK && listed ? 1 : 0;
    }
    if (status == MF_OK) {
        qsort(rows, n, sizeof *rows, by_size);
        const mf_wish wish = mf_plan_facts_wish(facts);
        mf_show_models(document, machine, rows, n, facts->models.n, &wish);
    }
    free(rows);
    mf_machine_free(machine);
    return status;
}

typedef struct step {
    mf_machine *machine;
    mf_step_row row;
} step;

static int by_capacity(const void *a, const void *b)
{
    const double x = ((const step *)a)->row.capacity_bytes;
    const double y = ((const step *)b)->row.capacity_bytes;
    return x < y   ? -1
           : x > y ? 1
                   : strcmp(((const step *)a)->machine->id, ((const step *)b)->machine->id);
}

static mf_status load_steps(step *steps, const mf_plan_facts *facts, mf_error *err)
{
    mf_status status = MF_OK;
    for (size_t i = 0; status == MF_OK && i < facts->machines.n; i++) {
        step *s = &steps[i];
        status = mf_cli_machine(&s->machine, facts->database, facts->machines.names[i], err);
        if (status == MF_OK) {
            (void)snprintf(s->row.machine, sizeof s->row.machine, "%s", s->machine->id);
            s->row.capacity_bytes = mf_plan_capacity(s->machine);
            s->row.price = mf_plan_price(facts, s->machine);
        }
    }
    return status;
}

static void fill_cell(mf_step_cell *cell, const mf_plan_facts *facts, const mf_model_row *row)
{
    (void)snprintf(cell->model, sizeof cell->model, "%s", row->model);
    cell->runs = row->meets;
    if (row->meets && row->choice.quant < facts->n_quants) {
        const mf_quant *quant = facts->quants[row->choice.quant];
        (void)snprintf(
            cell->scheme, sizeof cell->scheme, "%s", quant != NULL ? quant->id : "as stored");
        cell->decode = row->choice.decode;
    }
}

/* Counts a model on every step; it is new on the first that runs it. `cells` has one a step. */
static mf_status count_model(step *steps,
                             mf_step_cell *cells,
                             const char *name,
                             uint64_t *largest,
                             const mf_plan_facts *facts,
                             mf_error *err)
{
    bool is_new = true;
    asked a;
    mf_status status = ask(&a, facts, name, true, err);
    for (size_t i = 0; status == MF_OK && i < facts->machines.n; i++) {
        mf_model_row row;
        status = best_of(&row, &a, facts, steps[i].machine, NULL, err);
        if (status == MF_OK) {
            fill_cell(&cells[i], facts, &row);
        }
        if (status != MF_OK || !row.meets) {
            continue;
        }
        mf_step_row *s = &steps[i].row;
        s->n_models++;
        s->n_new += is_new ? 1 : 0;
        if (is_new && row.parameters > largest[i]) {
            largest[i] = row.parameters;
            (void)snprintf(s->largest, sizeof s->largest, "%.50s %.70s", row.model, row.how);
        }
        is_new = false;
    }
    free_asked(&a);
    return status;
}

mf_status mf_plan_steps(mf_document *document, const mf_plan_facts *facts, mf_error *err)
{
    const size_t n = facts->machines.n;
    step *steps = calloc(n, sizeof *steps);
    mf_step_row *rows = calloc(n, sizeof *rows);
    uint64_t *largest = calloc(n, sizeof *largest);
    mf_step_cell *cells = calloc(n * facts->models.n, sizeof *cells);
    mf_status status = steps != NULL && rows != NULL && largest != NULL && cells != NULL
                           ? load_steps(steps, facts, err)
                           : mf_fail(err, MF_E_NOMEM, "out of memory for machines");
    if (status == MF_OK) {
        qsort(steps, n, sizeof *steps, by_capacity);
    }
    for (size_t i = 0; status == MF_OK && i < facts->models.n; i++) {
        status = count_model(steps, &cells[i * n], facts->models.names[i], largest, facts, err);
    }
    for (size_t i = 0; steps != NULL && rows != NULL && i < n; i++) {
        rows[i] = steps[i].row;
        mf_machine_free(steps[i].machine);
    }
    if (status == MF_OK) {
        const mf_wish wish = mf_plan_facts_wish(facts);
        mf_show_steps(document, rows, n, facts->models.n, &wish);
        mf_show_step_models(document, rows, n, cells, facts->models.n);
    }
    free(cells);
    free(steps);
    free(rows);
    free(largest);
    return status;
}
