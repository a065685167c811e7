/*
 * llamacpp_fit.c - common/fit.cpp of llama.cpp b10470, step by step: the same order of trials, the same integer
 * interpolation, since what it finds depends on both.
 */
#include "memfit/llamacpp_fit.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "memory/llamacpp_place.h"

enum { CONTEXT_STEP = 256, DEFAULT_CONTEXT_MIN = 4096 };

static const uint64_t default_margin = UINT64_C(1024) * 1024 * 1024;

typedef struct fitter {
    mf_case run;
    mf_fit_placement tried;
    mf_layer_part *parts;
    const mf_fit_target *target;
    mf_fit_choice *fit;
    size_t n;       /* devices */
    uint32_t n_all; /* layers, with the output */
    bool experts;
    int64_t free_bytes[MF_MAX_SPLITS];
    int64_t targets[MF_MAX_SPLITS];
} fitter;

/* What every device would use. */
typedef struct usage {
    int64_t bytes[MF_MAX_SPLITS];
} usage;

/* Layers of every device while they are being tried. */
typedef struct trial {
    mf_fit_device devices[MF_MAX_SPLITS];
} trial;

static uint32_t n_full(const mf_fit_device *d)
{
    return d->n_layers - d->n_partial;
}

static size_t n_run_layers(const mf_model *model)
{
    size_t n = model->n_layers;
    while (n > 0 && model->layers[n - 1].is_nextn) {
        n--;
    }
    return n;
}

/* llama.cpp counts weights, caches and compute buffers of a device. */
static mf_status dry_run(usage *used, const fitter *f, mf_error *err)
{
    mf_memory memory = {0};
    const layout at = mf_layout_places(&memory, &f->run);
    const mf_status status = mf_llamacpp_dry_run(&memory, &f->run, &at, err);
    for (size_t i = 0; status == MF_OK && i < f->n; i++) {
        const uint64_t *terms = memory.places[i].terms;
        used->bytes[i] = (int64_t)(terms[MF_TERM_WEIGHTS] + terms[MF_TERM_KV_CACHE] +
                                   terms[MF_TERM_STATE] + terms[MF_TERM_COMPUTE]);
    }
    return status;
}

static int64_t sum_of(const fitter *f, const int64_t *values)
{
    int64_t sum = 0;
    for (size_t i = 0; i < f->n; i++) {
        sum += values[i];
    }
    return sum;
}

/* set_ngl_tensor_split_tbo: the first layers of a device are whole, the last n_partial are cut. */
static void set_parts(mf_layer_part *parts, const mf_fit_device *devices, size_t n, size_t n_all)
{
    size_t layer = n_all;
    for (size_t i = 0; i < n; i++) {
        layer -= devices[i].n_layers;
    }
    for (size_t i = 0; i < n_all; i++) {
        parts[i] = MF_PART_ALL;
    }
    for (size_t i = 0; i < n; i++) {
        layer += n_full(&devices[i]);
        for (uint32_t k = 0; k < devices[i].n_partial && layer < n_all; k++, layer++) {
            parts[layer] = k == 0 ? devices[i].first : MF_PART_DENSE;
        }
    }
}

const char *mf_part_pattern(mf_layer_part part)
{
    static const char *const patterns[] = {
        [MF_PART_ALL] = "",
        [MF_PART_DENSE] = "(up|down|gate_up|gate)_(ch)?exps",
        [MF_PART_ATTENTION] = "(up|gate|down)",
        [MF_PART_UP] = "(gate|down)",
        [MF_PART_GATE] = "down",
    };
    return patterns[part];
}

