/*
 * record.h - what `memfit calibrate` measured on one machine: each test with its samples, and what was wrong with it.
 *
 * A record is a fact file (hwdb/records/<id>.json in the user's data folder). It is data alone: what a prediction makes of
 * it is in speed (mf_calibration_apply), how it comes about in probe.h.
 */
#ifndef MF_MEMFIT_RECORD_H
#define MF_MEMFIT_RECORD_H

#include "memfit/machine.h"

#ifdef __cplusplus
extern "C" {
#endif

/* What one repetition of a test is counted in; X(name, text). A rate is work / seconds. */
#define MF_WORK_UNIT_LIST(X)                                                                       \
    X(MF_UNIT_BYTE, "byte")                                                                        \
    X(MF_UNIT_FLOP, "FLOP")                                                                        \
    X(MF_UNIT_CALL, "call")

typedef enum mf_work_unit {
#define MF_WORK_UNIT_ENUM(name, text) name,
    MF_WORK_UNIT_LIST(MF_WORK_UNIT_ENUM)
#undef MF_WORK_UNIT_ENUM
} mf_work_unit;

/* The tests, in the order in which they are run; X(name, text, unit, what it tells).
   matvec reads weights from memory, unpack has them in the cache, prompt multiplies them with several columns. */
#define MF_PROBE_LIST(X)                                                                           \
    X(MF_PROBE_CLOCK, "clock", MF_UNIT_FLOP, "multiply-adds in registers: the clock's witness")    \
    X(MF_PROBE_LAUNCH, "launch", MF_UNIT_CALL, "one empty kernel after another")                   \
    X(MF_PROBE_READ, "read", MF_UNIT_BYTE, "memory, read only")                                    \
    X(MF_PROBE_COPY, "copy", MF_UNIT_BYTE, "memory, read and written")                             \
    X(MF_PROBE_TRIAD, "triad", MF_UNIT_BYTE, "memory, two streams read and one written")           \
    X(MF_PROBE_GEMM_F32, "gemm-f32", MF_UNIT_FLOP, "matrix product by the system's library")       \
    X(MF_PROBE_GEMM_F32_OWN, "gemm-f32-own", MF_UNIT_FLOP, "matrix product by memfit's kernel")    \
    X(MF_PROBE_GEMM_F16, "gemm-f16", MF_UNIT_FLOP, "matrix product by the system's library")       \
    X(MF_PROBE_GEMM_F16_OWN, "gemm-f16-own", MF_UNIT_FLOP, "matrix product by memfit's kernel")    \
    X(MF_PROBE_GEMM_F16_TENSOR, "gemm-f16-tensor", MF_UNIT_FLOP, "matrix product on tensor units") \
    X(MF_PROBE_GEMM_F8, "gemm-f8", MF_UNIT_FLOP, "product of FP8 by the system's library")         \
    X(MF_PROBE_MATVEC_F16, "matvec-f16", MF_UNIT_BYTE, "F16 weights times a vector")               \
    X(MF_PROBE_MATVEC_Q8_0, "matvec-q8_0", MF_UNIT_BYTE, "Q8_0 weights times a vector")            \
    X(MF_PROBE_MATVEC_Q4_0, "matvec-q4_0", MF_UNIT_BYTE, "Q4_0 weights times a vector")            \
    X(MF_PROBE_MATVEC_Q4_K, "matvec-q4_K", MF_UNIT_BYTE, "Q4_K weights times a vector")            \
    X(MF_PROBE_UNPACK_F16, "unpack-f16", MF_UNIT_FLOP, "F16 weights in the cache, one vector")     \
    X(MF_PROBE_UNPACK_Q8_0, "unpack-q8_0", MF_UNIT_FLOP, "Q8_0 weights in the cache, one vector")  \
    X(MF_PROBE_UNPACK_Q4_0, "unpack-q4_0", MF_UNIT_FLOP, "Q4_0 weights in the cache, one vector")  \
    X(MF_PROBE_UNPACK_Q4_K, "unpack-q4_K", MF_UNIT_FLOP, "Q4_K weights in the cache, one vector")  \
    X(MF_PROBE_PROMPT_Q8_0, "prompt-q8_0", MF_UNIT_FLOP, "Q8_0 weights, many columns")             \
    X(MF_PROBE_PROMPT_Q4_0, "prompt-q4_0", MF_UNIT_FLOP, "Q4_0 weights, many columns")             \
    X(MF_PROBE_PROMPT_Q4_K, "prompt-q4_K", MF_UNIT_FLOP, "Q4_K weights, many columns")             \
    X(MF_PROBE_KV_F16, "kv-f16", MF_UNIT_BYTE, "attention of one token over an F16 cache")

typedef enum mf_probe {
#define MF_PROBE_ENUM(name, text, unit, help) name,
    MF_PROBE_LIST(MF_PROBE_ENUM)
#undef MF_PROBE_ENUM
        MF_PROBE_COUNT
} mf_probe;

/* How a test ended; a figure stands only where it is "measured". X(name, text). */
#define MF_OUTCOME_LIST(X)                                                                         \
    X(MF_OUTCOME_MEASURED, "measured")                                                             \
    X(MF_OUTCOME_WRONG, "wrong result")                                                            \
    X(MF_OUTCOME_FAILED, "failed")                                                                 \
    X(MF_OUTCOME_CACHED, "cached")                                                                 \
    X(MF_OUTCOME_OPTIMISED, "optimised away")                                                      \
    X(MF_OUTCOME_STOPPED, "stopped")

typedef enum mf_outcome {
#define MF_OUTCOME_ENUM(name, text) name,
    MF_OUTCOME_LIST(MF_OUTCOME_ENUM)
#undef MF_OUTCOME_ENUM
} mf_outcome;

/* What measured: one value a backend. */
#define MF_PROBE_BACKEND_LIST(X)                                                                   \
    X(MF_PROBE_BACKEND_METAL, "metal")                                                             \
    X(MF_PROBE_BACKEND_CUDA, "cuda")                                                               \
    X(MF_PROBE_BACKEND_OPENCL, "opencl")                                                           \
    X(MF_PROBE_BACKEND_CPU, "cpu")                                                                 \
    X(MF_PROBE_BACKEND_FAKE, "fake")

typedef enum mf_probe_backend_id {
#define MF_PROBE_BACKEND_ENUM(name, text) name,
    MF_PROBE_BACKEND_LIST(MF_PROBE_BACKEND_ENUM)
#undef MF_PROBE_BACKEND_ENUM
} mf_probe_backend_id;

/* One timed submission of n_calls repetitions. */
typedef struct mf_record_sample {
    uint32_t round; /* 1, 2, ... */
    uint32_t n_calls;
    mf_fact time_s; /* all repetitions, by the device's clock where it has one */
    mf_fact wall_s;
} mf_record_sample;

/* Times are of one repetition. */
typedef struct mf_record_result {
    mf_probe probe;
    mf_outcome outcome;
    mf_work_unit unit;
    mf_fact work; /* of one repetition */
    mf_fact best_s;
    mf_fact median_s;
    mf_fact low_s; /* at least 95 % confidence for the median */
    mf_fact high_s;
    mf_fact first_s; /* medians of the first and the last round: burst and sustained */
    mf_fact last_s;
    mf_fact submit_s; /* LAUNCH: cost of a submission, whatever is in it */
    mf_fact error;    /* largest difference from the reference, relative to its size */
    bool device_clock;
    bool noisy;     /* the interval is wider than 5 % */
    bool throttled; /* the last round ran below 0.95 of the first */
    bool unsettled; /* no steady time after the warm-up */
    char *message;  /* what went wrong; may be NULL */
    mf_record_sample *samples;
    size_t n_samples;
} mf_record_result;

typedef struct mf_record {
    char *id;
    char *name;
    char *device_id; /* the device of hwdb; NULL: none known, the record stands for itself */
    char *date;
    char *program; /* "memfit 0.1.0" */
    char *system;  /* operating system and version */
    char *driver;  /* library or driver that ran the kernels; may be NULL */
    mf_probe_backend_id backend;
    mf_vendor vendor;
    mf_chip_class chip_class;
    uint32_t n_threads;       /* CPU; 0 elsewhere */
    mf_fact cores;            /* GPU cores, SMs, compute units or CPU threads */
    mf_fact memory_bytes;     /* the device's, or the machine's where it is shared */
    mf_fact limit_bytes;      /* what the device may use of it */
    mf_fact spec_bytes_per_s; /* bandwidth on the data sheet, where the device of hwdb has one */
    mf_fact duration_s;
    bool unified;
    bool complete;  /* every test was run to the end */
    bool throttled; /* the witness or a test slowed down by more than 5 % */
    bool noisy;     /* half of the tests or more are */
    mf_record_result *results;
    size_t n_results;
    mf_sources sources;
} mf_record;

MF_API void mf_record_free(mf_record *record); /* NULL is fine */

/* Reads a record. MF_E_IO, MF_E_DATA with file:line:column. The caller frees *out. */
MF_API mf_status mf_record_load(mf_record **out, const char *path, mf_error *err);
MF_API mf_status
mf_record_parse(mf_record **out, const char *text, size_t size, const char *name, mf_error *err);

/* The file's text. The caller frees *text. */
MF_API mf_status mf_record_text(char **text, const mf_record *record, mf_error *err);

/* The result of a test if it was measured; NULL otherwise. Borrowed. */
MF_API const mf_record_result *mf_record_find(const mf_record *record, mf_probe probe);

/* Work per second of a test's median; 0 where it was not measured. For LAUNCH calls per second. */
MF_API double mf_record_rate(const mf_record *record, mf_probe probe);

/* A device, and a machine of it, made of what was measured: bandwidth is the read test's, FP32 the best product's. The
   machine's id and its device's are the record's. MF_E_DATA names a missing test. The caller frees *out. */
MF_API mf_status mf_record_machine(mf_machine **out, const mf_record *record, mf_error *err);

/* As in a record's file: "read", "gemm-f16", ...; what a test's rate counts. Static storage. */
MF_API const char *mf_probe_name(mf_probe probe);
MF_API mf_work_unit mf_probe_unit(mf_probe probe);
MF_API const char *mf_outcome_name(mf_outcome outcome);
MF_API const char *mf_probe_backend_name(mf_probe_backend_id backend);

#ifdef __cplusplus
}
#endif

#endif
