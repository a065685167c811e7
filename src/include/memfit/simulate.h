/*
 * simulate.h - requests over time: what a workload feels like on a machine that is predicted, not owned.
 *
 * A discrete-event simulation of the engine's own scheduling: llama.cpp's slots, vLLM's continuous batching. Capacity (cells,
 * blocks of KV cache) is the memory model's number, the time of a step the speed model's. docs/simulate.md says what is modelled.
 */
#ifndef MF_MEMFIT_SIMULATE_H
#define MF_MEMFIT_SIMULATE_H

#include "memfit/predict.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef enum mf_gap_kind { MF_GAPS_GAMMA, MF_GAPS_WEIBULL } mf_gap_kind;

/* Requests that arrive whatever the server does, drawn from a seed. */
typedef struct mf_open_load {
    uint64_t seed;
    uint64_t n_requests;
    double rate_per_s;
    double burstiness; /* coefficient of variation of the gaps: 1 is Poisson, 0 a metronome */
    mf_gap_kind gaps;  /* how they are distributed */
    double input_tokens;
    double output_tokens;
    double spread; /* coefficient of variation of both lengths (log-normal); 0: all alike */
} mf_open_load;

/* One Poisson arrival a second, 1024 tokens in, 128 out. */
MF_API mf_open_load mf_open_load_default(void);

/* Where requests come from. Read once: a second simulation needs another. */
typedef struct mf_requests mf_requests;

/* MF_E_USAGE for rates and lengths that are not above 0. The caller frees *out. */
MF_API mf_status mf_requests_draw(mf_requests **out, const mf_open_load *load, mf_error *err);

/* A trace in order of arrival: a CSV file with the columns arrival_s, input_tokens, output_tokens and, if they are there, session and
   prefix_tokens; or one of Azure's (2023, 2024), BurstGPT's or Mooncake's as published, whose rows without tokens are left
   out. Gaps are divided by speedup. Read while the simulation runs, so that its size doesn't matter. MF_E_IO, MF_E_DATA
   with the line, MF_E_USAGE for a speedup of 0. `path` is kept for messages: it must outlive *out. */
MF_API mf_status mf_requests_open(mf_requests **out,
                                  const char *path,
                                  double speedup,
                                  mf_error *err);

MF_API void mf_requests_free(mf_requests *requests); /* NULL is fine */

enum { MF_MAX_STREAMS = 16, MF_STREAM_NAME_SIZE = 32 };

/* Who uses the machine and how: users who think between turns, agents whose sessions grow, programs. A workload file says so
   (docs/simulate.md). Read only once it is made: threads may share it. */
typedef struct mf_usage mf_usage;

/* MF_E_IO; MF_E_DATA with file, line and column. The caller frees *out. */
MF_API mf_status mf_usage_open(mf_usage **out, const char *path, mf_error *err);
/* Users who each ask, wait for the answer and think, for exponentially distributed times; lengths as the load has them. */
MF_API mf_status mf_usage_of_users(
    mf_usage **out, const mf_open_load *load, uint32_t n_users, double think_s, mf_error *err);
MF_API void mf_usage_free(mf_usage *usage); /* NULL is fine */

MF_API bool mf_usage_has_users(const mf_usage *usage); /* who wait for answers */
MF_API bool mf_usage_has_rate(const mf_usage *usage);  /* sessions that begin by themselves */

/* What asks for requests, as often as they are wanted: one of usage, load and trace; all borrowed. */
typedef struct mf_demand {
    const mf_usage *usage;
    const mf_open_load *load;
    const char *trace;
    double speedup; /* of the trace */
    uint64_t seed;  /* of the usage's draws */
    uint64_t
        n_requests; /* of the usage; 0: until its duration is over, or as many as a drawn load has */
    uint32_t n_users;  /* of the usage, shared out as it says; 0: as many as it says */
    double rate_per_s; /* of the usage's sessions or the load; 0: as it says */
} mf_demand;

/* Requests of a demand, the same every time; usage and trace's path must outlive *out. As mf_requests_draw and _open. */
MF_API mf_status mf_requests_of(mf_requests **out, const mf_demand *demand, mf_error *err);

/* Settings of the engine. 0 (switches: -1): the engine's default, or what the memory leaves. */
typedef struct mf_serving {
    uint32_t max_sequences; /* vLLM: max_num_seqs; llama.cpp: slots */
    uint32_t max_batch_tokens;
    uint64_t context_tokens; /* llama.cpp: -c, all slots together; vLLM: max_model_len */
    uint64_t kv_blocks;      /* vLLM */
    uint32_t tensor_parallel;
    uint32_t data_parallel;
    uint32_t n_machines; /* that share the requests; 0: one */
    int prefix_cache;
    int async_scheduling; /* vLLM: steps are composed while the device computes, the default since 0.14 */
    bool step_by_step; /* no leaps: for tests, the figures are the same */
} mf_serving;

#define MF_SERVING_DEFAULT                                                                         \
    {                                                                                              \
        .prefix_cache = -1, .async_scheduling = -1                                                 \
    }

