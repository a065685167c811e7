#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <ucontext.h>

#ifdef __has_feature
#if __has_feature(address_sanitizer)
#define MSL_ASAN 1
#endif
#endif
#ifdef __SANITIZE_ADDRESS__
#define MSL_ASAN 1
#endif
#ifdef MSL_ASAN
#include <sanitizer/common_interface_defs.h>
#endif

#include "runner.h"

enum { MOST_THREADS = 1024, STACK = 256 * 1024, SIMD = 32 };
enum waiting { RUNS, AT_BARRIER, AT_SIMD_POINT };

struct fiber {
    ucontext_t context;
    msl_context at;
    char *stack;
    bool done;
    waiting wait;
    void *fake_stack;
};

static fiber *fibers;
static ucontext_t main_context;
static int current, n_threads, misuses;
static const msl_kernel *running;
static float lane_values[MOST_THREADS];
#ifdef MSL_ASAN
static void *main_fake;
static const void *main_bottom;
static size_t main_size;
#endif

extern "C" unsigned msl_lane(void) { return fibers[current].at.thread_index_in_simdgroup; }
extern "C" unsigned msl_thread(void) { return fibers[current].at.thread_index_in_threadgroup; }
extern "C" unsigned msl_threads(void) { return (unsigned)n_threads; }
extern "C" const msl_context *msl_here(void) { return &fibers[current].at; }
extern "C" int msl_misuses(void) { return misuses; }

extern "C" void msl_misuse(const char *what)
{
    fprintf(stderr, "metal misuse: %s\n", what);
    misuses++;
}

// AddressSanitizer must know which stack is in use.
static void to_main(bool leaving)
{
    fiber *f = &fibers[current];
#ifdef MSL_ASAN
    __sanitizer_start_switch_fiber(leaving ? nullptr : &f->fake_stack, main_bottom, main_size);
#endif
    (void)leaving;
    swapcontext(&f->context, &main_context);
#ifdef MSL_ASAN
    __sanitizer_finish_switch_fiber(fibers[current].fake_stack, nullptr, nullptr);
#endif
}

static void to_fiber(int i)
{
    current = i;
#ifdef MSL_ASAN
    __sanitizer_start_switch_fiber(&main_fake, fibers[i].stack, STACK);
#endif
    swapcontext(&main_context, &fibers[i].context);
#ifdef MSL_ASAN
    __sanitizer_finish_switch_fiber(main_fake, nullptr, nullptr);
#endif
}

static void enter(void)
{
#ifdef MSL_ASAN
    __sanitizer_finish_switch_fiber(nullptr, &main_bottom, &main_size);
#endif
    running->call(&fibers[current].at);
    fibers[current].done = true;
    fibers[current].wait = RUNS;
    to_main(true);
}

static void wait_at(waiting kind)
{
    fibers[current].wait = kind;
    to_main(false);
}

namespace metal {
enum class mem_flags;
void threadgroup_barrier(mem_flags) { wait_at(AT_BARRIER); }
void simdgroup_barrier(mem_flags) { wait_at(AT_SIMD_POINT); }
float simd_sum(float value)
{
    const int me = current;
    lane_values[me] = value;
    wait_at(AT_SIMD_POINT);
    const int first = me - (int)fibers[me].at.thread_index_in_simdgroup;
    float sum = 0;
    for (int i = first; i < first + SIMD && i < n_threads; i++) sum += lane_values[i];
    wait_at(AT_SIMD_POINT);
    return sum;
}
} // namespace metal

extern "C" const msl_kernel *msl_find(const char *name)
{
    for (const msl_kernel *const *library = msl_libraries; *library != nullptr; library++)
        for (const msl_kernel *k = *library; k->name != nullptr; k++)
            if (strcmp(k->name, name) == 0) return k;
    return nullptr;
}

static void place(fiber *f, int i, const unsigned group[3], const unsigned groups[3], const unsigned threads[3])
{
    const unsigned index = (unsigned)i;
    const unsigned local[3] = {index % threads[0], index / threads[0] % threads[1], index / (threads[0] * threads[1])};
    for (int d = 0; d < 3; d++) {
        f->at.threadgroup_position_in_grid[d] = group[d];
        f->at.threadgroups_per_grid[d] = groups[d];
        f->at.threads_per_threadgroup[d] = threads[d];
        f->at.thread_position_in_threadgroup[d] = local[d];
        f->at.thread_position_in_grid[d] = group[d] * threads[d] + local[d];
        f->at.threads_per_grid[d] = groups[d] * threads[d];
    }
    f->at.thread_index_in_threadgroup = index;
    f->at.thread_index_in_simdgroup = index % SIMD;
    f->at.simdgroup_index_in_threadgroup = index / SIMD;
    f->at.simdgroups_per_threadgroup = ((unsigned)n_threads + SIMD - 1) / SIMD;
    f->done = false;
    f->wait = RUNS;
    f->fake_stack = nullptr;
    getcontext(&f->context);
    f->context.uc_stack.ss_sp = f->stack;
    f->context.uc_stack.ss_size = STACK;
    f->context.uc_link = nullptr;
    makecontext(&f->context, enter, 0);
}

