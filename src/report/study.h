/*
 * study.h - one question over a few predictions: how a setting, a machine, a prompt's length or a model's size changes
 * the answer. Commands and reports share them; each adds tables and drawings to a document, and every number in it is
 * mf_predict's.
 */
#ifndef MF_REPORT_STUDY_H
#define MF_REPORT_STUDY_H

#include "memfit/plan.h"
#include "memfit/predict.h"
#include "memfit/price.h"
#include "report/document.h"

/* What a study is about; all borrowed. quants go with models. */
typedef struct mf_study {
    const mf_model *const *models;
    const mf_quant *const *quants; /* NULL in it: as stored */
    size_t n_models;
    const mf_machine *const *machines;
    size_t n_machines;
    const mf_engine *engine;
    const mf_calibration *calibration; /* NULL: speeds are not known */
    const mf_prices *prices;           /* NULL: no prices */
    bool used;                         /* prices are those of used machines, where one is known */
    double around_cards;               /* price of the computer around cards; 0: not said */
    mf_workload workload;
} mf_study;

typedef mf_status mf_study_fn(mf_document *document, const mf_study *study, mf_error *err);

/* By name: "offload", "switches", ...; NULL if there is none. */
mf_study_fn *mf_study_by_name(const char *name);

/* Experts of more and more layers in host memory: memory, speed, what the host's memory has to deliver. */
mf_study_fn mf_study_offload;
/* Cache formats, flash attention, full windows, a prompt that was seen before. */
mf_study_fn mf_study_switches;
/* The same model on one, two, four devices, by layers and by tensors. */
mf_study_fn mf_study_scaling;
/* Time to the first token over the prompt's length. */
mf_study_fn mf_study_prompts;
/* Which machine is faster, by model and by how much is read for how much is written. */
mf_study_fn mf_study_crossover;
/* Decode speed over the context's depth, with bands. */
mf_study_fn mf_study_depth;
/* Machines by what they give for the money. */
mf_study_fn mf_study_value;
/* Price of each machine, and of what kind and date it is. Nothing without prices. */
void mf_study_prices(mf_document *document, const mf_study *study);
/* Where the model lies on each machine, how fast it is read there, what stands beside it. */
void mf_study_paths(mf_document *document, const mf_study *study);
/* Memory terms against the limit. */
mf_study_fn mf_study_memory;
/* Operators of a step under the machine's roofs. */
mf_study_fn mf_study_roofline;

/* What is studied: models, engine, workload. */
void mf_study_head(mf_document *document, const mf_study *study);

/* The case of one model on one machine. */
mf_case mf_study_case(const mf_study *study, size_t model, size_t machine);

/* A cell with a rate that can be traced, "-" if it is not known. `name` makes its id. */
void mf_study_rate(mf_document *document,
                   const char *name,
                   const char *formula,
                   const mf_rate *rate,
                   const mf_case *run);

/* Seconds to the first token of the case's prompt if all but MF_WARM_TOKENS of it are cached. 0: not known. `prediction` is
   the case's own. */
enum { MF_WARM_TOKENS = 64 };
mf_status mf_study_warm(double *seconds,
                        const mf_study *study,
                        const mf_case *run,
                        const mf_prediction *prediction,
                        mf_error *err);

/* In which scheme the weights are: the case's, the model's own, or "as stored". Borrowed of either. */
const char *mf_study_scheme(const mf_case *run);

#endif
