/*
 * engine.h - what an inference engine does with a model: its defaults, its paddings, and the memory it takes beside its
 * own accounting. One fact file an engine, hwdb/engines/<name>.json; the rules that need code are one C file an engine,
 * which several fact files may name (Ollama computes as llama.cpp does).
 */
#ifndef MF_MEMFIT_ENGINE_H
#define MF_MEMFIT_ENGINE_H

#include "memfit/fact.h"
#include "memfit/workload.h"

#ifdef __cplusplus
extern "C" {
#endif

/* The context that an engine takes by itself on GPUs which may use that much together, and more. */
typedef struct mf_engine_context {
    mf_fact gpu_bytes;
    uint64_t n_ctx;
} mf_engine_context;

#define MF_MAX_ENGINE_CONTEXTS 8

typedef struct mf_engine {
    mf_engine_id id;                         /* whose rules */
    char *name;                              /* "llama.cpp", "ollama" */
    char *version;                           /* the release whose rules these are: "b10470" */
    mf_workload defaults;                    /* one user, the engine's own settings */
    mf_fact runtime_bytes[MF_BACKEND_COUNT]; /* context and libraries of a backend, per device */
    mf_fact runtime_low_bytes[MF_BACKEND_COUNT];
    mf_fact runtime_high_bytes[MF_BACKEND_COUNT];
    mf_fact prompt_cache_bytes; /* the default of the workload's; not known: it keeps no prompts */
    mf_engine_context contexts[MF_MAX_ENGINE_CONTEXTS]; /* from little memory to much */
    size_t n_contexts;
    mf_sources sources;
} mf_engine;

/* That of the last step whose memory is there; without one defaults.n_ctx. */
MF_API uint64_t mf_engine_default_context(const mf_engine *engine, uint64_t gpu_bytes);

MF_API void mf_engine_free(mf_engine *engine); /* NULL is fine */

#ifdef __cplusplus
}
#endif

#endif
