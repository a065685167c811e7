#include "calibrate/gpu_check.h"

#include <math.h>
#include <string.h>

#define RANDOM_FLOATS ((size_t)1 << 20)
#define CHAINS 8
#define WEIGHT_SCALE 0.01F
#define ROWS_RANDOM 64
#define ROWS_CHECKED 61
#define FILLED 0xA5

static double worse(double so_far, double now)
{
    /* Written so that a NaN stays. */
    return now <= so_far ? so_far : now;
}

void mf_gpu_fill_floats(float *out, uint64_t n_bytes, uint64_t *random)
{
    const size_t n = (size_t)(n_bytes / sizeof *out);
    const size_t n_random = n < RANDOM_FLOATS ? n : RANDOM_FLOATS;
    for (size_t i = 0; i < n_random; i++) {
        out[i] = mf_random_float(random);
    }
    for (size_t i = n_random; i < n; i += n_random) {
        const size_t left = n - i;
        memcpy(out + i, out, (left < n_random ? left : n_random) * sizeof *out);
    }
}

static double read_error(const mf_gpu_stream *s)
{
    double want = 0;
    double size = 1e-30;
    double got = 0;
    for (size_t i = 0; i < s->n; i++) {
        want += (double)s->a[i];
        size += (double)s->a[i] * (double)s->a[i];
    }
    for (size_t i = 0; i < s->n_out; i++) {
        got += (double)s->out[i];
    }
    /* What the sum of such numbers is likely to be. */
    return fabs(got - want) / sqrt(size);
}

double mf_gpu_stream_tolerance(mf_probe probe)
{
    return probe == MF_PROBE_READ ? 1e-3 : probe == MF_PROBE_COPY ? 0 : 1e-5;
}

double mf_gpu_stream_error(const mf_gpu_stream *s, mf_probe probe)
{
    if (probe == MF_PROBE_READ) {
        return read_error(s);
    }
    double worst = 0;
    for (size_t i = 0; i < s->n; i++) {
        const double want = (double)s->a[i] + (probe == MF_PROBE_TRIAD ? 3 * (double)s->b[i] : 0);
        worst = worse(worst, fabs((double)s->out[i] - want));
    }
    return worst;
}

double mf_gpu_spin_error(const float *out, size_t n, uint32_t turns)
{
    double worst = 0;
    for (size_t i = 0; i < n; i += 1 + n / 16) {
        double sum = 0;
        for (size_t c = 0; c < CHAINS; c++) {
            /* x -> 0.999 x + 0.001 goes to 1; t turns leave 0.999^t of the distance. */
            const double start = (double)(i & 7) + (double)c;
            sum += 1 + (start - 1) * pow(0.999, turns);
        }
        worst = worse(worst, fabs((double)out[i] - sum) / CHAINS);
    }
    return worst;
}

void mf_gpu_matvec_fill(mf_gpu_matvec *v, uint64_t *random)
{
    const size_t row = mf_blocks_bytes(v->format, v->k);
    const size_t n_random = v->m < ROWS_RANDOM ? v->m : ROWS_RANDOM;
    uint8_t *weights = v->weights;
    mf_blocks_fill(weights, v->format, n_random * v->k, WEIGHT_SCALE, random);
    for (size_t r = n_random; r < v->m; r++) {
        /* Row r repeats another one than r - 1, so that a shift by any small number shows. */
        memcpy(weights + r * row, weights + (r * 7 + r / n_random) % n_random * row, row);
    }
    for (size_t i = 0; i < v->k; i++) {
        v->x[i] = mf_random_float(random);
    }
    memset(v->out, FILLED, (v->m + 1) * sizeof *v->out);
}

static double row_error(const mf_gpu_matvec *v, size_t r)
{
    float w[MF_GPU_ROW_WEIGHTS];
    const uint8_t *weights = v->weights;
    double sum = 0;
    double size = 1e-30;
    mf_blocks_values(w, v->format, weights + r * mf_blocks_bytes(v->format, v->k), v->k);
    for (size_t i = 0; i < v->k; i++) {
        const double one = (double)w[i] * (double)v->x[i];
        sum += one;
        size += one * one;
    }
    return fabs((double)v->out[r] - sum) / sqrt(size);
}

double mf_gpu_matvec_error(const mf_gpu_matvec *v)
{
    double worst = 0;
    for (size_t i = 0; i < ROWS_CHECKED; i++) {
        /* All over the matrix, and the last rows, where a threadgroup is not full. */
        worst = worse(worst, row_error(v, i * (v->m - 1) / (ROWS_CHECKED - 1)));
    }
    for (size_t r = v->m > 6 ? v->m - 6 : 0; r < v->m; r++) {
        worst = worse(worst, row_error(v, r));
    }
    uint8_t last[sizeof *v->out];
    memcpy(last, &v->out[v->m], sizeof last);
    return last[0] == FILLED && last[3] == FILLED ? worst : 1;
}

void mf_gpu_attend_fill(mf_gpu_attend *a, uint64_t *random)
{
    const size_t row = a->n_heads * MF_GPU_HEAD;
    const size_t n = 2 * a->n_positions * row;
    const size_t n_random = n < 200 * row ? n : 200 * row;
    mf_blocks_fill(a->cache, MF_BLOCK_F16, n_random, 1, random);
    for (size_t i = n_random; i < n; i += row) {
        memcpy(a->cache + i,
               a->cache + (i / row * 7 + i / n_random) % 200 * row,
               row * sizeof *a->cache);
    }
    for (size_t i = 0; i < 4 * row; i++) {
        /* Scores of a few units: the softmax has both large and small weights. */
        a->queries[i] = 0.3F * mf_random_float(random);
    }
}

