#include "memory/internal.h"

#include <math.h>

/* The runtime's range is a fact of the engine; estimated files are as far off as published ones. */
static void set_ranges(mf_memory *memory, const mf_case *run)
{
    const mf_fact *runtime = &run->engine->runtime_bytes[run->backend];
    const mf_fact *low = &run->engine->runtime_low_bytes[run->backend];
    const mf_fact *high = &run->engine->runtime_high_bytes[run->backend];
    if (runtime->known && runtime->value > 0 && low->known && high->known) {
        memory->ranges[MF_TERM_RUNTIME] =
            (mf_memory_range){1 - low->value / runtime->value, high->value / runtime->value - 1};
    }
    if (memory->weights_estimated) {
        const double spread = mf_quant_size_spread(run->quant);
        memory->ranges[MF_TERM_WEIGHTS] = (mf_memory_range){spread, spread};
    }
}

/* Half width of the 90 % interval of a place's need: what is exact has none. */
static double spread_of(const mf_memory *memory, const mf_place *place)
{
    double sum = 0;
    for (size_t t = 0; t < MF_TERM_COUNT; t++) {
        const mf_memory_range *range = &memory->ranges[t];
        sum = hypot(sum, (range->below + range->above) / 2 * (double)place->terms[t]);
    }
    return sum;
}

/* Probability that a normal need of this spread stays below the limit. */
static double fit_probability(uint64_t need_bytes, uint64_t limit_bytes, double spread)
{
    static const double width_of_90_percent = 1.6449;
    static const double limit_share = 0.01; /* what a desktop or another program takes varies */
    const double limit = (double)limit_bytes;
    const double sigma = hypot(spread, limit_share * limit) / width_of_90_percent;
    const double room = limit - (double)need_bytes;
    if (sigma <= 0) {
        return room >= 0 ? 1 : 0;
    }
    return 0.5 * erfc(-room / sigma / sqrt(2.0));
}

static void judge_one(mf_memory *memory, uint64_t need, uint64_t limit, double spread)
{
    const double p = fit_probability(need, limit, spread);
    memory->fits &= mf_within(need, limit);
    memory->fits_probability = p < memory->fits_probability ? p : memory->fits_probability;
}

static void judge(mf_memory *memory)
{
    double together = 0;
    memory->fits = true;
    memory->fits_probability = 1;
    for (size_t i = 0; i < memory->n_places; i++) {
        const mf_place *place = &memory->places[i];
        memory->limit_bytes += place->limit_bytes;
        /* A machine given by its device alone says nothing of the computer around it. */
        if (place->need_bytes == 0 || place->limit_bytes == 0) {
            continue;
        }
        const double spread = spread_of(memory, place);
        together = hypot(together, spread);
        judge_one(memory, place->need_bytes, place->limit_bytes, spread);
    }
    if (memory->shared_limit_bytes > 0) {
        memory->limit_bytes = memory->shared_limit_bytes < memory->limit_bytes
                                  ? memory->shared_limit_bytes
                                  : memory->limit_bytes;
        judge_one(memory, memory->total_bytes, memory->shared_limit_bytes, together);
    }
    if (memory->load_peak_bytes < memory->total_bytes) {
        memory->load_peak_bytes = memory->total_bytes;
    }
}

static mf_status need_by(engine_need *fill, mf_memory *memory, const mf_case *run, mf_error *err)
{
    mf_memory need = {0};
    mf_case complete = *run;
    mf_footprint *own = NULL;
    mf_status status = mf_workload_check(&run->workload, err);
    if (status == MF_OK && run->footprint == NULL) {
        status = mf_footprint_new(&own, run->model, run->quant, err);
        complete.footprint = own;
    }
    if (status == MF_OK) {
        const layout at = mf_layout_places(&need, &complete);
        need.weights_estimated = complete.footprint->estimated;
        status = fill(&need, &complete, &at, err);
        status = status == MF_OK ? mf_beside_need(&need, &complete, &at, err) : status;
    }
    if (status == MF_OK) {
        set_ranges(&need, run);
        judge(&need);
        *memory = need;
    }
    mf_footprint_free(own);
    return status;
}

mf_status mf_memory_need(mf_memory *memory, const mf_case *run, mf_error *err)
{
    return need_by(mf_rules_of(run)->need, memory, run, err);
}

mf_status mf_memory_least(mf_memory *memory, const mf_case *run, mf_error *err)
{
    const engine_rules *rules = mf_rules_of(run);
    return need_by(rules->least != NULL ? rules->least : rules->need, memory, run, err);
}
