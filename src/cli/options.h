/*
 * options.h - one table of options: parsing, --help, and the manual's OPTIONS come from it.
 */
#ifndef MF_CLI_OPTIONS_H
#define MF_CLI_OPTIONS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/str.h"
#include "facts/json.h"
#include "memfit/cost_setup.h"
#include "memfit/simulate.h"

enum { MF_MAX_POSITIONAL = 8 };

/* No number that somebody says is larger, or smaller and not 0: products and quotients of a few stay finite. */
#define MF_MOST_SAID 1e15
#define MF_LEAST_SAID 1e-15

/* Commands an option belongs to, as bits. */
typedef enum mf_command_bit {
    MF_FOR_FIT = 1,
    MF_FOR_COMPARE = 2,
    MF_FOR_DB = 4,
    MF_FOR_IMPORT = 8,
    MF_FOR_DETECT = 16,
    MF_FOR_CALIBRATE = 32,
    MF_FOR_COST = 64,
    MF_FOR_PLAN = 128,
    MF_FOR_SWEEP = 256,
    MF_FOR_REPORT = 512,
    MF_FOR_EXPLAIN = 1024,
    MF_FOR_SIMULATE = 2048,
    MF_FOR_VALIDATE = 4096,
    MF_FOR_AUDIT = 8192,
    MF_FOR_ALL = 65535,
} mf_command_bit;

/* Commands about a model on a machine, and those of them that name machines with --on. */
#define MF_FOR_CASES (MF_FOR_FIT | MF_FOR_COMPARE | MF_FOR_COST | MF_FOR_PLAN | MF_FOR_AUDIT)
#define MF_FOR_PLACED (MF_FOR_CASES & ~MF_FOR_PLAN) /* plan searches for places itself */
#define MF_FOR_RUNS (MF_FOR_CASES | MF_FOR_CALIBRATE | MF_FOR_VALIDATE)
#define MF_FOR_ENGINES (MF_FOR_CASES | MF_FOR_SIMULATE) /* what the engine is told */
#define MF_FOR_QUANT (MF_FOR_RUNS | MF_FOR_SWEEP | MF_FOR_SIMULATE)
#define MF_FOR_ON                                                                                  \
    (MF_FOR_FIT | MF_FOR_COMPARE | MF_FOR_PLAN | MF_FOR_CALIBRATE | MF_FOR_SWEEP |                 \
     MF_FOR_SIMULATE | MF_FOR_VALIDATE | MF_FOR_AUDIT)
#define MF_FOR_FORMATS (MF_FOR_ENGINES | MF_FOR_SWEEP | MF_FOR_VALIDATE | MF_FOR_REPORT)
#define MF_FOR_MONEY (MF_FOR_COST | MF_FOR_PLAN)

/* What only simulate takes. */
typedef struct mf_simulate_arguments {
    mf_open_load load;
    mf_promise promise;
    const char *rates;
    double rate;    /* 0: not said */
    double speedup; /* 0: not said */
    double think_s;
    int64_t users;
    int64_t machines;
    int64_t replications;
    const char *trace_out;
    const char *gaps;
    const char *find;
    const char *workload;
    int64_t input;
    int64_t count;
    int64_t max_seqs;
    int64_t max_batch_tokens;
    int64_t kv_blocks;
    int64_t slots;
    int64_t tensor_parallel;
    int64_t data_parallel;
    int prefix_cache;
    int async_scheduling;
    bool step_by_step;
    const char *trace;
    const char *requests;
} mf_simulate_arguments;

/* What was said; texts are borrowed from argv. Unset: NULL, -1 for numbers and switches. */
typedef struct mf_arguments {
    const char *positional[MF_MAX_POSITIONAL];
    size_t n_positional;
    const char *on;
    const char *quant;
    const char *engine;
    const char *backend;
    const char *kv;
    const char *split;
    const char *placement;
    const char *save_placement;
    const char *override_tensor;
    const char *tensor_split;
    const char *draft;
    const char *lora;
    const char *simulated;
    const char *rent_simulated;
    int64_t draft_max;
    double draft_accept;
    const char *format;
    const char *output_file;
    const char *data;
    const char *from_measurements;
    const char *from;
    const char *leave_out;
    const char *bytes;
    double tok_s;
    double prefill_tok_s;
    double ttft_s;
    double tokens_per_step;
    const char *rows;
    const char *report;
    const char *device;
    const char *model;
    const char *id;
    const char *name;
    const char *organization;
    const char *license;
    const char *released;
    const char *source;
    const char *kind;
    const char *url;
    const char *seen;
    mf_simulate_arguments simulate;
    int64_t ctx;
    int64_t prompt;
    int64_t output;
    int64_t parallel;
    int64_t batch;
    int64_t ubatch;
    int64_t outputs;
    int64_t gpu_layers;
    int64_t cpu_moe;
    int64_t macos;
    int64_t cache_ram_mib;
    int64_t ctx_checkpoints;
    int kv_unified;
    int flash_attn;
    int kv_offload;
    bool swa_full;
    bool mmproj;
    bool list;
    bool thorough;
    bool json;
    bool save;
    bool show;
    bool ascii;
    bool help;
    const char *buy;
    const char *rent;
    const char *rent_on;
    const char *sampler;
    const char *contexts;
    const char *min_quality;
    const char *view;
    double min_tok_s;
    double max_ttft_s;
    double budget;
    bool any;
    const char *shard;
    const char *scenario_file;
    mf_cost_options cost;
    mf_json *scenario; /* of --scenario; texts may be borrowed from it */
    char **words;      /* all that was said, as it was said; NULL: a report's definition says it */
    int n_words;
} mf_arguments;

/* Parses the words behind a command. --scenario FILE names a JSON object whose keys are options, of which words on the
   command line win. MF_E_USAGE suggests the nearest option. End with mf_arguments_free. */
mf_status mf_parse_arguments(
    mf_arguments *arguments, mf_command_bit command, int n_words, char **words, mf_error *err);
void mf_arguments_free(mf_arguments *arguments);

/* Appends the options of a command, aligned, 80 columns. */
void mf_options_help(mf_str *out, mf_command_bit command);

/* Appends them as mdoc items for the manual. */
void mf_options_manual(mf_str *out);

#endif