static double score_of(const mf_gpu_attend *a, size_t query, size_t position)
{
    const uint16_t *key = a->cache + (position * a->n_heads + query / 4) * MF_GPU_HEAD;
    double sum = 0;
    for (size_t i = 0; i < MF_GPU_HEAD; i++) {
        sum += (double)mf_half_value(key[i]) * (double)a->queries[query * MF_GPU_HEAD + i];
    }
    return sum;
}

static double block_error(const mf_gpu_attend *a, size_t query, size_t block)
{
    const float *got = a->out + (query * a->n_blocks + block) * MF_GPU_KV_PARTIAL;
    const size_t first = block * MF_GPU_KV_BLOCK;
    const size_t last =
        first + MF_GPU_KV_BLOCK < a->n_positions ? first + MF_GPU_KV_BLOCK : a->n_positions;
    double scores[MF_GPU_KV_BLOCK] = {0};
    double values[MF_GPU_HEAD] = {0};
    double most = -(double)INFINITY;
    double total = 0;
    for (size_t p = first; p < last; p++) {
        scores[p - first] = score_of(a, query, p);
        most = fmax(most, scores[p - first]);
    }
    for (size_t p = first; p < last; p++) {
        const uint16_t *value =
            a->cache + ((a->n_positions + p) * a->n_heads + query / 4) * MF_GPU_HEAD;
        const double weight = exp(scores[p - first] - most);
        total += weight;
        for (size_t i = 0; i < MF_GPU_HEAD; i++) {
            values[i] += weight * (double)mf_half_value(value[i]);
        }
    }
    double worst = worse(fabs((double)got[0] - total) / total, fabs((double)got[1] - most));
    for (size_t i = 0; i < MF_GPU_HEAD; i++) {
        worst = worse(worst, fabs((double)got[2 + i] - values[i]) / total);
    }
    return worst;
}

double mf_gpu_attend_error(const mf_gpu_attend *a)
{
    double worst = 0;
    for (size_t query = 0; query < 4 * a->n_heads; query++) {
        worst = worse(worst, block_error(a, query, query % a->n_blocks));
        worst = worse(worst, block_error(a, query, a->n_blocks - 1));
    }
    return worst;
}

size_t mf_gpu_number_bytes(mf_gpu_number number)
{
    switch (number) {
    case MF_GPU_F8:
        return 1;
    case MF_GPU_F16:
        return 2;
    case MF_GPU_F32:
        break;
    }
    return 4;
}

/* Any code up to that of 1, and its negative. */
static void fill_f8(uint8_t *out, size_t n, uint64_t *random)
{
    for (size_t i = 0; i < n; i++) {
        const float value = mf_random_float(random);
        const uint8_t code = (uint8_t)(fabsf(value) * (MF_F8_ONE + 1));
        out[i] = (uint8_t)(code | (value < 0 ? 0x80 : 0));
    }
}

static void fill_matrix(void *out, mf_gpu_number number, size_t n, uint64_t *random)
{
    const size_t n_random = n < RANDOM_FLOATS ? n : RANDOM_FLOATS;
    const size_t size = mf_gpu_number_bytes(number);
    uint8_t *bytes = out;
    switch (number) {
    case MF_GPU_F16:
        mf_blocks_fill(out, MF_BLOCK_F16, n_random, 1, random);
        break;
    case MF_GPU_F8:
        fill_f8(out, n_random, random);
        break;
    case MF_GPU_F32:
        mf_gpu_fill_floats(out, n_random * sizeof(float), random);
        break;
    }
    for (size_t i = n_random; i < n; i += n_random) {
        const size_t left = n - i;
        memcpy(bytes + i * size, bytes, (left < n_random ? left : n_random) * size);
    }
}

void mf_gpu_product_fill(mf_gpu_product *p, uint64_t *random)
{
    fill_matrix(p->a, p->number, p->m * p->k, random);
    fill_matrix(p->b, p->number, p->k * p->n, random);
    if (p->out != NULL) {
        memset(p->out, 0xff, p->m * p->n * mf_gpu_number_bytes(p->out_number));
    }
}

static double element(const void *matrix, mf_gpu_number number, size_t i)
{
    switch (number) {
    case MF_GPU_F16:
        return (double)mf_half_value(((const uint16_t *)matrix)[i]);
    case MF_GPU_F8:
        return (double)mf_f8_value(((const uint8_t *)matrix)[i]);
    case MF_GPU_F32:
        break;
    }
    return (double)((const float *)matrix)[i];
}

double mf_gpu_product_error(const mf_gpu_product *p)
{
    double worst = 0;
    for (size_t i = 0; i < p->m; i++) {
        for (size_t j = i % 3; j < p->n; j += 3) {
            double sum = 0;
            double size = 1e-30;
            for (size_t k = 0; k < p->k; k++) {
                const size_t in_b = p->transposed ? j * p->k + k : k * p->n + j;
                const double one =
                    element(p->a, p->number, i * p->k + k) * element(p->b, p->number, in_b);
                sum += one;
                size += one * one;
            }
            const double got = element(p->out, p->out_number, i * p->n + j);
            worst = worse(worst, fabs(got - sum) / sqrt(size));
        }
    }
    return worst;
}