/* get_overflow_pattern, for the first cut layer of a device; the others are cut by layer_parts. */
static void set_spills(mf_fit_placement *out, const mf_fit_device *devices, size_t n, size_t n_all)
{
    mf_placement *placement = &out->placement;
    size_t layer = n_all;
    placement->n_overrides = 0;
    placement->overrides = out->overrides;
    for (size_t i = 0; i < n; i++) {
        layer -= devices[i].n_layers;
    }
    for (size_t i = 0; i < n; i++) {
        const mf_fit_device *d = &devices[i];
        if (d->spills && d->n_partial > 0) {
            char *pattern = out->patterns[placement->n_overrides];
            (void)snprintf(pattern,
                           MF_FIT_PATTERN_SIZE,
                           "blk\\.%zu\\.ffn_%s",
                           layer + n_full(d),
                           mf_part_pattern(d->first));
            out->overrides[placement->n_overrides++] =
                (mf_override){.pattern = pattern, .device = (int32_t)i + 1};
        }
        layer += d->n_layers;
    }
}

static void set_placement(mf_fit_placement *out,
                          mf_layer_part *parts,
                          const mf_fit_device *devices,
                          size_t n,
                          const mf_model *model)
{
    const size_t n_all = n_run_layers(model) + 1;
    /* What it takes for the output has the number of a NextN block, where there is one. */
    const size_t n_layer_parts = n_all < model->n_layers ? n_all : model->n_layers;
    out->placement = (mf_placement){
        .n_split = n > 1 ? n : 0, .layer_parts = parts, .n_layer_parts = n_layer_parts};
    for (size_t i = 0; i < out->placement.n_split; i++) {
        out->placement.split[i] = (double)devices[i].n_layers;
    }
    set_parts(parts, devices, n, n_all);
    set_spills(out, devices, n, n_all);
}

static mf_status try_layers(usage *used, fitter *f, const trial *t, mf_error *err)
{
    int32_t gpu_layers = 0;
    for (size_t i = 0; i < f->n; i++) {
        gpu_layers += (int32_t)t->devices[i].n_layers;
    }
    set_placement(&f->tried, f->parts, t->devices, f->n, f->run.model);
    f->run.workload.gpu_layers = gpu_layers;
    f->run.workload.placement = &f->tried.placement;
    return dry_run(used, f, err);
}

/* The method of false position, one step. */
static uint32_t step_between(uint32_t delta, int64_t target, int64_t low, int64_t high)
{
    const int64_t step = high != low ? (int64_t)delta * (target - low) / (high - low) : 1;
    const int64_t most = (int64_t)delta - 1;
    return (uint32_t)(step < 1 ? 1 : step > most ? most : step);
}

/* Step 3: layers from the back, of models with experts without these. */
static mf_status fill_device(fitter *f, trial *low, usage *used, size_t id, mf_error *err)
{
    trial high = *low;
    usage used_high;
    uint32_t unassigned = f->n_all;
    for (size_t i = id + 1; i < f->n; i++) {
        unassigned -= low->devices[i].n_layers;
    }
    const uint32_t whole = id + 1 == f->n ? 1 : 0; /* the output */
    mf_fit_device *d = &high.devices[id];
    d->n_layers = unassigned;
    d->n_partial = f->experts && unassigned > 0 ? unassigned - whole : 0;
    if (unassigned == 0) {
        return MF_OK;
    }
    mf_status status = try_layers(&used_high, f, &high, err);
    if (status == MF_OK && used_high.bytes[id] <= f->targets[id]) {
        *low = high;
        *used = used_high;
        return MF_OK;
    }
    while (status == MF_OK && high.devices[id].n_layers - low->devices[id].n_layers > 1) {
        const uint32_t delta = high.devices[id].n_layers - low->devices[id].n_layers;
        const uint32_t step =
            step_between(delta, f->targets[id], used->bytes[id], used_high.bytes[id]);
        trial test = *low;
        usage used_test;
        mf_fit_device *t = &test.devices[id];
        if (f->experts) {
            t->n_partial += t->n_partial == 0 ? step - whole : step;
        }
        t->n_layers += step;
        status = try_layers(&used_test, f, &test, err);
        if (status == MF_OK) {
            const bool fits = used_test.bytes[id] <= f->targets[id];
            *(fits ? low : &high) = test;
            *(fits ? used : &used_high) = used_test;
        }
    }
    return status;
}

