#include <math.h>
#include <stdlib.h>

#include "calibrate/cpu.h"

/* Attention of one new token over an F16 cache as engines do it on a CPU: each query head walks the depth, one dot
   product and one scaled sum a position, with the running maximum of a softmax. */

#define KV_ROW ((size_t)MF_KV_HEADS * MF_KV_HEAD_WEIGHTS)
#define N_QUERIES ((size_t)MF_KV_HEADS * MF_KV_QUERIES)
#define LAYER_HALVES (2 * KV_ROW * MF_KV_DEPTH)
#define KV_SHARE 2 /* of the matrix bytes */
#define TOLERANCE 1e-4

static void attend(float *out, const mf_cpu *cpu, const uint16_t *layer, size_t query)
{
    const mf_cpu_kernels *k = cpu->kernels;
    const size_t head = query / MF_KV_QUERIES;
    const uint16_t *q = cpu->queries + query * MF_KV_HEAD_WEIGHTS;
    const uint16_t *keys = layer + head * MF_KV_HEAD_WEIGHTS;
    const uint16_t *values = keys + KV_ROW * MF_KV_DEPTH;
    const float scale = 1 / sqrtf((float)MF_KV_HEAD_WEIGHTS);
    float most = -INFINITY;
    float total = 0;
    for (size_t i = 0; i < MF_KV_HEAD_WEIGHTS; i++) {
        out[i] = 0;
    }
    for (size_t p = 0; p < MF_KV_DEPTH; p++) {
        const float score = scale * k->dot[MF_BLOCK_F16](keys + p * KV_ROW, q, MF_KV_HEAD_WEIGHTS);
        float weight = 1;
        if (score > most) {
            const float shrink = expf(most - score);
            for (size_t i = 0; i < MF_KV_HEAD_WEIGHTS; i++) {
                out[i] *= shrink;
            }
            total *= shrink;
            most = score;
        } else {
            weight = expf(score - most);
        }
        k->add_halves(out, values + p * KV_ROW, weight, MF_KV_HEAD_WEIGHTS);
        total += weight;
    }
    for (size_t i = 0; i < MF_KV_HEAD_WEIGHTS; i++) {
        out[i] /= total;
    }
}

void mf_cpu_attend(void *payload, size_t thread)
{
    const mf_cpu_job *job = payload;
    const mf_cpu *cpu = job->cpu;
    float out[MF_KV_HEAD_WEIGHTS];
    const size_t n = cpu->n_kv_layers * N_QUERIES;
    const size_t end = n * (thread + 1) / cpu->n_threads;
    double sum = 0;
    for (size_t i = n * thread / cpu->n_threads; i < end; i++) {
        attend(out, cpu, cpu->kv + i / N_QUERIES * LAYER_HALVES, i % N_QUERIES);
        sum += (double)out[i % MF_KV_HEAD_WEIGHTS];
    }
    cpu->sums[thread * MF_CPU_LINE] = sum;
}

static double check_query(const mf_cpu *cpu, const uint16_t *layer, size_t query)
{
    double weights[MF_KV_DEPTH];
    float got[MF_KV_HEAD_WEIGHTS];
    const uint16_t *q = cpu->queries + query * MF_KV_HEAD_WEIGHTS;
    const uint16_t *keys = layer + query / MF_KV_QUERIES * MF_KV_HEAD_WEIGHTS;
    double most = -(double)INFINITY;
    double total = 0;
    double worst = 0;
    attend(got, cpu, layer, query);
    for (size_t p = 0; p < MF_KV_DEPTH; p++) {
        weights[p] = 0;
        for (size_t i = 0; i < MF_KV_HEAD_WEIGHTS; i++) {
            weights[p] += (double)mf_half_value(keys[p * KV_ROW + i]) * (double)mf_half_value(q[i]);
        }
        weights[p] /= sqrt(MF_KV_HEAD_WEIGHTS);
        most = fmax(most, weights[p]);
    }
    for (size_t p = 0; p < MF_KV_DEPTH; p++) {
        weights[p] = exp(weights[p] - most);
        total += weights[p];
    }
    for (size_t i = 0; i < MF_KV_HEAD_WEIGHTS; i++) {
        double sum = 0;
        double size = 0;
        for (size_t p = 0; p < MF_KV_DEPTH; p++) {
            const double value = (double)mf_half_value(keys[(MF_KV_DEPTH + p) * KV_ROW + i]);
            sum += weights[p] / total * value;
            size += weights[p] / total * fabs(value);
        }
        const double difference = fabs((double)got[i] - sum) / size;
        worst = difference <= worst ? worst : difference;
    }
    return worst;
}

mf_status mf_cpu_prepare_kv(
    mf_probe_plan *plan, mf_cpu *cpu, mf_block_format format, double bytes, mf_error *err)
{
    (void)bytes;
    const size_t layer_bytes = LAYER_HALVES * sizeof *cpu->kv;
    const size_t n_layers = (size_t)(cpu->matrix_bytes / KV_SHARE) / layer_bytes + 1;
    if (cpu->kv == NULL) {
        cpu->n_kv_layers = n_layers;
        cpu->kv = mf_cpu_memory(n_layers * layer_bytes);
        cpu->queries = calloc(N_QUERIES * MF_KV_HEAD_WEIGHTS, sizeof *cpu->queries);
        if (cpu->kv == NULL || cpu->queries == NULL) {
            return mf_fail(err, MF_E_NOMEM, "out of memory for a cache of %zu layers", n_layers);
        }
        mf_blocks_fill(cpu->kv, format, LAYER_HALVES, 1, &cpu->random);
        mf_cpu_repeat(cpu, cpu->kv, n_layers * layer_bytes, layer_bytes);
        mf_blocks_fill(cpu->queries, format, N_QUERIES * MF_KV_HEAD_WEIGHTS, 1, &cpu->random);
    }
    *plan = (mf_probe_plan){.work = (double)(n_layers * layer_bytes),
                            .bytes = (double)(n_layers * layer_bytes),
                            .error = check_query(cpu, cpu->kv, N_QUERIES - 2),
                            .tolerance = TOLERANCE};
    return MF_OK;
}
