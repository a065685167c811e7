/*
 * runner.h - runs Metal kernels on the CPU: one threadgroup at a time, every thread a fiber, barriers switch fibers. The
 * order is fixed, forward or reverse, so that a missing barrier gives a wrong result every time.
 */
#ifndef MF_METAL_RUNNER_H
#define MF_METAL_RUNNER_H

#ifdef __cplusplus
extern "C" {
#endif

enum { MSL_BUFFERS = 31 };

/* What a kernel's attributes ask for. */
struct msl_context {
    void *buffers[MSL_BUFFERS];
    void *groups[MSL_BUFFERS]; /* threadgroup memory */
    unsigned thread_position_in_grid[3];
    unsigned threads_per_grid[3];
    unsigned threadgroup_position_in_grid[3];
    unsigned threadgroups_per_grid[3];
    unsigned thread_position_in_threadgroup[3];
    unsigned threads_per_threadgroup[3];
    unsigned thread_index_in_threadgroup;
    unsigned thread_index_in_simdgroup;
    unsigned simdgroup_index_in_threadgroup;
    unsigned simdgroups_per_threadgroup;
};

/* Made by the binder from a kernel's text. Bits say which buffers and threadgroup memories it takes. */
struct msl_kernel {
    const char *name;
    void (*call)(const struct msl_context *);
    unsigned buffers;
    unsigned groups;
};

extern const struct msl_kernel
    *const msl_libraries[]; /* arrays that end with a NULL name; NULL ends the list */
const struct msl_kernel *msl_find(const char *name);

enum msl_order { MSL_FORWARD, MSL_REVERSE };

/* What a dispatch sees. 0, or what went wrong, which is printed. */
int msl_dispatch(const struct msl_kernel *which,
                 void *const *buffers,
                 const unsigned *group_bytes,
                 const unsigned groups[3],
                 const unsigned threads[3],
                 enum msl_order order);

/* Reports of the shims. */
unsigned msl_lane(void);
unsigned msl_thread(void);
unsigned msl_threads(void);
void msl_misuse(const char *what);
int msl_misuses(void);
const struct msl_context *msl_here(void);

#ifdef __cplusplus
}
template <typename V> static inline V msl_three(const unsigned *p)
{
    V v;
    v.x = p[0];
    v.y = p[1];
    v.z = p[2];
    return v;
}
#endif

#endif
