/*
 * cmd_plan.c - one model on one machine: its schemes. On several machines, or all: which of them. Several models: which
 * of them, or what each step of memory brings.
 */
#include <stdlib.h>
#include <string.h>

#include "cli/plan_facts.h"
#include "report/study.h"

/* What was found, in the forms that it can be written in. */
typedef struct answer {
    mf_document document;
    mf_str text; /* JSON or CSV that a view has of its own */
    bool yes;
} answer;

static mf_status write_schemes(answer *out,
                               mf_plan_facts *f,
                               mf_planner *planner,
                               const mf_plan_shown *shown,
                               const mf_machine *machine,
                               mf_error *err)
{
    if (mf_cli_is_format(f->arguments, "json")) {
        return mf_write_plan_json(&out->text, shown, err);
    }
    if (mf_cli_is_format(f->arguments, "csv")) {
        return mf_write_plan_csv(&out->text, shown, err);
    }
    mf_status status = mf_show_plan(&out->document, shown, err);
    if (status != MF_OK || shown->result->pick_meets) {
        return status;
    }
    status = mf_plan_facts_prices(f, err);
    return status == MF_OK
               ? mf_plan_ways_out(&out->document, f, planner, shown->request->model, machine, err)
               : status;
}

static mf_status plan_schemes(answer *out, mf_plan_facts *f, mf_error *err)
{
    mf_model *model = NULL;
    mf_machine *machine = NULL;
    mf_planner *planner = NULL;
    mf_plan_request request;
    mf_plan_result result = {0};
    bool is_file = false;
    mf_status status = mf_cli_model(&model, &is_file, f->database, f->models.names[0], err);
    status =
        status == MF_OK ? mf_cli_machine(&machine, f->database, f->machines.names[0], err) : status;
    status = status == MF_OK ? mf_plan_facts_request(&request, f, model, false, err) : status;
    /* Choices alone are neither asked for their largest contexts nor for what a raised limit would change. */
    const bool is_shown =
        !mf_cli_is_format(f->arguments, "json") && !mf_cli_is_format(f->arguments, "csv");
    request.max_contexts = is_shown;
    status = status == MF_OK ? mf_planner_new(&planner, &request, err) : status;
    status = status == MF_OK ? mf_plan_search(&result, planner, machine, err) : status;
    if (status == MF_OK) {
        mf_plan_shown shown = {.planner = planner,
                               .request = &request,
                               .machine = machine,
                               .result = &result,
                               .load = f->load};
        out->yes = result.pick_meets;
        if (is_shown) {
            status =
                mf_plan_search_raised(&shown.raised, planner, f, &shown, f->machines.names[0], err);
        }
        status = status == MF_OK ? write_schemes(out, f, planner, &shown, machine, err) : status;
    }
    mf_plan_result_free(&result);
    mf_planner_free(planner);
    mf_machine_free(machine);
    mf_model_free(model);
    return status;
}

static mf_status plan_machines(answer *out, const mf_plan_facts *f, mf_error *err)
{
    mf_model *model = NULL;
    mf_offers offers = {0};
    bool is_file = false;
    mf_plan_request request;
    mf_status status = mf_cli_model(&model, &is_file, f->database, f->models.names[0], err);
    status = status == MF_OK ? mf_plan_facts_request(&request, f, model, true, err) : status;
    status = status == MF_OK ? mf_plan_offers(&offers, f, model, err) : status;
    if (status == MF_OK) {
        out->yes = offers.n > 0;
        mf_show_offers_answer(&out->document, &request, &offers, f->arguments->budget);
    }
    mf_offers_free(&offers);
    mf_model_free(model);
    return status;
}

/* Models and machines of a view, loaded. */
typedef struct viewed {
    mf_model **models;
    mf_quant **quants;
    mf_machine **machines;
    mf_study study;
} viewed;

static mf_status load_models(viewed *v, const mf_plan_facts *f, mf_error *err)
{
    mf_status status = MF_OK;
    for (size_t i = 0; status == MF_OK && i < f->models.n; i++) {
        bool is_file = false;
        status = mf_cli_model(&v->models[i], &is_file, f->database, f->models.names[i], err);
        if (status == MF_OK &&
            (f->arguments->quant != NULL || v->models[i]->origin != MF_ORIGIN_GGUF)) {
            const char *quant = f->arguments->quant != NULL
                                    ? f->arguments->quant
                                    : mf_cli_default_quant(f->engines[0], v->models[i]);
            status = mf_database_quant(&v->quants[i], f->database, quant, err);
        }
    }
    return status;
}

