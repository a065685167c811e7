#include "report/placement.h"

#include <inttypes.h>
#include <stdlib.h>

#include "base/num.h"

/* A placement spelled out: what was asked for, or what llama.cpp's --fit would cut. */
typedef struct spelled {
    mf_workload workload;
    mf_fit_placement placement;
    mf_layer_part *parts; /* owned */
} spelled;

static bool spell(spelled *s, const mf_shown *shown)
{
    const mf_model *model = shown->run->model;
    *s = (spelled){.workload = shown->run->workload,
                   .parts = calloc(model->n_layers + 1, sizeof *s->parts)};
    if (s->parts != NULL) {
        mf_placed_apply(&s->workload, &s->placement, s->parts, &shown->prediction->placed, model);
    }
    return s->parts != NULL;
}

/* The patterns of common/fit.cpp (get_overflow_pattern), layers that are cut alike together. */
static bool part_pattern(mf_str *out, const mf_placement *p, mf_layer_part part)
{
    size_t n = 0;
    for (size_t i = 0; i < p->n_layer_parts; i++) {
        if (p->layer_parts[i] == part) {
            mf_str_printf(out, "%s%zu", n == 0 ? "blk\\.(" : "|", i);
            n++;
        }
    }
    if (n > 0) {
        mf_str_printf(out, ")\\.ffn_%s", mf_part_pattern(part));
    }
    return n > 0;
}

typedef void (*take_override)(void *payload, const char *pattern, int32_t device);

static void each_override(const mf_workload *w, take_override take, void *payload)
{
    const mf_placement *p = w->placement;
    for (size_t i = 0; p != NULL && i < p->n_overrides; i++) {
        take(payload, p->overrides[i].pattern, p->overrides[i].device);
    }
    for (int part = MF_PART_DENSE; p != NULL && part <= MF_PART_GATE; part++) {
        mf_str pattern = {0};
        if (part_pattern(&pattern, p, (mf_layer_part)part) && pattern.data != NULL) {
            take(payload, pattern.data, MF_ON_HOST);
        }
        mf_str_free(&pattern);
    }
}

static const char *device_name(char text[16], int32_t device, const char *host, const char *gpu)
{
    mf_str name = {0};
    if (device == MF_ON_HOST) {
        mf_str_add(&name, host);
    } else {
        mf_str_printf(&name, "%s%" PRId32, gpu, device);
    }
    size_t i = 0;
    for (; name.data != NULL && i < 15 && name.data[i] != '\0'; i++) {
        text[i] = name.data[i];
    }
    text[i] = '\0';
    mf_str_free(&name);
    return text;
}

typedef struct option_list {
    mf_str *out;
    const char *gpu;
    char separator;
    size_t n;
} option_list;

static void add_option(void *payload, const char *pattern, int32_t device)
{
    char name[16];
    option_list *list = payload;
    const char between[] = {list->separator, '\0'};
    mf_str_printf(list->out,
                  "%s%s=%s",
                  list->n == 0 ? " -ot \"" : between,
                  pattern,
                  device_name(name, device, "CPU", list->gpu));
    list->n++;
}

void mf_placement_options(mf_str *out, const mf_shown *shown, char separator)
{
    static const char *const buffers[MF_BACKEND_COUNT] = {[MF_BACKEND_METAL] = "Metal",
                                                          [MF_BACKEND_CUDA] = "CUDA",
                                                          [MF_BACKEND_ROCM] = "ROCm",
                                                          [MF_BACKEND_VULKAN] = "Vulkan",
                                                          [MF_BACKEND_SYCL] = "SYCL",
                                                          [MF_BACKEND_CPU] = "CPU"};
    spelled s;
    option_list list = {.out = out, .gpu = buffers[shown->run->backend], .separator = separator};
    const mf_workload *w = &s.workload;
    if (!spell(&s, shown)) {
        out->failed = true;
        return;
    }
    if (shown->run->backend == MF_BACKEND_CPU) {
        mf_str_add(out, " -ngl 0");
    } else if (w->gpu_layers >= 0) {
        mf_str_printf(out, " -ngl %" PRId32, w->gpu_layers);
    }
    if (w->n_cpu_moe > 0) {
        mf_str_printf(out, " -ncmoe %" PRIu32, w->n_cpu_moe);
    }
    if (!w->kv_offload) {
        mf_str_add(out, " -nkvo 1");
    }
    if (w->split == MF_SPLIT_TENSOR) {
        mf_str_add(out, " -sm tensor");
    }
    for (size_t i = 0; w->placement != NULL && i < w->placement->n_split; i++) {
        char part[MF_NUMBER_SIZE];
        mf_str_add(out, i == 0 ? " -ts " : "/");
        mf_str_add(out, mf_number_text(part, w->placement->split[i], 6));
    }
    each_override(w, add_option, &list);
    mf_str_add(out, list.n > 0 ? "\"" : "");
    free(s.parts);
}

static void write_override(void *payload, const char *pattern, int32_t device)
{
    char name[16];
    mf_json_writer *w = payload;
    mf_jw_open(w, NULL, '{');
    mf_jw_text(w, "pattern", pattern);
    mf_jw_text(w, "device", device_name(name, device, "host", "gpu"));
    mf_jw_close(w, '}');
}

void mf_write_placement_keys(mf_json_writer *w, const mf_shown *shown)
{
    spelled s;
    const mf_workload *load = &s.workload;
    if (!spell(&s, shown)) {
        w->out->failed = true;
        return;
    }
    const bool all = load->gpu_layers < 0;
    if (all) {
        mf_jw_null(w, "gpu_layers");
    } else {
        mf_jw_int(w, "gpu_layers", load->gpu_layers);
    }
    mf_jw_uint(w, "cpu_moe_layers", load->n_cpu_moe);
    mf_jw_bool(w, "kv_offload", load->kv_offload);
    mf_jw_text(w, "split", mf_split_name(load->split));
    mf_jw_open(w, "tensor_split", '[');
    for (size_t i = 0; load->placement != NULL && i < load->placement->n_split; i++) {
        mf_jw_number(w, NULL, true, load->placement->split[i]);
    }
    mf_jw_close(w, ']');
    mf_jw_open(w, "overrides", '[');
    each_override(load, write_override, w);
    mf_jw_close(w, ']');
    free(s.parts);
}

mf_status mf_write_placement_json(mf_str *out, const mf_shown *shown, mf_error *err)
{
    mf_json_writer w = {.out = out};
    mf_jw_open(&w, NULL, '{');
    mf_jw_text(&w, "schema", "memfit.placement/1");
    mf_write_placement_keys(&w, shown);
    mf_jw_close(&w, '}');
    return mf_str_status(out, err);
}
