#include <stdlib.h>
#include <string.h>

#include "calibrate/cpu.h"

#define MOST_FLOP_PER_CYCLE 256.0
#define MOST_HERTZ 6e9

double mf_cpu_most_flop(const mf_cpu *cpu)
{
    return MOST_FLOP_PER_CYCLE * MOST_HERTZ * (double)cpu->n_threads;
}

void *mf_cpu_memory(uint64_t bytes)
{
    void *memory = NULL;
    return posix_memalign(&memory, MF_CPU_PAGE, bytes) == 0 ? memory : NULL;
}

typedef struct repetition {
    uint8_t *memory;
    uint64_t n;
    uint64_t n_first;
    size_t n_threads;
} repetition;

static void repeat(void *payload, size_t thread)
{
    const repetition *r = payload;
    const uint64_t n_rest = r->n - r->n_first;
    const uint64_t end = r->n_first + n_rest / r->n_threads * (thread + 1);
    const bool last = thread + 1 == r->n_threads;
    for (uint64_t at = r->n_first + n_rest / r->n_threads * thread; at < (last ? r->n : end);) {
        const uint64_t phase = at % r->n_first;
        const uint64_t left = (last ? r->n : end) - at;
        const uint64_t n = left < r->n_first - phase ? left : r->n_first - phase;
        memcpy(r->memory + at, r->memory + phase, n);
        at += n;
    }
}

void mf_cpu_repeat(const mf_cpu *cpu, void *memory, uint64_t n, uint64_t n_first)
{
    repetition job = {memory, n, n_first, cpu->n_threads};
    if (n > n_first) {
        mf_workers_run(cpu->workers, repeat, &job);
    }
}