typedef enum mf_served_outcome {
    MF_SERVED_DONE,
    MF_SERVED_CUT,     /* ended early: its context was full */
    MF_SERVED_FAILED,  /* ended with an error: the cache was full */
    MF_SERVED_REFUSED, /* too long for the engine's context or its whole cache */
} mf_served_outcome;

MF_API const char *
mf_served_name(mf_served_outcome outcome); /* "done", "cut", "failed", "refused" */

/* Did it end with tokens: done or cut? */
MF_API bool mf_served_is_answered(mf_served_outcome outcome);

/* One request and what became of it. Times are seconds; of a refused one they are 0. */
typedef struct mf_served_request {
    double arrival_s;
    uint64_t input_tokens;
    uint64_t output_tokens; /* that came out */
    double queue_s;         /* until its first token was given to the device */
    double ttft_s;          /* arrival to first token */
    double tpot_s;          /* per token after the first */
    double e2e_s;
    uint64_t cached_tokens; /* of the input, found in a cache */
    uint32_t n_preempted;
    mf_served_outcome outcome;
} mf_served_request;

/* Told of every request, in order of arrival. A status other than MF_OK ends the simulation. */
typedef mf_status mf_served_fn(void *payload, const mf_served_request *served, mf_error *err);

#define MF_QUANTILE_LIST(X)                                                                        \
    X(MF_P50, 0.5, "p50")                                                                          \
    X(MF_P90, 0.9, "p90")                                                                          \
    X(MF_P95, 0.95, "p95")                                                                         \
    X(MF_P99, 0.99, "p99")

typedef enum mf_quantile {
#define MF_QUANTILE_ENUM(name, share, key) name,
    MF_QUANTILE_LIST(MF_QUANTILE_ENUM)
#undef MF_QUANTILE_ENUM
        MF_QUANTILE_COUNT
} mf_quantile;

/* A measure over requests. known is false where there is none, or no steady state that it would be the measure of. */
typedef struct mf_latency {
    bool known;
    uint64_t n;
    double mean;
    double quantiles[MF_QUANTILE_COUNT];
    bool error_known;
    double mean_error; /* half of the 95 % interval of the mean, from batch means or replications */
    bool bounds_known[MF_QUANTILE_COUNT]; /* 95 % intervals of the quantiles: enough requests? */
    double low[MF_QUANTILE_COUNT];
    double high[MF_QUANTILE_COUNT];
    bool swings; /* near saturation: the mean is not told, only its interval */
} mf_latency;

/* What users are promised: a request is within it if all of its times are. 0: no limit. */
typedef struct mf_promise {
    double ttft_s;
    double tpot_s;
    double e2e_s;
    double share; /* of requests that must be within it; 0: 0.95 */
} mf_promise;

enum { MF_MAX_SERIES = 96, MF_MAX_CURVE = 51 };

/* A span of time. Rates and numbers are means over it, of all servers together. */
typedef struct mf_series_point {
    double begin_s;
    double end_s;
    double utilization; /* of one device: a sum over servers */
    double running;     /* requests in work */
    double waiting;
    double kv_tokens;
    double output_tok_s;
    double input_tok_s;
} mf_series_point;

/* A run of steps of a server that hold the same sequences. */
typedef struct mf_served_steps {
    double begin_s;
    double end_s;
    uint64_t n_steps;
    uint32_t server;
    uint32_t n_decode;
    uint32_t n_prompt_tokens;
    uint32_t n_running;
    uint32_t n_waiting;
    uint64_t kv_tokens;
} mf_served_steps;

/* Told of every run of steps, of each server in order of time. */
typedef mf_status mf_stepped_steps_fn(void *payload, const mf_served_steps *steps, mf_error *err);

/* What a stream of a usage saw. */
typedef struct mf_stream_measures {
    char name[MF_STREAM_NAME_SIZE];
    uint64_t n_requests;
    double within_share; /* as of the whole simulation */
    mf_latency ttft_s;
    mf_latency tpot_s;
    mf_latency e2e_s;
} mf_stream_measures;

