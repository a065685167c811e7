/*
 * study_settings.c - the same model on the same machine with other settings: experts in host memory, cache formats, flash
 * attention, a prompt that was seen before.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/units.h"
#include "report/study.h"
#include "report/wording.h"

#define DECODE "speed law, decode: docs/speed.md"
#define PREFILL "speed law, prefill: docs/speed.md"

typedef char text[MF_WORDING_SIZE];

static mf_status
predicted(mf_prediction **out, const mf_study *study, const mf_case *run, mf_error *err)
{
    mf_prediction *p = calloc(1, sizeof *p);
    if (p == NULL) {
        return mf_fail(err, MF_E_NOMEM, "out of memory for a prediction");
    }
    const mf_status status = mf_predict(p, run, study->calibration, err);
    if (status != MF_OK) {
        free(p);
        return status;
    }
    *out = p;
    return MF_OK;
}

static const mf_place *place_named(const mf_memory *memory, const char *start)
{
    for (size_t i = 0; i < memory->n_places; i++) {
        if (strncmp(memory->places[i].name, start, strlen(start)) == 0) {
            return &memory->places[i];
        }
    }
    return &memory->places[0];
}

static size_t count_expert_layers(const mf_model *model)
{
    size_t last = 0;
    for (size_t i = 0; i < model->n_layers; i++) {
        last = model->layers[i].ffn.kind == MF_FFN_MOE && !model->layers[i].is_nextn ? i + 1 : last;
    }
    return last;
}

/* Of a layer's experts those that a token uses. */
static double share_used(const mf_model *model)
{
    for (size_t i = 0; i < model->n_layers; i++) {
        const mf_ffn *ffn = &model->layers[i].ffn;
        if (ffn->kind == MF_FFN_MOE && ffn->n_experts > 0) {
            return (double)ffn->n_experts_used / ffn->n_experts;
        }
    }
    return 0;
}

/* What host memory delivers while it decodes: the experts there that a token uses. `whole` is the breakdown with all of them on
   the devices. */
static void
host_reads_cell(mf_document *d, const mf_case *run, const mf_prediction *p, const mf_memory *whole)
{
    char bytes[MF_NUMBER_SIZE + 16];
    const double there = (double)place_named(&p->memory, "host")->terms[MF_TERM_WEIGHTS];
    const double always = (double)place_named(whole, "host")->terms[MF_TERM_WEIGHTS];
    const double rate = (there - always) * share_used(run->model) * p->decode.tok_s;
    const bool known = p->memory.fits && p->decode.known && rate > 0;
    mf_document_cell(d, "%s", known ? mf_quantity_text(bytes, rate, MF_DIM_BANDWIDTH, 3) : "-");
}

static void offload_row(
    mf_document *d, const mf_case *run, const mf_prediction *p, const mf_memory *whole, uint32_t n)
{
    char name[48];
    char bytes[MF_NUMBER_SIZE + 16];
    const mf_place *gpu = place_named(&p->memory, "gpu");
    const mf_place *host = place_named(&p->memory, "host");
    (void)snprintf(name, sizeof name, "cpu-moe-%u", n);
    mf_document_cell(d, "%u", n);
    mf_document_cell(d, "%s", mf_bytes_text(bytes, (double)gpu->need_bytes, 3));
    mf_document_cell(d, "%s", mf_bytes_text(bytes, (double)host->need_bytes, 3));
    mf_document_cell(d, "%s", p->memory.fits ? "yes" : "no");
    if (p->memory.fits) {
        text range;
        mf_study_rate(d, name, DECODE, &p->decode, run);
        mf_document_cell(d, "%s", mf_range_text(range, &p->decode));
        mf_study_rate(d, name, PREFILL, &p->prefill, run);
    } else {
        for (int i = 0; i < 3; i++) {
            mf_document_cell(d, "-");
        }
    }
    host_reads_cell(d, run, p, whole);
}