/* Moves n cut layers, found from device `from` on, to device id as whole ones. Returns the device where it stopped. */
static size_t convert(trial *t, const fitter *f, size_t id, size_t from, uint32_t n)
{
    uint32_t done = 0;
    for (; from < f->n; from++) {
        mf_fit_device *d = &t->devices[from];
        const uint32_t left = n - done;
        const uint32_t here = left < d->n_partial ? left : d->n_partial;
        d->n_layers -= here;
        d->n_partial -= here;
        t->devices[id].n_layers += here;
        done += here;
        if (d->n_partial > 0) {
            break;
        }
    }
    return from;
}

/* All cut layers at once. */
static void convert_all(trial *t, const fitter *f, size_t id, size_t from)
{
    for (size_t i = from; i < f->n; i++) {
        const uint32_t n = t->devices[i].n_layers - (i + 1 == f->n ? 1 : 0);
        t->devices[id].n_layers += n;
        t->devices[i].n_layers -= n;
        t->devices[i].n_partial = 0;
    }
}

static bool both_fit(const fitter *f, const usage *used, size_t id)
{
    return used->bytes[id] < f->targets[id] &&
           (id + 1 == f->n || used->bytes[id + 1] < f->targets[id + 1]);
}

/* Part of one more layer: attention and up, then the gate too; if not even up, attention alone. */
static mf_status
fit_part(fitter *f, trial *low, usage *used, size_t id, size_t *from, mf_error *err)
{
    if (id >= MF_MAX_SPLITS || *from >= f->n ||
        low->devices[*from].n_layers <= (id + 1 < f->n ? 0U : 1U) ||
        low->devices[*from].n_partial == 0) {
        return MF_OK;
    }
    trial test = *low;
    usage used_test = {0};
    size_t from_test = *from;
    test.devices[from_test].n_layers--;
    test.devices[from_test].n_partial--;
    test.devices[id].n_layers++;
    test.devices[id].n_partial++;
    from_test += test.devices[from_test].n_partial == 0 ? 1 : 0;
    test.devices[id].first = MF_PART_UP;
    test.devices[id].spills = id + 1 < f->n;
    mf_status status = try_layers(&used_test, f, &test, err);
    const bool up = status == MF_OK && both_fit(f, &used_test, id);
    if (up) {
        *low = test;
        *used = used_test;
        *from = from_test;
    }
    test.devices[id].first = up ? MF_PART_GATE : MF_PART_ATTENTION;
    status = status == MF_OK ? try_layers(&used_test, f, &test, err) : status;
    if (status == MF_OK && both_fit(f, &used_test, id)) {
        *low = test;
        *used = used_test;
        *from = from_test;
    }
    return status;
}

/* Step 4: cut layers become whole, from the front. */
static mf_status
fill_experts(fitter *f, trial *low, usage *used, size_t id, size_t *from, mf_error *err)
{
    trial high = *low;
    usage used_high;
    size_t from_high = f->n - 1;
    convert_all(&high, f, id, *from);
    mf_status status = try_layers(&used_high, f, &high, err);
    if (status == MF_OK && used_high.bytes[id] <= f->targets[id]) {
        *low = high;
        *used = used_high;
        *from = from_high;
        return fit_part(f, low, used, id, from, err);
    }
    while (status == MF_OK && n_full(&high.devices[id]) - n_full(&low->devices[id]) > 1) {
        const uint32_t delta = n_full(&high.devices[id]) - n_full(&low->devices[id]);
        const uint32_t step =
            step_between(delta, f->targets[id], used->bytes[id], used_high.bytes[id]);
        trial test = *low;
        usage used_test;
        const size_t from_test = convert(&test, f, id, *from, step);
        status = try_layers(&used_test, f, &test, err);
        if (status != MF_OK) {
            break;
        }
        const bool fits = used_test.bytes[id] <= f->targets[id];
        *(fits ? low : &high) = test;
        *(fits ? used : &used_high) = used_test;
        *(fits ? from : &from_high) = from_test;
    }
    return status == MF_OK ? fit_part(f, low, used, id, from, err) : status;
}

