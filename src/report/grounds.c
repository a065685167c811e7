/*
 * grounds.c - which sources stand behind a prediction: those of the figures that it used.
 */
#include "report/prediction.h"

#include <stdio.h>
#include <string.h>

static size_t
add(mf_ground *grounds, size_t n, const char *what, const mf_sources *sources, int source)
{
    if (source < 0 || (size_t)source >= sources->n_items || n == MF_MAX_GROUNDS) {
        return n;
    }
    grounds[n] = (mf_ground){.what = what, .source = &sources->items[source]};
    return n + 1;
}

static size_t add_fact(mf_ground *grounds,
                       size_t n,
                       const char *what,
                       const mf_sources *sources,
                       const mf_fact *fact,
                       mf_dimension dimension)
{
    const size_t after = fact->known ? add(grounds, n, what, sources, fact->source) : n;
    if (after > n) {
        grounds[n].fact = fact;
        grounds[n].dimension = dimension;
    }
    return after;
}

/* The peaks that the speed law reads. */
static const struct {
    const char *what;
    size_t offset;
    mf_dimension dimension;
} device_facts[] = {
    {"device.bandwidth",   offsetof(mf_device, bandwidth_bytes_per_s),  MF_DIM_BANDWIDTH},
    {"device.fp32",        offsetof(mf_device, fp32_flop_per_s),        MF_DIM_FLOP_RATE},
    {"device.int32",       offsetof(mf_device, int32_op_per_s),         MF_DIM_OP_RATE  },
    {"device.fp16_matrix", offsetof(mf_device, fp16_matrix_flop_per_s), MF_DIM_FLOP_RATE},
};

static size_t add_device(mf_ground *grounds, size_t n, const mf_device *device)
{
    for (size_t i = 0; i < sizeof device_facts / sizeof device_facts[0]; i++) {
        const mf_fact *fact =
            (const mf_fact *)(const void *)((const char *)device + device_facts[i].offset);
        n = add_fact(
            grounds, n, device_facts[i].what, &device->sources, fact, device_facts[i].dimension);
    }
    return n;
}

/* What was said of the model, and of a release what was said of its context. */
static size_t add_model(mf_ground *grounds, const mf_sources *sources)
{
    size_t n = add(grounds, 0, "model", sources, 0);
    for (size_t i = 1; i < sources->n_items; i++) {
        const char *covers = sources->items[i].covers;
        if (covers != NULL && strcmp(covers, "context") == 0) {
            n = add(grounds, n, "model.context", sources, (int)i);
        }
    }
    return n;
}

size_t mf_grounds(mf_ground grounds[MF_MAX_GROUNDS], const mf_shown *shown)
{
    const mf_machine *machine = shown->run->machine;
    const mf_engine *engine = shown->run->engine;
    const mf_sources *sources = &machine->sources;
    size_t n = add_model(grounds, &shown->run->model->sources);
    for (size_t i = 0; i < machine->n_pools; i++) {
        const mf_pool *pool = &machine->pools[i];
        if (i == 0) {
            n = add_fact(
                grounds, n, "machine.memory", sources, &pool->capacity_bytes, MF_DIM_CAPACITY);
        }
        n = add_fact(
            grounds, n, "machine.gpu_limit", sources, &pool->usable_bytes, MF_DIM_CAPACITY);
    }
    for (size_t i = 0; i < machine->n_devices; i++) {
        if (machine->devices[i].device != NULL) {
            n = add_device(grounds, n, machine->devices[i].device);
        }
    }
    return add_fact(grounds,
                    n,
                    "engine.runtime",
                    &engine->sources,
                    &engine->runtime_bytes[shown->run->backend],
                    MF_DIM_CAPACITY);
}

/* An object of the list of sources. */
typedef struct said {
    const char *what;
    const char *title;
    mf_source_kind kind;
    const char *seen;
    const char *value; /* may be NULL */
} said;

static void write_said(mf_json_writer *w, const said *s, const char *date_key)
{
    mf_jw_open(w, NULL, '{');
    mf_jw_text(w, "for", s->what);
    mf_jw_text(w, "title", s->title);
    mf_jw_text(w, "kind", mf_source_kind_name(s->kind));
    mf_jw_text(w, date_key, s->seen);
    mf_jw_text(w, "value", s->value);
    mf_jw_close(w, '}');
}

