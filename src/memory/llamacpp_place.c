/*
 * llamacpp_place.c - the input layer stays on the host. Layer i is on a device if i >= n_layers + 1 - gpu_layers, the
 * output layer counts as one more; several devices take runs of layers in proportion to --tensor-split or to the memory
 * that they have free.
 */
#include "memory/llamacpp_place.h"

#include <regex.h>
#include <stdlib.h>
#include <string.h>

/* Running sums of the devices' shares, the last is 1. */
static void split_points(double *points, const mf_memory *memory, const mf_case *run, size_t n)
{
    const mf_placement *p = run->workload.placement;
    double sum = 0;
    for (size_t i = 0; i < n; i++) {
        const bool given = p != NULL && p->n_split > 0;
        const double part =
            given ? (i < p->n_split ? p->split[i] : 0) : (double)memory->places[i].limit_bytes;
        sum += part;
        points[i] = sum;
    }
    for (size_t i = 0; i < n; i++) {
        points[i] = sum > 0 ? points[i] / sum : (double)(i + 1) / (double)n;
    }
}

static void
place_layers(llamacpp_plan *plan, const mf_memory *memory, const mf_case *run, const layout *at)
{
    double points[MF_MAX_PLACES] = {0};
    const size_t n_all = run->model->n_layers + 1;
    const int32_t wanted = run->workload.gpu_layers;
    const size_t n_offloaded = at->n_devices == 0                      ? 0
                               : wanted < 0 || (size_t)wanted >= n_all ? n_all
                                                                       : (size_t)wanted;
    split_points(points, memory, run, at->n_devices);
    memset(plan->layers, (int)at->host, n_all);
    for (size_t i = 0; i < n_offloaded; i++) {
        const double share = (double)i / (double)n_offloaded;
        size_t device = 0;
        while (device + 1 < at->n_devices && points[device] <= share) {
            device++;
        }
        plan->layers[n_all - n_offloaded + i] = (int8_t)device;
    }
    plan->fully_offloaded = n_offloaded == n_all;
}

static bool has_prefix(const mf_tensor *tensor, const char *prefix)
{
    return strncmp(tensor->name, prefix, strlen(prefix)) == 0;
}

static bool starts_with_any(const char *text, const char *const *starts)
{
    for (size_t i = 0; starts[i] != NULL; i++) {
        if (strncmp(text, starts[i], strlen(starts[i])) == 0) {
            return true;
        }
    }
    return false;
}

/* The patterns of common/fit.cpp: get_overflow_pattern. */
static bool leaves_device(const mf_tensor *tensor, mf_layer_part part)
{
    static const char *const experts[] = {"ffn_up_exps",
                                          "ffn_up_chexps",
                                          "ffn_down_exps",
                                          "ffn_down_chexps",
                                          "ffn_gate_up_exps",
                                          "ffn_gate_exps",
                                          "ffn_gate_chexps",
                                          NULL};
    static const char *const all[] = {"ffn_up", "ffn_gate", "ffn_down", NULL};
    static const char *const after_up[] = {"ffn_gate", "ffn_down", NULL};
    static const char *const after_gate[] = {"ffn_down", NULL};
    static const char *const none[] = {NULL};
    static const char *const *const starts[] = {[MF_PART_ALL] = none,
                                                [MF_PART_DENSE] = experts,
                                                [MF_PART_ATTENTION] = all,
                                                [MF_PART_UP] = after_up,
                                                [MF_PART_GATE] = after_gate};
    const char *dot = strchr(tensor->name + strlen("blk."), '.');
    return dot != NULL && starts_with_any(dot + 1, starts[part]);
}

static int8_t
usual_place(const llamacpp_plan *plan, const mf_case *run, const layout *at, size_t index)
{
    const mf_tensor *tensor = &run->model->tensors[index];
    if (tensor->role == MF_ROLE_TOKEN_EMBEDDING || tensor->role == MF_ROLE_PER_LAYER_EMBEDDING) {
        return (int8_t)at->host;
    }
    if (tensor->layer < 0 || (size_t)tensor->layer >= run->model->n_layers) {
        /* The projection of per-layer inputs goes with the first layer (Gemma 3n, Gemma 4). */
        const bool first = has_prefix(tensor, "per_layer_");
        return plan->layers[first ? 0 : run->model->n_layers];
    }
    const mf_placement *p = run->workload.placement;
    if (at->n_devices > 0 && p != NULL && (size_t)tensor->layer < p->n_layer_parts &&
        leaves_device(tensor, p->layer_parts[tensor->layer])) {
        return (int8_t)at->host;
    }
    const bool expert_on_host = at->n_devices > 0 && tensor->role == MF_ROLE_EXPERT &&
                                (uint32_t)tensor->layer < run->workload.n_cpu_moe;
    return expert_on_host ? (int8_t)at->host : plan->layers[tensor->layer];
}

int8_t mf_llamacpp_tensor_place(const llamacpp_plan *plan,
                                const mf_case *run,
                                const layout *at,
                                size_t index)
{
    return plan->tensors != NULL ? plan->tensors[index] : usual_place(plan, run, at, index);
}

/* It may be one of several expressions, outside of parentheses (some systems take one that nothing opens for a letter); with
   brackets in it any bar counts. */
static bool has_choice(const char *pattern)
{
    const bool brackets = strchr(pattern, '[') != NULL;
    int depth = 0;
    for (const char *c = pattern; *c != '\0'; c++) {
        if (*c == '\\' && c[1] != '\0') {
            c++;
        } else if (*c == '|' && (brackets || depth <= 0)) {
            return true;
        } else {
            depth += *c == '(' ? 1 : *c == ')' ? -1 : 0;
        }
    }
    return false;
}