/* Would everything but the experts fit? */
static mf_status dense_surplus(int64_t *surplus, fitter *f, mf_error *err)
{
    usage used;
    for (uint32_t i = 0; i < f->n_all; i++) {
        f->parts[i] = MF_PART_DENSE;
    }
    f->tried.placement = (mf_placement){.layer_parts = f->parts, .n_layer_parts = f->n_all - 1};
    f->run.workload.placement = &f->tried.placement;
    f->run.workload.gpu_layers = MF_ALL_LAYERS;
    const mf_status status = dry_run(&used, f, err);
    if (status == MF_OK) {
        *surplus = sum_of(f, f->targets) - sum_of(f, used.bytes);
    }
    return status;
}

static void write_result(fitter *f, const trial *t, const usage *used)
{
    f->fit->gpu_layers = 0;
    f->fit->fits = true;
    for (size_t i = 0; i < f->n; i++) {
        f->fit->devices[i] = t->devices[i];
        f->fit->devices[i].used_bytes = (uint64_t)used->bytes[i];
        f->fit->gpu_layers += (int32_t)t->devices[i].n_layers;
        f->fit->n_overrides += t->devices[i].n_partial;
        f->fit->fits &= used->bytes[i] <= f->targets[i];
    }
}

static mf_status fill_layers(fitter *f, mf_error *err)
{
    trial low = {0};
    usage used = {{0}};
    int64_t surplus = 0;
    size_t from = f->n;
    mf_status status = f->experts ? dense_surplus(&surplus, f, err) : MF_OK;
    for (size_t i = 0; i < f->n; i++) {
        low.devices[i].first = MF_PART_DENSE;
    }
    status = status == MF_OK ? try_layers(&used, f, &low, err) : status;
    for (size_t i = f->n; status == MF_OK && i-- > 0;) {
        status = fill_device(f, &low, &used, i, err);
    }
    while (from > 0 && low.devices[from - 1].n_layers > 0) {
        from--;
    }
    for (size_t i = 0; status == MF_OK && surplus > 0 && i <= from && from < f->n; i++) {
        status = fill_experts(f, &low, &used, i, &from, err);
    }
    if (status == MF_OK) {
        write_result(f, &low, &used);
    }
    return status;
}

/* Step 2: a context between the least and the model's own, by interpolation. True if that is enough. */
static mf_status reduce_context(bool *enough, fitter *f, const usage *full, mf_error *err)
{
    const uint64_t least =
        f->target->n_ctx_min > 0 ? f->target->n_ctx_min : (uint64_t)DEFAULT_CONTEXT_MIN;
    const uint64_t most = f->run.model->context_max;
    int64_t wanted = sum_of(f, f->targets);
    const int64_t used = sum_of(f, full->bytes);
    usage used_least;
    *enough = false;
    if (f->target->n_ctx > 0 || most <= least || used <= wanted) {
        return MF_OK;
    }
    if (f->n > 1) {
        /* Whole layers, or tensors of a third of one, leave gaps on every device. */
        mf_memory memory;
        const mf_status status = mf_memory_need(&memory, &f->run, err);
        int64_t weights = 0;
        for (size_t i = 0; status == MF_OK && i < f->n; i++) {
            weights += (int64_t)memory.places[i].terms[MF_TERM_WEIGHTS];
        }
        if (status != MF_OK) {
            return status;
        }
        wanted -= ((int64_t)f->n + 1) * (weights / ((int64_t)f->n_all - 1)) / (f->experts ? 6 : 2);
    }
    f->run.workload.n_ctx = least;
    const mf_status status = dry_run(&used_least, f, err);
    if (status != MF_OK) {
        return status;
    }
    const int64_t low = sum_of(f, used_least.bytes);
    uint64_t n_ctx = least;
    if (wanted > low) {
        n_ctx += (most - least) * (uint64_t)(wanted - low) / (uint64_t)(used - low);
        n_ctx -= n_ctx % CONTEXT_STEP;
        n_ctx = n_ctx > least ? n_ctx : least;
        *enough = f->n == 1;
    }
    f->run.workload.n_ctx = n_ctx;
    f->fit->n_ctx = n_ctx;
    f->fit->context_reduced = true;
    return MF_OK;
}