static mf_status load_view(viewed *v, const mf_plan_facts *f, mf_error *err)
{
    v->models = calloc(f->models.n, sizeof *v->models);
    v->quants = calloc(f->models.n, sizeof *v->quants);
    v->machines = calloc(f->machines.n, sizeof *v->machines);
    if (v->models == NULL || v->quants == NULL || v->machines == NULL) {
        return mf_fail(err, MF_E_NOMEM, "out of memory for a view");
    }
    mf_status status = load_models(v, f, err);
    for (size_t i = 0; status == MF_OK && i < f->machines.n; i++) {
        status = mf_cli_machine(&v->machines[i], f->database, f->machines.names[i], err);
    }
    v->study = (mf_study){.models = (const mf_model *const *)v->models,
                          .quants = (const mf_quant *const *)v->quants,
                          .n_models = f->models.n,
                          .machines = (const mf_machine *const *)v->machines,
                          .n_machines = f->machines.n,
                          .engine = f->engines[0],
                          .calibration = f->calibrations[0],
                          .prices = f->prices,
                          .used = f->arguments->cost.used,
                          .around_cards = f->arguments->cost.price_around_cards};
    return status == MF_OK
               ? mf_cli_workload(&v->study.workload, f->engines[0], v->models[0], f->arguments, err)
               : status;
}

static void free_view(viewed *v, const mf_plan_facts *f)
{
    for (size_t i = 0; v->models != NULL && i < f->models.n; i++) {
        mf_model_free(v->models[i]);
    }
    for (size_t i = 0; v->quants != NULL && i < f->models.n; i++) {
        mf_quant_free(v->quants[i]);
    }
    for (size_t i = 0; v->machines != NULL && i < f->machines.n; i++) {
        mf_machine_free(v->machines[i]);
    }
    free(v->models);
    free(v->quants);
    free(v->machines);
}

static mf_status plan_view(answer *out, mf_plan_facts *f, mf_error *err)
{
    viewed v = {0};
    mf_status status = mf_plan_facts_prices(f, err);
    status = status == MF_OK ? load_view(&v, f, err) : status;
    if (status == MF_OK) {
        mf_study_head(&out->document, &v.study);
        status = mf_study_by_name(f->arguments->view)(&out->document, &v.study, err);
    }
    out->yes = true;
    free_view(&v, f);
    return status;
}

static mf_status search(answer *out, mf_plan_facts *f, mf_error *err)
{
    const bool one_model = f->models.n == 1;
    const bool one_machine = f->machines.n == 1;
    if (f->arguments->view != NULL) {
        return plan_view(out, f, err);
    }
    if (one_machine && f->arguments->budget > 0) {
        return mf_fail(err, MF_E_USAGE, "--budget is for a search among machines, not for one");
    }
    if (one_model) {
        return one_machine ? plan_schemes(out, f, err) : plan_machines(out, f, err);
    }
    if (one_machine) {
        return mf_plan_models(&out->document, &out->yes, f, err);
    }
    out->yes = true;
    return mf_plan_steps(&out->document, f, err);
}

static mf_status check_words(const mf_arguments *a, mf_error *err)
{
    if (a->n_positional > 1 || (a->n_positional == 0) != a->any) {
        return mf_fail(err,
                       MF_E_USAGE,
                       "plan takes a model, several (cut by commas) or --any, like: memfit plan "
                       "llama-3.3-70b --on "
                       "mac-studio-m4-max-40c-128gb --ctx 32768");
    }
    if (a->view != NULL && (a->any || a->on == NULL)) {
        return mf_fail(err, MF_E_USAGE, "--view takes models and --on MACHINE[,MACHINE..]");
    }
    if (a->any && a->on == NULL) {
        return mf_fail(err, MF_E_USAGE, "every model on every machine: 'memfit sweep' does that");
    }
    return MF_OK;
}

static mf_status load_and_search(answer *out, const mf_arguments *a, mf_error *err)
{
    mf_plan_facts facts = {0};
    const bool one = a->n_positional == 1 && a->on != NULL &&
                     strchr(a->positional[0], ',') == NULL && strchr(a->on, ',') == NULL;
    mf_status status = check_words(a, err);
    status = status == MF_OK ? mf_plan_facts_load(&facts, a, !one, err) : status;
    status = status == MF_OK ? search(out, &facts, err) : status;
    mf_plan_facts_free(&facts);
    return status;
}

mf_status mf_plan_show(mf_document *document, const mf_arguments *a, mf_error *err)
{
    answer out = {.document = *document};
    const mf_status status = load_and_search(&out, a, err);
    *document = out.document;
    mf_str_free(&out.text);
    return status;
}

static mf_status plan(const mf_arguments *a, bool *yes, mf_error *err)
{
    answer out = {0};
    mf_status status = load_and_search(&out, a, err);
    if (status == MF_OK && out.text.size == 0) {
        status = mf_cli_write_document(&out.text, &out.document, "memfit plan", a, err);
    }
    status = status == MF_OK ? mf_cli_write(&out.text, a->output_file, err) : status;
    *yes = out.yes;
    mf_document_free(&out.document);
    mf_str_free(&out.text);
    return status;
}

int mf_cmd_plan(int n_words, char **words)
{
    mf_error err = {0};
    mf_arguments a = {0};
    bool yes = false;
    mf_status status = mf_parse_arguments(&a, MF_FOR_PLAN, n_words, words, &err);
    if (status == MF_OK && a.help) {
        return mf_cli_help(mf_cli_command("plan"), MF_FOR_PLAN);
    }
    status = status == MF_OK ? plan(&a, &yes, &err) : status;
    mf_arguments_free(&a);
    if (status != MF_OK) {
        return mf_cli_fail(status, &err);
    }
    return yes ? MF_EXIT_YES : MF_EXIT_NO;
}