/* The text that a pattern begins with, which whatever matches it holds; empty if that is not plain to see. */
static void literal_of(char *out, size_t size, const char *pattern)
{
    static const char special[] = "\\^$.[]()*+?{}|";
    size_t n = 0;
    const char *c = has_choice(pattern) ? "" : pattern;
    while (*c != '\0' && n + 1 < size) {
        const bool escaped = *c == '\\' && c[1] != '\0' && strchr(special, c[1]) != NULL;
        const char *next = escaped ? c + 2 : c + 1;
        const bool plain = escaped || strchr(special, *c) == NULL;
        if (!plain || (*next != '\0' && strchr("*?{", *next) != NULL)) {
            break;
        }
        out[n++] = escaped ? c[1] : *c;
        c = next;
    }
    out[n] = '\0';
}

/* Most names are told apart by the number of a block, long before an expression is run over them. */
static void match(llamacpp_plan *plan,
                  bool *taken,
                  const mf_case *run,
                  const mf_override *override,
                  const regex_t *pattern,
                  int8_t place)
{
    char literal[64];
    literal_of(literal, sizeof literal, override->pattern);
    for (size_t i = 0; i < run->model->n_tensors; i++) {
        const char *name = run->model->tensors[i].name;
        if (!taken[i] && strstr(name, literal) != NULL && regexec(pattern, name, 0, NULL, 0) == 0) {
            taken[i] = true;
            plan->tensors[i] = place;
        }
    }
}

static mf_status override_one(llamacpp_plan *plan,
                              bool *taken,
                              const mf_case *run,
                              const layout *at,
                              const mf_override *override,
                              mf_error *err)
{
    regex_t pattern;
    if (override->device >= 0 && (size_t) override->device >= at->n_devices) {
        return mf_fail(err,
                       MF_E_USAGE,
                       "'%s' is sent to device %d, but there are %zu",
                       override->pattern,
                       (int) override->device,
                       at->n_devices);
    }
    if (regcomp(&pattern, override->pattern, REG_EXTENDED | REG_NOSUB) != 0) {
        return mf_fail(err,
                       MF_E_USAGE,
                       "'%s' is no extended regular expression, write one like "
                       "\"blk\\.[0-9]+\\.ffn_.*_exps\"",
                       override->pattern);
    }
    match(plan,
          taken,
          run,
          override,
          &pattern,
          (int8_t)(override->device < 0 ? (int32_t)at->host : override->device));
    regfree(&pattern);
    return MF_OK;
}

/* Layers that stay whole are no override: devices may still work as a pipeline. */
static bool moves_tensors(const mf_placement *p)
{
    bool moves = p->n_overrides > 0;
    for (size_t i = 0; !moves && i < p->n_layer_parts; i++) {
        moves = p->layer_parts[i] != MF_PART_ALL;
    }
    return moves;
}

/* A tied embedding's pattern takes both of its uses along. */
static void place_output_table(llamacpp_plan *plan, const bool *taken, const mf_model *model)
{
    const size_t n = model->n_tensors;
    plan->tensors[n] = plan->layers[model->n_layers];
    for (size_t i = 0; i < n; i++) {
        const mf_tensor_role role = model->tensors[i].role;
        const bool tied = role == MF_ROLE_TOKEN_EMBEDDING && model->tied_embeddings;
        if (role == MF_ROLE_OUTPUT || (tied && taken[i])) {
            plan->tensors[n] = plan->tensors[i];
        }
    }
}

static mf_status
override_tensors(llamacpp_plan *plan, const mf_case *run, const layout *at, mf_error *err)
{
    const mf_placement *p = run->workload.placement;
    if (p == NULL || !moves_tensors(p) || at->n_devices == 0) {
        return MF_OK;
    }
    const size_t n = run->model->n_tensors;
    int8_t *places = calloc(n + 1, sizeof *places);
    bool *taken = calloc(n + 1, sizeof *taken);
    mf_status status = MF_OK;
    if (places == NULL || taken == NULL) {
        status = mf_fail(err, MF_E_NOMEM, "out of memory for %zu tensors", n);
    }
    for (size_t i = 0; status == MF_OK && i < n; i++) {
        places[i] = usual_place(plan, run, at, i);
    }
    if (status == MF_OK) {
        plan->tensors = places;
        places = NULL;
    }
    for (size_t i = 0; status == MF_OK && i < p->n_overrides; i++) {
        status = override_one(plan, taken, run, at, &p->overrides[i], err);
    }
    if (status == MF_OK) {
        place_output_table(plan, taken, run->model);
    }
    free(places);
    free(taken);
    return status;
}

mf_status mf_llamacpp_place(llamacpp_plan *plan,
                            const mf_memory *memory,
                            const mf_case *run,
                            const layout *at,
                            mf_error *err)
{
    *plan = (llamacpp_plan){.layers = calloc(run->model->n_layers + 1, sizeof *plan->layers)};
    if (plan->layers == NULL) {
        return mf_fail(err, MF_E_NOMEM, "out of memory for %zu layers", run->model->n_layers);
    }
    place_layers(plan, memory, run, at);
    return override_tensors(plan, run, at, err);
}

void mf_llamacpp_place_free(llamacpp_plan *plan)
{
    free(plan->layers);
    free(plan->tensors);
    *plan = (llamacpp_plan){0};
}