typedef struct mf_simulation {
    bool
        fits; /* the model, its buffers and at least one request; otherwise there is nothing but the warning that says why */
    uint64_t n_requests;
    uint64_t n_outcomes[MF_SERVED_REFUSED + 1];
    uint64_t n_warm_up; /* the first of them, left out of the measures below */
    double duration_s;  /* first arrival to last end */
    mf_latency ttft_s;
    mf_latency tpot_s;
    mf_latency e2e_s;
    mf_latency queue_s;
    mf_latency itl_s;                  /* between two tokens of a request, over tokens */
    double ttft_curve_s[MF_MAX_CURVE]; /* quantiles at equal steps, 0 to 1, where ttft_s has any */
    double tpot_curve_s[MF_MAX_CURVE];
    double e2e_curve_s[MF_MAX_CURVE];
    mf_series_point series[MF_MAX_SERIES]; /* of the first replication */
    size_t n_series;
    uint32_t n_replications;
    double
        within_share; /* of the requests after the warm-up, failures included, that are within the promise */
    double request_per_s;
    double output_tok_s;
    double total_tok_s;
    double utilization;  /* share of the time in which the device computes */
    double mean_running; /* requests in work */
    double mean_waiting;
    double load; /* of what fits at once, by number or by cache: near 1 is near saturation */
    double kv_mean_fraction;
    double kv_peak_fraction;
    uint64_t kv_tokens;     /* what the cache of one server holds */
    uint32_t max_sequences; /* of one server */
    uint32_t max_batch_tokens;
    uint64_t context_tokens; /* of one request */
    uint32_t n_machines;
    uint32_t n_servers; /* of all machines */
    uint32_t devices_per_server;
    uint64_t n_preempted;
    uint64_t computed_tokens;
    uint64_t cached_tokens;
    uint64_t recomputed_tokens;
    uint64_t n_steps;
    uint64_t n_leaps;
    mf_stream_measures streams[MF_MAX_STREAMS];
    size_t n_streams; /* 0: they are not told apart */
    bool saturated; /* more comes in than can be served: the queue grows as long as requests come */
    mf_basis basis; /* of the time of steps */
    double slowest; /* 90 % interval of the speed of decoding steps, as factors of it */
    double fastest;
    char warnings[MF_MAX_WARNINGS][MF_WARNING_SIZE];
    size_t n_warnings;
} mf_simulation;

/* Requests that were answered; the others failed or were refused. */
MF_API uint64_t mf_simulation_answered(const mf_simulation *simulation);

/* A case served. The workload's prompt, output and number of sequences don't count: the requests have their own. */
typedef struct mf_simulation_run {
    const mf_case *run;
    const struct mf_calibration *calibration; /* may be NULL for vLLM */
    mf_serving serving;
    mf_promise promise;
    mf_requests *requests;        /* of mf_simulate */
    uint32_t n_replications;      /* of mf_simulate_demand and searches; 0: one */
    mf_served_fn *served;         /* may be NULL; of the first replication */
    mf_stepped_steps_fn *stepped; /* the same */
    void *payload;
} mf_simulation_run;

/* Simulates until the last request has ended. MF_E_UNSUPPORTED with the reason where there is no ground for the
   speed or no rules of scheduling; MF_E_USAGE for settings the machine can't have. */
MF_API mf_status mf_simulate(mf_simulation *simulation,
                             const mf_simulation_run *run,
                             mf_error *err);

/* The same for a demand: n_replications times, each from a seed of its own (the demand's and those that follow), so that two
   settings are compared over the same draws. Measures are of all requests together; with several replications means have
   the interval of their means. MF_E_USAGE for several of a trace. */
MF_API mf_status mf_simulate_demand(mf_simulation *simulation,
                                    const mf_simulation_run *run,
                                    const mf_demand *demand,
                                    mf_error *err);

/* What a search varies. */
typedef enum mf_search_kind {
    MF_SEARCH_RATE, /* highest rate of a load, or of a usage's sessions, at which the promise is kept, to 2 % */
    MF_SEARCH_USERS,    /* most users of a usage */
    MF_SEARCH_MACHINES, /* fewest machines that share the requests */
    MF_SEARCH_SLOTS,    /* sequences at once: the number that serves best */
    MF_SEARCH_BATCH,    /* tokens of a step, the same */
} mf_search_kind;

MF_API const char *
mf_search_name(mf_search_kind kind); /* "rate", "users", "machines", "slots", "batch" */

enum { MF_MAX_TRIALS = 64 };

/* One simulation of a search. */
typedef struct mf_trial {
    double value; /* of what varies */
    bool fits;
    bool kept; /* the promise, without saturation */
    double
        most_rate; /* SLOTS and BATCH of a load without a rate: the highest that keeps the promise */
    double within_share;
    double output_tok_s;
    mf_latency ttft_s;
    mf_latency tpot_s;
    mf_latency e2e_s;
} mf_trial;

typedef struct mf_search {
    mf_search_kind kind;
    bool found;
    double best;
    size_t best_trial;
    double most_rate; /* as in its trial */
    mf_simulation
        at; /* the best one; if none was found, what comes closest: one user, the lowest rate, most machines */
    mf_trial trials[MF_MAX_TRIALS]; /* by value */
    size_t n_trials;
} mf_search;

/* Searches over the same requests every time. Rates and numbers of users and machines are bisected; slots are tried in powers of two up
   to 64 (vLLM: 1024), batches from 256 to 16384 tokens: the best has the highest rate, or where the demand's rate or
   users are given the most requests within the promise, and of equals the shortest mean time to the end. Without a promise only
   machines, slots and batches can be searched: requests must be served without saturation. The run's requests and callback don't
   count. MF_E_USAGE for a demand without what varies. */
MF_API mf_status mf_simulate_search(mf_search *search,
                                    mf_search_kind kind,
                                    const mf_simulation_run *run,
                                    const mf_demand *demand,
                                    mf_error *err);

#ifdef __cplusplus
}
#endif

#endif
