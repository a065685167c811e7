/*
 * fake_metal.h - a Metal that runs on any computer, through the MSL runner: knobs for what can go wrong, and counts of what
 * the code under test did wrong.
 */
#ifndef MF_FAKE_FAKE_METAL_H
#define MF_FAKE_FAKE_METAL_H

#include <stdbool.h>
#include <stdint.h>

struct fake_knobs {
    const char *chip;           /* "Apple M1 Pro" */
    int cores;                  /* of the GPU; 0: the registry does not say */
    uint64_t limit_bytes;       /* recommendedMaxWorkingSetSize */
    uint64_t most_buffer_bytes; /* maxBufferLength */
    bool no_default_device;     /* the list of all has it */
    bool no_device;
    bool old_gpu;
    bool metal_4;
    bool bad_compile;        /* the main text */
    bool bad_tensor_compile; /* the other one */
    bool no_function;
    bool no_pipeline;
    bool small_pipeline; /* too few threads a group */
    bool no_queue;
    bool no_command_buffer;
    bool no_shaders;      /* Metal Performance Shaders */
    int buffers_left;     /* -1: any number */
    int submissions_left; /* -1: any number; then the GPU fails */
    bool silent_errors;   /* errors without words */
    bool zero_times;
    bool wrong_results; /* each written float is off by 1 % */
    bool no_sysctl;
    const char *bench_source; /* what must arrive */
    const char *tensor_source;
};

struct fake_counts {
    long live;   /* objects */
    long live_c; /* of Core Foundation and IOKit */
    int misuse;
    int dispatches;
    int pools;
    int products; /* of Metal Performance Shaders */
};

extern struct fake_knobs fake_knobs;
extern struct fake_counts fake_counts;

void fake_reset(void);

#endif