/* The least number of layers whose experts leave, found by halving: memory falls with every layer. */
static mf_status least_layers(uint32_t *least, const mf_case *run, uint32_t most, mf_error *err)
{
    int64_t too_few = -1;
    int64_t enough = (int64_t)most + 1;
    while (enough - too_few > 1) {
        mf_case one = *run;
        mf_memory need;
        one.workload.n_cpu_moe = (uint32_t)(too_few + (enough - too_few) / 2);
        const mf_status status = mf_memory_need(&need, &one, err);
        if (status != MF_OK) {
            return status;
        }
        if (need.fits) {
            enough = one.workload.n_cpu_moe;
        } else {
            too_few = one.workload.n_cpu_moe;
        }
    }
    *least = (uint32_t)enough;
    return MF_OK;
}

static mf_status
add_offload(mf_document *document, const mf_study *study, uint32_t n_layers, mf_error *err)
{
    mf_memory whole;
    mf_prediction *p = NULL;
    mf_case run = mf_study_case(study, 0, 0);
    run.workload.n_cpu_moe = 0;
    mf_status status = mf_memory_need(&whole, &run, err);
    run.workload.n_cpu_moe = n_layers;
    status = status == MF_OK ? predicted(&p, study, &run, err) : status;
    if (status == MF_OK && p != NULL) {
        offload_row(document, &run, p, &whole, n_layers);
    }
    free(p);
    return status;
}

mf_status mf_study_offload(mf_document *document, const mf_study *study, mf_error *err)
{
    enum { STEPS = 8 };
    static const char *const headings[] = {"layers",
                                           "on the GPU",
                                           "on the host",
                                           "fits",
                                           "decode",
                                           "90 % range",
                                           "prefill",
                                           "host reads"};
    const uint32_t most = (uint32_t)count_expert_layers(study->models[0]);
    const mf_case run = mf_study_case(study, 0, 0);
    uint32_t least = 0;
    if (most == 0) {
        return mf_fail(err, MF_E_USAGE, "'%s' has no experts to move", study->models[0]->id);
    }
    mf_status status = least_layers(&least, &run, most, err);
    mf_document_begin(document,
                      MF_BLOCK_TABLE,
                      8,
                      "Experts of the first layers in host memory, tokens per second");
    for (size_t i = 0; i < sizeof headings / sizeof headings[0]; i++) {
        mf_document_cell(document, "%s", headings[i]);
    }
    uint32_t last = UINT32_MAX;
    for (uint32_t i = 0; status == MF_OK && i <= STEPS; i++) {
        const uint32_t step = most * i / STEPS;
        /* Even steps, and the point at which it begins to fit. */
        if (least < step && (last == UINT32_MAX || least > last)) {
            status = add_offload(document, study, least, err);
        }
        if (status == MF_OK && step != last) {
            status = add_offload(document, study, step, err);
        }
        last = step;
    }
    mf_document_begin(document, MF_BLOCK_LIST, 1, NULL);
    if (status == MF_OK && least <= most) {
        mf_document_cell(document,
                         "- it fits from %u of %u layers on: --cpu-moe %u is the fastest that fits",
                         least,
                         most,
                         least);
        mf_document_figure(document,
                           "cpu-moe",
                           "the fewest layers with which all memory terms fit: docs/memory.md",
                           "layers",
                           least);
        mf_document_input(document, 0, "layers with experts", "%u", most);
    } else if (status == MF_OK) {
        mf_document_cell(document, "- it does not fit with all experts in host memory either");
    }
    mf_document_cell(document,
                     "- host reads: what the host's memory delivers while it decodes, the experts "
                     "there that a token uses");
    return status;
}

/* One setting that is changed. */
typedef struct change {
    const char *name;
    mf_tensor_type kv;
    int flash; /* -1: as it is */
    bool swa_full;
    bool seen; /* all but the last tokens of the prompt were seen before */
} change;

static const change changes[] = {
    {"as asked",                  MF_TYPE_COUNT, -1, false, false},
    {"KV cache q8_0",             MF_TYPE_Q8_0,  -1, false, false},
    {"KV cache q4_0",             MF_TYPE_Q4_0,  -1, false, false},
    {"without flash attention",   MF_TYPE_COUNT, 0,  false, false},
    {"full cache for windows",    MF_TYPE_COUNT, -1, true,  false},
    {"prompt seen but 64 tokens", MF_TYPE_COUNT, -1, false, true },
};

static bool has_windows(const mf_model *model)
{
    for (size_t i = 0; i < model->n_layers; i++) {
        if (model->layers[i].attention.window > 0) {
            return true;
        }
    }
    return false;
}

