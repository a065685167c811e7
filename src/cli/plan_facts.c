#include "cli/plan_facts.h"

#include <stdlib.h>
#include <string.h>

#include <math.h>

#include "base/num.h"
#include "cli/own.h"
#include "cli/simulated.h"
#include "plan/pick.h"

void mf_plan_facts_free(mf_plan_facts *facts)
{
    for (size_t i = 0; i < facts->n_engines; i++) {
        mf_engine_free(facts->engines[i]);
        mf_calibration_free(facts->calibrations[i]);
    }
    free(facts->quants);
    mf_quants_free(&facts->all);
    mf_qualities_free(&facts->qualities);
    mf_prices_free(facts->prices);
    mf_cli_list_free(&facts->models);
    mf_cli_list_free(&facts->machines);
    mf_database_close(facts->database);
    *facts = (mf_plan_facts){0};
}

/* Those that were said, or all of modeldb's; `usual`: those that people download. */
static mf_status load_quants(mf_plan_facts *f, bool usual, mf_error *err)
{
    mf_cli_list said = {0};
    mf_status status = MF_OK;
    if (f->arguments->quant != NULL) {
        status = mf_cli_list_cut(&said, f->arguments->quant, err);
        f->all.items = status == MF_OK ? calloc(said.n, sizeof *f->all.items) : NULL;
        for (size_t i = 0; f->all.items != NULL && status == MF_OK && i < said.n; i++) {
            status = mf_database_quant(&f->all.items[i], f->database, said.names[i], err);
            f->all.n_items += status == MF_OK ? 1 : 0;
        }
        mf_cli_list_free(&said);
    } else {
        status = mf_database_quants(&f->all, f->database, err);
    }
    f->quants = status == MF_OK ? calloc(f->all.n_items + 1, sizeof *f->quants) : NULL;
    if (status == MF_OK && f->quants == NULL) {
        return mf_fail(err, MF_E_NOMEM, "out of memory for schemes");
    }
    for (size_t i = 0; status == MF_OK && i < f->all.n_items; i++) {
        if (!usual || f->arguments->quant != NULL || mf_plan_is_usual(f->all.items[i])) {
            f->quants[f->n_quants++] = f->all.items[i];
        }
    }
    return status;
}

/* One of the machines that were named is Apple's, wherever it stands among them. */
static bool has_apple(const mf_plan_facts *f)
{
    bool any = false;
    for (size_t i = 0; f->arguments->on != NULL && i < f->machines.n; i++) {
        const char *name = f->machines.names[i];
        any = any || strncmp(name, "mac", 3) == 0 || strncmp(name, "apple", 5) == 0;
    }
    return any;
}

/* llama.cpp, and MLX beside it where that may run. */
static mf_status load_engines(mf_plan_facts *f, mf_error *err)
{
    const char *names[MF_PLAN_ENGINES] = {"llama.cpp", "mlx"};
    size_t n = has_apple(f) ? 2 : 1;
    mf_status status = MF_OK;
    if (f->arguments->engine != NULL) {
        names[0] = f->arguments->engine;
        n = 1;
    }
    for (size_t i = 0; status == MF_OK && i < n; i++) {
        status = mf_cli_engine(&f->engines[i], &f->calibrations[i], f->database, names[i], err);
        if (status == MF_OK) {
            f->searched[i] =
                (mf_plan_engine){.engine = f->engines[i], .calibration = f->calibrations[i]};
            f->n_engines++;
        }
    }
    return status;
}

/* What was measured on this machine, where it is one of those searched. */
static mf_status load_own(mf_plan_facts *f, mf_error *err)
{
    mf_status status = MF_OK;
    for (size_t i = 0; status == MF_OK && i < f->machines.n; i++) {
        mf_machine *machine = NULL;
        if (!mf_own_is_this(f->machines.names[i])) {
            continue;
        }
        status = mf_cli_machine(&machine, f->database, f->machines.names[i], err);
        for (size_t e = 0; status == MF_OK && e < f->n_engines; e++) {
            if (f->calibrations[e] != NULL) {
                status = mf_own_calibrate(f->calibrations[e], NULL, machine, f->database, err);
            }
        }
        mf_machine_free(machine);
    }
    return status;
}

/* A divergence, or a scheme whose measured loss is the most. */
static mf_status set_quality(mf_plan_facts *f, mf_error *err)
{
    const char *said = f->arguments->min_quality;
    const char *end = NULL;
    mf_quant *quant = NULL;
    if (said == NULL) {
        return MF_OK;
    }
    if (mf_parse_number(&f->max_divergence, said, &end) && *end == '\0') {
        return f->max_divergence > 0
                   ? MF_OK
                   : mf_fail(err, MF_E_USAGE, "--min-quality takes a divergence above 0");
    }
    const mf_status status = mf_database_quant(&quant, f->database, said, err);
    if (status != MF_OK) {
        return status;
    }
    const mf_quality *row = mf_quality_find(&f->qualities, MF_QUALITY_MODEL, quant->id);
    if (row == NULL && quant->mix != NULL) {
        row = mf_quality_find(&f->qualities, MF_QUALITY_MODEL, quant->mix);
    }
    mf_quant_free(quant);
    if (row == NULL || !row->divergence.known) {
        return mf_fail(
            err, MF_E_USAGE, "nobody measured the loss of '%s': name a divergence", said);
    }
    f->max_divergence = row->divergence.value;
    return MF_OK;
}