static bool set_by_user(const mf_workload *w)
{
    return w->gpu_layers != MF_ALL_LAYERS || w->n_cpu_moe > 0 || w->placement != NULL;
}

static mf_status fit_steps(fitter *f, mf_error *err)
{
    usage full;
    bool enough = false;
    const bool fixed = set_by_user(&f->run.workload);
    mf_status status = dry_run(&full, f, err);
    if (status != MF_OK) {
        return status;
    }
    f->fit->fits_as_it_is = true;
    for (size_t i = 0; i < f->n; i++) {
        f->fit->fits_as_it_is &= full.bytes[i] <= f->targets[i];
        f->fit->devices[i] = (mf_fit_device){.n_layers = i == 0 ? f->n_all : 0,
                                             .used_bytes = (uint64_t)full.bytes[i]};
    }
    f->fit->fits = f->fit->fits_as_it_is;
    if (f->fit->fits_as_it_is) {
        return MF_OK;
    }
    status = reduce_context(&enough, f, &full, err);
    if (status == MF_OK && enough) {
        status = dry_run(&full, f, err);
        f->fit->devices[0].used_bytes = (uint64_t)full.bytes[0];
        f->fit->fits = full.bytes[0] <= f->targets[0];
        return status;
    }
    return status != MF_OK || fixed ? status : fill_layers(f, err);
}

static mf_status begin(fitter *f, mf_footprint **own, mf_error *err)
{
    mf_memory memory = {0};
    const layout at = mf_layout_places(&memory, &f->run);
    if (f->run.engine->id != MF_ENGINE_LLAMACPP || at.n_devices == 0) {
        return mf_fail(err, MF_E_UNSUPPORTED, "only llama.cpp on a device fits models by itself");
    }
    f->n = at.n_devices < MF_MAX_SPLITS ? at.n_devices : MF_MAX_SPLITS;
    /* NextN blocks are no layers to it, though they are to load_tensors: then the first layer stays on the host. */
    f->n_all = (uint32_t)n_run_layers(f->run.model) + 1;
    f->parts = calloc(f->run.model->n_layers + 1, sizeof *f->parts);
    if (f->parts == NULL) {
        return mf_fail(err, MF_E_NOMEM, "out of memory for %u layers", (unsigned)f->n_all);
    }
    const uint64_t margin = f->target->margin_bytes > 0 ? f->target->margin_bytes : default_margin;
    for (size_t i = 0; i < f->n; i++) {
        const uint64_t given = f->target->free_bytes[i];
        f->free_bytes[i] = (int64_t)(given > 0 ? given : memory.places[i].limit_bytes);
        f->targets[i] = f->free_bytes[i] - (int64_t)margin;
    }
    f->experts = mf_model_has_experts(f->run.model);
    f->run.workload.n_ctx = f->target->n_ctx > 0 ? f->target->n_ctx : f->run.model->context_max;
    f->run.workload.n_prompt = 0;
    f->run.workload.n_output = 0;
    if (f->run.footprint == NULL) {
        const mf_status status = mf_footprint_new(own, f->run.model, f->run.quant, err);
        f->run.footprint = *own;
        return status;
    }
    return MF_OK;
}

mf_status
mf_llamacpp_fit(mf_fit_choice *fit, const mf_case *run, const mf_fit_target *target, mf_error *err)
{
    mf_footprint *own = NULL;
    mf_fit_choice result = {.n_ctx = target->n_ctx, .gpu_layers = run->workload.gpu_layers};
    fitter f = {.run = *run, .target = target, .fit = &result};
    mf_status status = begin(&f, &own, err);
    result.n_devices = f.n;
    status = status == MF_OK ? fit_steps(&f, err) : status;
    free(f.parts);
    mf_footprint_free(own);
    if (status == MF_OK) {
        *fit = result;
    }
    return status;
}

void mf_llamacpp_fit_placement(mf_fit_placement *out,
                               mf_layer_part *parts,
                               const mf_fit_choice *fit,
                               const mf_model *model)
{
    set_placement(out, parts, fit->devices, fit->n_devices, model);
}