static void
write_ground(mf_json_writer *w, const mf_ground *ground, const char *before, const char *date_key)
{
    enum { DIGITS = 6 };
    char what[64];
    char value[MF_NUMBER_SIZE + 16];
    const mf_fact *fact = ground->fact;
    (void)snprintf(what, sizeof what, "%s%s", before, ground->what);
    const said s = {.what = what,
                    .title = ground->source->title,
                    .kind = ground->source->kind,
                    .seen = ground->source->seen,
                    .value = fact == NULL
                                 ? NULL
                                 : mf_quantity_text(value, fact->value, ground->dimension, DIGITS)};
    write_said(w, &s, date_key);
}

void mf_write_grounds(mf_json_writer *w,
                      const mf_shown *shown,
                      const char *before,
                      const char *date_key)
{
    mf_ground grounds[MF_MAX_GROUNDS];
    const size_t n = mf_grounds(grounds, shown);
    for (size_t i = 0; i < n; i++) {
        write_ground(w, &grounds[i], before, date_key);
    }
    mf_write_speed_ground(w, shown->calibration, before, date_key);
}

void mf_write_speed_ground(mf_json_writer *w,
                           const mf_calibration *calibration,
                           const char *before,
                           const char *date_key)
{
    if (calibration != NULL) {
        const mf_source source = {
            .title = calibration->data, .kind = MF_SOURCE_MEASURED, .seen = calibration->fitted};
        const mf_ground speed = {.what = "speed", .source = &source};
        write_ground(w, &speed, before, date_key);
    }
}

/* Rules of llama.cpp outside its own account of memory. */
static const struct {
    mf_memory_term term;
    said source;
} term_sources[] = {
    {MF_TERM_VOCABULARY,
     {.what = "memory.vocabulary",
      .title = "llama.cpp b10361 with vocab_only, as malloc counts it: 165 bytes a token, 106 a "
               "pair of the merge list",
      .kind = MF_SOURCE_MEASURED,
      .seen = "2026-11-28"}                                                                },
    {MF_TERM_OUTPUT,
     {.what = "memory.output",
      .title = "llama.cpp b10470, llama-context.cpp output_reserve: a row of f32 logits for each "
               "output",
      .kind = MF_SOURCE_VENDOR,
      .seen = "2026-11-22"}                                                                },
    {MF_TERM_PICTURE,
     {.what = "memory.picture",
      .title = "clip.cpp of llama.cpp b10361: what it reserves for its largest picture "
               "(tests/truth/llamacpp/vision.csv)",
      .kind = MF_SOURCE_MEASURED,
      .seen = "2026-11-27"}                                                                },
    {MF_TERM_LORA,
     {.what = "memory.lora", .title = "the adapter's own file", .kind = MF_SOURCE_MEASURED}},
};

void mf_write_term_grounds(mf_json_writer *w, const mf_shown *shown, const char *date_key)
{
    const mf_case *run = shown->run;
    const mf_engine *engine = run->engine;
    const int server = engine->prompt_cache_bytes.known ? engine->prompt_cache_bytes.source : -1;
    mf_ground grounds[MF_MAX_GROUNDS];
    size_t n = 0;
    if (run->draft != NULL) {
        n = add(grounds, n, "memory.draft", &run->draft->sources, 0);
    }
    if (run->projector) {
        n = add(grounds, n, "memory.projector", &run->model->sources, 0);
    }
    n = add(grounds, n, "memory.prompt_cache", &engine->sources, server);
    n = add(grounds, n, "memory.checkpoint", &engine->sources, server);
    for (size_t i = 0; i < n; i++) {
        write_ground(w, &grounds[i], "", date_key);
    }
    for (size_t i = 0; i < sizeof term_sources / sizeof term_sources[0]; i++) {
        if (shown->prediction->memory.terms[term_sources[i].term] > 0) {
            write_said(w, &term_sources[i].source, date_key);
        }
    }
}
