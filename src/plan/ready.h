/*
 * ready.h - cases by the thousand: what a model is in one quantization and what a machine is are worked out once, a case
 * is then a few sums and the law itself.
 *
 * Nothing is predicted here. Memory comes from mf_memory_need: weights do not depend on context and cache format, the
 * rest does not depend on the quantization, and machines whose devices stand in the same proportions hold the same, so
 * one breakdown serves many cases. Speed is mf_path_decode and mf_path_prefill on the path of mf_path_build, whose work
 * is exchanged; the interval is that of mf_interval_width_of. A test compares all of it with mf_predict.
 */
#ifndef MF_PLAN_READY_H
#define MF_PLAN_READY_H

#include "memfit/predict.h"
#include "speed/interval.h"
#include "speed/path.h"

/* A machine with its engine, ready for any model. */
typedef struct mf_ready_machine {
    const mf_machine *machine;
    const mf_engine *engine;
    const mf_calibration *calibration; /* NULL: no speeds */
    mf_backend backend;
    mf_memory places; /* names and limits; needs are those of a model that does not matter */
    mf_path path;     /* devices alike are folded into one segment */
    const mf_model *turned_to; /* the model whose factors and hops the path has */
    double hidden;             /* of that model */
    const char *no_speed;      /* why there is none; NULL if there is */
    bool mixed; /* devices differ: a model's parts can't be exchanged for another's */
    mf_basis basis[MF_TEST_COUNT];
    mf_interval_width widths[MF_TEST_COUNT]; /* of the intervals */
} mf_ready_machine;

/* A model in one quantization (NULL: as stored). */
typedef struct mf_ready_model {
    const mf_model *model;
    const mf_quant *quant;
    mf_footprint *footprint;
    mf_work work; /* the whole model on one device */
} mf_ready_model;

/* Bytes by place. */
typedef struct mf_ready_bytes {
    uint64_t places[MF_MAX_PLACES];
} mf_ready_bytes;

typedef struct mf_ready_speed {
    bool known;
    double decode_tok_s;
    double decode_low_tok_s;
    double decode_high_tok_s;
    double prefill_tok_s; /* 0: not known */
    double prefill_low_tok_s;
    double prefill_high_tok_s;
    mf_basis basis[MF_TEST_COUNT];
} mf_ready_speed;

/* MF_E_UNSUPPORTED if the scheme can't hold the model. End with mf_ready_model_free. */
mf_status mf_ready_model_make(mf_ready_model *ready,
                              const mf_model *model,
                              const mf_quant *quant,
                              mf_error *err);

/* The same model in another scheme, quicker; like is freed last. */
mf_status mf_ready_model_make_like(mf_ready_model *ready,
                                   const mf_ready_model *like,
                                   const mf_quant *quant,
                                   mf_error *err);
void mf_ready_model_free(mf_ready_model *ready);

/* The layers' weights as files have them: no placement takes less. */
uint64_t mf_ready_least_bytes(const mf_ready_model *ready);

/* `any` is a model in some quantization that the machine's path is first made for. */
mf_status mf_ready_machine_make(mf_ready_machine *ready,
                                const mf_machine *machine,
                                const mf_engine *engine,
                                mf_backend backend,
                                const mf_calibration *calibration,
                                const mf_ready_model *any,
                                mf_error *err);

/* Puts a model's work on the machine's path. Call before speeds of another model or quantization. */
mf_status
mf_ready_machine_turn(mf_ready_machine *ready, const mf_ready_model *model, mf_error *err);

/* True if both hold the same of every model beside their runtimes: same engine, a backend that lays out alike, devices in
   the same proportions. */
bool mf_ready_alike(const mf_ready_machine *a, const mf_ready_machine *b);

/* True if every model is as fast on both: one device each, the same one. */
bool mf_ready_as_fast(const mf_ready_machine *a, const mf_ready_machine *b);

/* Weights by place, and everything else but the runtime for a workload (of any quantization of the same model). */
mf_status mf_ready_weights(mf_ready_bytes *bytes,
                           const mf_ready_machine *machine,
                           const mf_ready_model *model,
                           mf_error *err);
mf_status mf_ready_rest(mf_ready_bytes *bytes,
                        const mf_ready_machine *machine,
                        const mf_ready_model *model,
                        const mf_workload *workload,
                        mf_error *err);

/* What all places need together, the machine's own runtime with it, and what is left in the fullest (mf_memory_headroom). */
typedef struct mf_ready_room {
    uint64_t need_bytes;
    int64_t left_bytes;
    bool fits; /* as mf_memory_need judges it */
} mf_ready_room;

mf_ready_room mf_ready_room_of(const mf_ready_machine *machine,
                               const mf_ready_bytes *weights,
                               const mf_ready_bytes *rest);

/* Speed with all of the model that the machine was turned to on its devices. */
mf_ready_speed mf_ready_speed_of(mf_ready_machine *machine, const mf_workload *workload);

/* Speed with parts in host memory, as `run` places them and `memory` is its breakdown. */
mf_status mf_ready_placed_speed(mf_ready_speed *speed,
                                mf_ready_machine *machine,
                                const mf_ready_model *model,
                                const mf_case *run,
                                const mf_memory *memory,
                                mf_error *err);

#endif
