/*
 * plan.h - searches as documents, JSON (schema memfit.plan/1, docs/json.md) or CSV.
 */
#ifndef MF_REPORT_PLAN_H
#define MF_REPORT_PLAN_H

#include "memfit/plan.h"
#include "report/document.h"
#include "report/wording.h"

/* What is asked of the machine over time, from a simulation. */
typedef struct mf_plan_load {
    bool known;
    double request_per_s;
    uint32_t side_by_side; /* requests in work at once */
} mf_plan_load;

/* What the search would take with the limit of a unified memory's GPU raised. */
typedef struct mf_plan_raised {
    bool known; /* it is much better, and leaves the rest of the system enough */
    mf_choice choice;
    mf_raised limit;
} mf_plan_raised;

/* The same in a few words, where many are searched: "with the GPU limit raised MXFP4_MOE at 46 tok/s"; "" where it brings nothing. */
typedef struct mf_raised_answer {
    mf_choice choice;
    char how[160];
    char words[180];
} mf_raised_answer;

/* One model on one machine, searched. */
typedef struct mf_plan_shown {
    const mf_planner *planner;
    const mf_plan_request *request;
    const mf_machine *machine;
    const mf_plan_result *result;
    mf_plan_load load;
    mf_plan_raised raised;
} mf_plan_shown;

/* Schemes, the front and the pick. */
mf_status mf_show_plan(mf_document *document, const mf_plan_shown *shown, mf_error *err);

/* What each of n sequences gets of a rate of all together. */
mf_rate mf_rate_share(const mf_rate *rate, uint32_t n);

/* What each of several sequences gets of the pick while all of them are at work; nothing for one. */
mf_status mf_show_plan_users(mf_document *document, const mf_plan_shown *shown, mf_error *err);

/* Speed and first token of the pick with the wished context full, as far as the model was trained for it, where that is much
   longer than the prompt of the plan. */
mf_status mf_show_plan_full(mf_document *document, const mf_plan_shown *shown, mf_error *err);

/* What a raised limit would bring, and how it is raised; nothing where it is not known to. */
void mf_show_plan_raised(mf_document *document, const mf_plan_shown *shown);

/* Without the head and the verdict: the table of schemes and the front with its drawing, for reports. */
mf_status mf_show_plan_tables(mf_document *document, const mf_plan_shown *shown, mf_error *err);

/* The front as a table, and the choices at the wished context drawn by loss and speed; nothing where no loss is known. */
mf_status mf_show_front(mf_document *document, const mf_plan_shown *shown, mf_error *err);
void mf_draw_front(mf_document *document, const mf_plan_shown *shown);

/* "Q4_K_M", "as stored". */
const char *mf_plan_scheme_name(const mf_plan_request *request, const mf_choice *choice);

/* "Q4_K_M, KV q8_0, 12 expert layers in host memory". */
const char *mf_choice_text(char out[160], const mf_plan_request *request, const mf_choice *choice);

/* Makes speed and loss of a choice figures of the latest cell, which speaks of them: "ID/decode", "ID/loss". */
void mf_trace_choice(mf_document *document,
                     const char *id,
                     const mf_choice *choice,
                     const char *how);

/* "0.031 (+2.8 %)", "none, published so", "not measured". */
const char *mf_loss_text(char out[96], const mf_loss *loss);

/* Share of the time that a load keeps a choice busy if it serves one request at a time; 0: not known. May exceed 1. */
double mf_plan_busy(const mf_plan_load *load, const mf_choice *choice);

mf_status mf_write_plan_json(mf_str *out, const mf_plan_shown *shown, mf_error *err);
mf_status mf_write_plan_csv(mf_str *out, const mf_plan_shown *shown, mf_error *err);

/* Machines that run a model at the wishes. */
typedef struct mf_machine_offer {
    char machine[96];
    double capacity_bytes; /* all memory of it */
    mf_price price;
    mf_choice choice;
    mf_rate each;  /* decode of each sequence while all of several are at work; not known of one */
    char how[160]; /* mf_choice_text */
    bool rather_used; /* its price is an old one, and that of a used one is known */
    /* Of host memory, where parts of the model lie there beside cards; 0: none do, or it is a usual computer's. */
    double host_bytes;
    const char *what; /* how it is related to another machine; NULL: not said */
} mf_machine_offer;

/* A machine that was named and does not grant the wishes. */
typedef struct mf_missed_offer {
    char machine[96];
    char why[256];
    bool has_nearest; /* something fits */
    mf_choice nearest;
    char how[160]; /* of that */
    mf_raised_answer raised;
} mf_missed_offer;

typedef struct mf_offers {
    mf_machine_offer *items; /* within the budget */
    size_t n;
    bool around_cards; /* the price of the computer around cards was said */
    bool used;         /* prices are those of used machines */
    bool named;        /* machines were named: all of them are shown, with a price or without */
    mf_missed_offer *missed;
    size_t n_missed;
    size_t n_dear;     /* that grant the wishes and cost more than the budget */
    size_t n_unpriced; /* left out as well, as a budget says nothing of them */
} mf_offers;

void mf_offers_free(mf_offers *offers);

/* Sorted by the caller. */
void mf_show_offers(mf_document *document,
                    const char *heading,
                    const mf_machine_offer *offers,
                    size_t n);

/* All of them under the question that they answer: the cheapest first, a budget or 0. */
void mf_show_offers_answer(mf_document *document,
                           const mf_plan_request *request,
                           const mf_offers *offers,
                           double budget);

/* What a machine runs of many models at the wishes. */
typedef struct mf_step_row {
    char machine[96];
    double capacity_bytes;
    mf_price price;
    size_t n_models;   /* that run */
    size_t n_new;      /* that no smaller step ran */
    char largest[128]; /* of the new ones */
} mf_step_row;

/* Of n_models that were tried. */
void mf_show_steps(mf_document *document,
                   const mf_step_row *steps,
                   size_t n,
                   size_t n_models,
                   const mf_wish *wish);

/* A model on a step: in which scheme and how fast. */
typedef struct mf_step_cell {
    char model[96];
    char scheme[40];
    mf_rate decode;
    bool runs;
} mf_step_cell;

/* Which models those are; n cells for each of them. Nothing of many models, where counting has to do. */
void mf_show_step_models(mf_document *document,
                         const mf_step_row *steps,
                         size_t n,
                         const mf_step_cell *cells,
                         size_t n_models);

/* One model of several on a machine, at its best. */
typedef struct mf_model_row {
    char model[96];
    uint64_t parameters;
    uint64_t active_parameters;
    mf_choice choice;
    char how[160];
    bool runs; /* something of it fits */
    bool meets;
    char why[320]; /* it is the pick, or that nothing runs */
    mf_raised_answer raised;
} mf_model_row;

void mf_show_models(mf_document *document,
                    const mf_machine *machine,
                    const mf_model_row *rows,
                    size_t n,
                    size_t n_models,
                    const mf_wish *wish);

/* "within 16384 tokens of context, at least 10 tok/s, ...". */
const char *mf_wish_text(char out[256], const mf_wish *wish, uint64_t n_ctx);

#endif