// SIMD-groups whose live lanes all wait at a SIMD point go on.
static bool release_simd_groups(void)
{
    bool freed = false;
    for (int first = 0; first < n_threads; first += SIMD) {
        int n = 0, waits = 0;
        for (int i = first; i < first + SIMD && i < n_threads; i++) {
            if (fibers[i].done) continue;
            n++;
            waits += fibers[i].wait == AT_SIMD_POINT;
        }
        if (n == 0 || n != waits) continue;
        for (int i = first; i < first + SIMD && i < n_threads; i++) fibers[i].wait = RUNS;
        freed = true;
    }
    return freed;
}

// The whole group goes on when all its threads wait at a barrier; false if they never will.
static bool release_group(void)
{
    int gone = 0, live = 0, waits = 0;
    for (int i = 0; i < n_threads; i++) {
        gone += fibers[i].done;
        live += !fibers[i].done;
        waits += !fibers[i].done && fibers[i].wait == AT_BARRIER;
    }
    if (live == 0) return true;
    if (live != waits || gone > 0) {
        fprintf(stderr, "%s: %s\n", running->name, gone > 0 ? "threads left before a barrier" : "divergent barrier");
        return false;
    }
    for (int i = 0; i < n_threads; i++) fibers[i].wait = RUNS;
    return true;
}

static bool run_group(msl_order order)
{
    for (int left = n_threads; left > 0;) {
        for (int j = 0; j < n_threads; j++) {
            const int i = order == MSL_REVERSE ? n_threads - 1 - j : j;
            if (fibers[i].done || fibers[i].wait != RUNS) continue;
            to_fiber(i);
            left -= fibers[i].done;
        }
        if (!release_simd_groups() && !release_group()) return false;
    }
    return true;
}

static bool bound(const msl_kernel *k, void *const *buffers, const unsigned *group_bytes)
{
    for (int i = 0; i < MSL_BUFFERS; i++) {
        if ((k->buffers >> i & 1) != 0 && buffers[i] == nullptr) {
            fprintf(stderr, "buffer(%d) of %s is not bound\n", i, k->name);
            return false;
        }
        if ((k->groups >> i & 1) != 0 && (group_bytes == nullptr || group_bytes[i] == 0)) {
            fprintf(stderr, "threadgroup(%d) of %s has no length\n", i, k->name);
            return false;
        }
    }
    return true;
}

extern "C" int msl_dispatch(const msl_kernel *k, void *const *buffers, const unsigned *group_bytes,
                            const unsigned groups[3], const unsigned threads[3], enum msl_order order)
{
    n_threads = (int)(threads[0] * threads[1] * threads[2]);
    if (n_threads <= 0 || n_threads > MOST_THREADS || !bound(k, buffers, group_bytes)) return -1;
    if (fibers == nullptr) fibers = (fiber *)calloc(MOST_THREADS, sizeof *fibers);
    for (int i = 0; i < n_threads; i++)
        if (fibers[i].stack == nullptr) fibers[i].stack = (char *)malloc(STACK);
    running = k;
    void *memory[MSL_BUFFERS] = {};
    for (int i = 0; i < MSL_BUFFERS; i++)
        if ((k->groups >> i & 1) != 0) memory[i] = malloc(group_bytes[i]);
    bool fine = true;
    for (unsigned n = 0; fine && n < groups[0] * groups[1] * groups[2]; n++) {
        const unsigned group[3] = {n % groups[0], n / groups[0] % groups[1], n / (groups[0] * groups[1])};
        for (int i = 0; i < MSL_BUFFERS; i++) // it starts undefined
            if (memory[i] != nullptr) memset(memory[i], 0xCD, group_bytes[i]);
        for (int i = 0; i < n_threads; i++) {
            memcpy(fibers[i].at.buffers, buffers, sizeof fibers[i].at.buffers);
            memcpy(fibers[i].at.groups, memory, sizeof memory);
            place(&fibers[i], i, group, groups, threads);
        }
        fine = run_group(order);
    }
    for (int i = 0; i < MSL_BUFFERS; i++) free(memory[i]);
    return fine ? 0 : -2;
}