static mf_case changed(const mf_study *study, const change *c)
{
    mf_case run = mf_study_case(study, 0, 0);
    if (c->kv != MF_TYPE_COUNT) {
        run.workload.kv_type_k = c->kv;
        run.workload.kv_type_v = c->kv;
    }
    run.workload.flash_attention = c->flash < 0 ? run.workload.flash_attention : c->flash == 1;
    run.workload.swa_full = run.workload.swa_full || c->swa_full;
    return run;
}

static void change_row(mf_document *d,
                       const change *c,
                       const mf_case *run,
                       const mf_prediction *p,
                       double ttft_s,
                       const mf_prediction *base)
{
    char bytes[MF_NUMBER_SIZE + 16];
    text range;
    const double saved = (double)base->memory.total_bytes - (double)p->memory.total_bytes;
    mf_document_cell(d, "%s", c->name);
    mf_document_cell(d, "%s", mf_bytes_text(bytes, (double)p->memory.total_bytes, 3));
    if (saved > 0 || saved < 0) {
        text number;
        (void)mf_bytes_text(bytes, saved > 0 ? saved : -saved, 2);
        (void)snprintf(number, sizeof number, "%s%s", saved > 0 ? "-" : "+", bytes);
        mf_document_cell(d, "%s", number);
    } else {
        mf_document_cell(d, "-");
    }
    mf_document_cell(d, "%s", !p->memory_known ? "-" : p->memory.fits ? "yes" : "no");
    mf_study_rate(d, c->name, DECODE, &p->decode, run);
    mf_document_cell(d, "%s", mf_range_text(range, &p->decode));
    mf_study_rate(d, c->name, PREFILL, &p->prefill, run);
    mf_document_cell(d,
                     "%s",
                     p->ttft.known && ttft_s > 0 ? mf_quantity_text(bytes, ttft_s, MF_DIM_TIME, 2)
                                                 : "-");
}

mf_status mf_study_switches(mf_document *document, const mf_study *study, mf_error *err)
{
    static const char *const headings[] = {"setting",
                                           "needs",
                                           "change",
                                           "fits",
                                           "decode tok/s",
                                           "90 % range",
                                           "prefill tok/s",
                                           "first token"};
    mf_prediction *base = NULL;
    mf_status status = MF_OK;
    bool any_placed = false;
    mf_document_begin(document, MF_BLOCK_TABLE, 8, "What settings give");
    for (size_t i = 0; i < sizeof headings / sizeof headings[0]; i++) {
        mf_document_cell(document, "%s", headings[i]);
    }
    for (size_t i = 0; status == MF_OK && i < sizeof changes / sizeof changes[0]; i++) {
        const mf_case run = changed(study, &changes[i]);
        mf_prediction *p = NULL;
        mf_error why = {0};
        if (changes[i].swa_full && !has_windows(study->models[0])) {
            continue;
        }
        status = predicted(&p, study, &run, &why);
        if (status == MF_E_USAGE || status == MF_E_DATA || status == MF_E_UNSUPPORTED) {
            status = MF_OK; /* this model or engine has no such setting */
            continue;
        }
        if (status != MF_OK || p == NULL) {
            status = mf_fail(err, status, "%s", why.message);
            continue;
        }
        double ttft_s = p->ttft.s;
        if (changes[i].seen) {
            status = mf_study_warm(&ttft_s, study, &run, p, err);
        }
        any_placed = any_placed || (p->memory_known && !p->memory.fits && p->decode.known);
        change_row(document, &changes[i], &run, p, ttft_s, base != NULL ? base : p);
        if (base == NULL) {
            base = p;
        } else {
            free(p);
        }
    }
    free(base);
    mf_document_begin(document, MF_BLOCK_LIST, 1, NULL);
    mf_document_cell(document,
                     "- speculative decoding is a matter of how often a draft is accepted: fit "
                     "--draft says from where it pays; multi-token prediction is not predicted");
    if (any_placed) {
        mf_document_cell(document,
                         "- what does not fit has the speed of the best placement with a part in "
                         "host memory");
    }
    mf_document_cell(document,
                     "- what a quantized cache loses in quality, and gains or loses in speed, "
                     "nobody's measurement in the database says");
    return status;
}