static mf_status load_names(mf_plan_facts *f, mf_error *err)
{
    const mf_arguments *a = f->arguments;
    mf_status status = mf_cli_list_of(&f->models,
                                      a->n_positional > 0 ? a->positional[0] : NULL,
                                      f->database,
                                      MF_ENTRY_MODEL,
                                      err);
    if (status == MF_OK) {
        status = mf_cli_list_of(&f->machines, a->on, f->database, MF_ENTRY_MACHINE, err);
    }
    return status;
}

/* The usual context, or room for all that is in work. */
static int64_t room_for(int64_t not_said, int64_t tokens)
{
    enum { USUAL = 8192, STEP = 4096 };
    return tokens <= USUAL ? not_said : (tokens + STEP - 1) / STEP * STEP;
}

/* A load is the same on every machine; what was said wins. */
static mf_status load_simulated(mf_plan_facts *f, mf_error *err)
{
    const mf_arguments *a = f->arguments;
    mf_cli_simulated load = {0};
    if (a->simulated == NULL) {
        return MF_OK;
    }
    const char *model = f->models.n == 1 ? f->models.names[0] : NULL;
    const mf_status status = mf_cli_simulated_read(&load, a->simulated, model, NULL, err);
    if (status != MF_OK) {
        return status;
    }
    mf_arguments *own = &f->with_load;
    *own = *a;
    own->prompt = a->prompt > 0 ? a->prompt : (int64_t)llround(fmax(1, load.input_tokens));
    own->output = a->output > 0 ? a->output : (int64_t)llround(fmax(1, load.output_tokens));
    own->parallel = a->parallel > 0 ? a->parallel : (int64_t)load.side_by_side;
    if (a->ctx <= 0) {
        own->ctx = room_for(a->ctx, own->parallel * (own->prompt + own->output));
    }
    f->load = (mf_plan_load){.known = true,
                             .request_per_s = load.request_per_s,
                             .side_by_side = (uint32_t)own->parallel};
    f->arguments = own;
    return MF_OK;
}

mf_status mf_plan_facts_prices(mf_plan_facts *facts, mf_error *err)
{
    return facts->prices != NULL ? MF_OK : mf_prices_load(&facts->prices, facts->database, err);
}

mf_status
mf_plan_facts_load(mf_plan_facts *facts, const mf_arguments *arguments, bool usual, mf_error *err)
{
    facts->arguments = arguments;
    mf_status status = mf_cli_database(&facts->database, arguments, err);
    status = status == MF_OK ? load_names(facts, err) : status;
    status = status == MF_OK ? load_simulated(facts, err) : status;
    status = status == MF_OK && usual ? mf_plan_facts_prices(facts, err) : status;
    status =
        status == MF_OK ? mf_database_qualities(&facts->qualities, facts->database, err) : status;
    status = status == MF_OK ? load_quants(facts, usual, err) : status;
    status = status == MF_OK ? load_engines(facts, err) : status;
    status = status == MF_OK ? load_own(facts, err) : status;
    return status == MF_OK ? set_quality(facts, err) : status;
}

mf_wish mf_plan_facts_wish(const mf_plan_facts *facts)
{
    /* Of many machines or models the one with the coarsest scheme would win: about IQ3_XXS's loss is the most then. */
    const mf_arguments *a = facts->arguments;
    const bool limited = !(facts->max_divergence > 0) && a->quant == NULL;
    return (mf_wish){.n_ctx = a->ctx > 0 ? (uint64_t)a->ctx : 0,
                     .min_tok_s = a->min_tok_s,
                     .max_ttft_s = a->max_ttft_s,
                     .max_divergence = limited ? MF_PLAN_USUAL_LIMIT : facts->max_divergence,
                     .usual_divergence = limited};
}

mf_status mf_plan_facts_request(mf_plan_request *request,
                                const mf_plan_facts *facts,
                                const mf_model *model,
                                bool many,
                                mf_error *err)
{
    static const mf_quant *const as_stored[] = {NULL};
    const mf_arguments *a = facts->arguments;
    const bool stored = model->origin == MF_ORIGIN_GGUF && a->quant == NULL;
    mf_workload workload;
    const mf_status status = mf_cli_workload(&workload, facts->engines[0], model, a, err);
    if (status != MF_OK) {
        return status;
    }
    mf_wish wish = mf_plan_facts_wish(facts);
    wish.n_ctx = workload.n_ctx;
    /* A wish that only rubble grants is not granted, unless somebody asks for that. */
    const bool limited = (many || a->min_tok_s > 0 || a->max_ttft_s > 0) && !stored;
    wish.usual_divergence = wish.usual_divergence && limited;
    wish.max_divergence = limited ? wish.max_divergence : facts->max_divergence;
    *request = (mf_plan_request){
        .model = model,
        .quants = stored ? as_stored : facts->quants,
        .n_quants = stored ? 1 : facts->n_quants,
        .engines = facts->searched,
        .n_engines = facts->n_engines,
        .qualities = &facts->qualities,
        .workload = workload,
        .fixed_kv = a->kv != NULL,
        .fixed_context = many,
        .offload = true,
        .wish = wish,
    };
    return MF_OK;
}
