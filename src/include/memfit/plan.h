/*
 * plan.h - which quantization, which context, which machine: searches over cases that mf_predict would answer one by one.
 *
 * A search is exact: every case is computed, none is guessed from its neighbours. What depends on few of the choices is
 * computed once (plan/ready.h), and a test compares the result with mf_predict to the last digit.
 */
#ifndef MF_MEMFIT_PLAN_H
#define MF_MEMFIT_PLAN_H

#include "memfit/calibration.h"
#include "memfit/database.h"
#include "memfit/predict.h"
#include "memfit/price.h"

#ifdef __cplusplus
extern "C" {
#endif

/* The backend that people use on a machine's first device. */
MF_API mf_backend mf_plan_backend(const mf_machine *machine);

/* What is asked for. 0: no wish. */
typedef struct mf_wish {
    uint64_t n_ctx; /* context that must fit */
    double min_tok_s;
    double max_ttft_s;
    double
        max_divergence; /* quality: mean KL divergence from the 16 bit model, as measured on MF_QUALITY_MODEL */
    bool
        usual_divergence; /* nobody asked for that: it only keeps out what is of no use, and the fastest is picked */
} mf_wish;

/* The loss that keeps out what is of no use, where nobody says another. */
#define MF_PLAN_USUAL_LIMIT 0.2

/* Loss below which people don't tell the difference: about Q4_K_M's on the model that was measured (0.031). */
#define MF_PLAN_SMALL_LOSS 0.035

/* Whose measured loss stands for a scheme's: the only model with divergences in modeldb/quants.json. */
#define MF_QUALITY_MODEL "llama-3-8b"
/* And one more with perplexities, a larger one. */
#define MF_QUALITY_LARGE_MODEL "llama-2-70b"

/* Loss that a scheme's weights bring. */
typedef struct mf_loss {
    bool known;
    bool estimated; /* of the nearest plain scheme */
    bool native;    /* the model is published in this format: no loss against what was published */
    double divergence;
    double rise;      /* of the perplexity, a fraction */
    bool large_known; /* the rise on MF_QUALITY_LARGE_MODEL */
    double large_rise;
    const char *imatrix; /* NULL: without importance matrix */
} mf_loss;

/* Not known where neither the scheme nor the one that it mixes like was measured. quant NULL: as the model is stored. imatrix is
   borrowed of qualities. Thread-safe, no failure. */
MF_API mf_loss mf_plan_loss(const mf_qualities *qualities,
                            const mf_quant *quant,
                            const mf_model *model);

#define MF_PLAN_MAX_CONTEXTS 8
#define MF_PLAN_KV_TYPES 3

/* One way to run a model on a machine. */
typedef struct mf_choice {
    size_t quant; /* indices into the request */
    size_t engine;
    mf_workload workload;
    uint64_t need_bytes;
    uint64_t
        max_context; /* mf_plan_max_context, of some of them (request.max_contexts); 0: not known */
    bool fits;
    mf_loss loss;
    mf_rate decode; /* bound and ceiling are left out: mf_plan_predict tells them */
    mf_rate prefill;
    mf_duration ttft;
    bool offloaded; /* part of it is in host memory: workload.gpu_layers or n_cpu_moe says what */
    bool meets;     /* fits and grants every wish */
    bool on_front;  /* of those that fit none is better in speed, context and quality at once */
} mf_choice;

/* One engine with its calibration (NULL: speeds are not known). */
typedef struct mf_plan_engine {
    const mf_engine *engine;
    const mf_calibration *calibration;
} mf_plan_engine;

/* What to search. All of it is borrowed until the planner is freed. */
typedef struct mf_plan_request {
    const mf_model *model;
    const mf_quant *const
        *quants; /* of all engines, each takes those of its families; NULL in it: as stored */
    size_t n_quants;
    const mf_plan_engine *engines;
    size_t n_engines;
    const mf_qualities *qualities;
    mf_workload workload; /* prompt, output and settings; context and KV types are searched */
    bool fixed_kv;        /* the workload's KV types only */
    bool fixed_context;   /* the wished context only */
    bool offload;         /* where the whole does not fit, look for parts in host memory */
    bool max_contexts;    /* of what is offloaded: it is quicker to find beside the search */
    bool granting;        /* only what may grant the wishes: schemes that lose more are not tried */
    mf_wish wish;
} mf_plan_request;

/* Tokens of the wish, of the workload where none is wished. */
MF_API uint64_t mf_plan_wished_context(const mf_plan_request *request);

/* A request made ready once, for any number of machines. */
typedef struct mf_planner mf_planner;

/* MF_E_USAGE for an empty request. The caller frees *out. */
MF_API mf_status mf_planner_new(mf_planner **out, const mf_plan_request *request, mf_error *err);
MF_API void mf_planner_free(mf_planner *planner); /* NULL is fine */

/* Another request for the same model and schemes (the same lists), of which nothing is made anew. MF_E_USAGE. */
MF_API mf_status mf_planner_ask(mf_planner *planner, const mf_plan_request *request, mf_error *err);

/* False if so much memory in all is too little for every scheme whose loss is granted, or no context so long was trained:
   what a search need not be asked. */
MF_API mf_status mf_planner_may_grant(bool *may,
                                      mf_planner *planner,
                                      double memory_bytes,
                                      mf_error *err);

typedef struct mf_plan_result {
    mf_choice *choices; /* by engine, quant, KV type and context; then offloaded ones */
    size_t n_choices;
    size_t pick;     /* index of the choice; n_choices if nothing fits */
    bool pick_meets; /* it grants every wish; otherwise it is the nearest to them */
    /* Why this one; without choices why nothing runs. */
    char reason[320];
} mf_plan_result;

/* Every quantization x KV type x context x placement on a machine. Not for two threads with one planner. The caller frees
   the result. */
MF_API mf_status mf_plan_search(mf_plan_result *result,
                                mf_planner *planner,
                                const mf_machine *machine,
                                mf_error *err);
MF_API void mf_plan_result_free(mf_plan_result *result);

enum { MF_PLAN_DOUBT_SIZE = 160 };

/* A choice grants wishes by the middle of its 90 % ranges. What its range leaves open, as "it may reach only 4 of the
   wished 5 tok/s"; "" if the whole range grants them. */
MF_API const char *
mf_plan_doubt(char out[MF_PLAN_DOUBT_SIZE], const mf_wish *wish, const mf_choice *choice);
/* The whole range grants them. */
MF_API bool mf_plan_is_sure(const mf_wish *wish, const mf_choice *choice);

/* The whole prediction of a choice. *run borrows of the planner. */
MF_API mf_status mf_plan_predict(mf_prediction *prediction,
                                 mf_case *run,
                                 const mf_planner *planner,
                                 const mf_choice *choice,
                                 const mf_machine *machine,
                                 mf_error *err);

/* The largest context with which a choice's scheme and placement fit; 0 if none does. */
MF_API mf_status mf_plan_max_context(uint64_t *n_ctx,
                                     const mf_planner *planner,
                                     const mf_choice *choice,
                                     const mf_machine *machine,
                                     mf_error *err);

/* A sweep: all machines x models x schemes x contexts as CSV, in units that can be computed in any order and anywhere. */
typedef struct mf_sweep mf_sweep;

typedef struct mf_sweep_lists {
    const char *const *models; /* ids; machines may be devices or what-if strings */
    size_t n_models;
    const char *const *machines;
    size_t n_machines;
    const char *const *quants;
    size_t n_quants;
    const uint64_t *contexts;
    size_t n_contexts;
    const char *engine;
    uint64_t n_output; /* the prompt fills the rest of the context */
} mf_sweep_lists;

/* Loads machines and schemes; models when their turn comes. Borrows the database and the lists. The caller frees it. */
MF_API mf_status mf_sweep_new(mf_sweep **out,
                              const mf_database *database,
                              const mf_sweep_lists *lists,
                              mf_error *err);
MF_API void mf_sweep_free(mf_sweep *sweep); /* NULL is fine */

MF_API size_t mf_sweep_units(const mf_sweep *sweep);      /* one a model and scheme, in order */
MF_API size_t mf_sweep_unit_cases(const mf_sweep *sweep); /* lines of each */
MF_API const char *mf_sweep_header(void);

/* The lines of a unit, 0-terminated; borrowed until the next call. Units of one model in a row share work. */
MF_API mf_status
mf_sweep_unit(const char **text, size_t *size, mf_sweep *sweep, size_t unit, mf_error *err);

#ifdef __cplusplus
}
#endif

#endif
