/*
 * clock.h - simulated time. Events happen at whole nanoseconds; a server carries the picoseconds between, so that many short
 * steps and their closed-form sum end at the same instant, whatever the order of adding.
 */
#ifndef MF_SIMULATE_CLOCK_H
#define MF_SIMULATE_CLOCK_H

#include <stdint.h>

/* 128 bits: squares of step counts times picoseconds. */
__extension__ typedef unsigned __int128 mf_wide;

#define MF_NEVER UINT64_MAX
#define MF_PS_PER_NS 1000U
#define MF_NS_PER_S 1e9

typedef struct mf_clock {
    uint64_t ns;
    uint32_t ps; /* below 1000 */
} mf_clock;

static inline mf_wide mf_clock_ps(mf_clock clock)
{
    return (mf_wide)clock.ns * MF_PS_PER_NS + clock.ps;
}

/* The clock after so many picoseconds; stops just before MF_NEVER, 584 years. */
static inline mf_clock mf_clock_after(mf_clock clock, mf_wide ps)
{
    /* Up to 11 days, what nearly every step takes, 64 bits will do. */
    static const uint64_t most_ps = UINT64_C(1000000000000000000);
    if (ps < most_ps && clock.ns < MF_NEVER / 2) {
        const uint64_t short_ps = (uint64_t)ps + clock.ps;
        return (mf_clock){.ns = clock.ns + short_ps / MF_PS_PER_NS,
                          .ps = (uint32_t)(short_ps % MF_PS_PER_NS)};
    }
    const mf_wide sum = mf_clock_ps(clock) + ps;
    const mf_wide ns = sum / MF_PS_PER_NS;
    if (ns >= MF_NEVER - 1) {
        return (mf_clock){.ns = MF_NEVER - 1};
    }
    return (mf_clock){.ns = (uint64_t)ns, .ps = (uint32_t)(sum % MF_PS_PER_NS)};
}

static inline double mf_seconds(uint64_t ns)
{
    return (double)ns / MF_NS_PER_S;
}

/* Nearest nanosecond; 0 for what is below it, and no later than just before MF_NEVER. */
static inline uint64_t mf_nanoseconds(double seconds)
{
    const double ns = seconds * MF_NS_PER_S + 0.5;
    if (!(ns > 0)) {
        return 0;
    }
    return ns < 1.8e19 ? (uint64_t)ns : MF_NEVER - 1;
}

#endif
