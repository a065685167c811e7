#include "cli/options.h"

#include <stdio.h>
#include <string.h>

#include "base/num.h"

typedef enum option_kind {
    OPTION_FLAG,    /* bool */
    OPTION_TEXT,    /* const char * */
    OPTION_COUNT,   /* int64_t */
    OPTION_SWITCH,  /* int: on or off */
    OPTION_NUMBER,  /* double, not negative */
    OPTION_PERCENT, /* double: a fraction, written as a percentage */
    OPTION_SEED,    /* uint64_t */
    OPTION_DRAWS,   /* uint32_t */
    OPTION_SET,     /* mf_cost_options.set: ID=VALUE[,ID=VALUE] */
} option_kind;

typedef struct option_row {
    const char *name;
    const char *value; /* what stands for the value in help */
    size_t offset;
    option_kind kind;
    unsigned commands;
    const char *const *allowed; /* TEXT: NULL-ended list of possible values */
    const char *help;
} option_row;

static const char *const engines[] = {"llama.cpp", "ollama", "mlx", "vllm", NULL};
static const char *const backends[] = {"metal", "cuda", "rocm", "vulkan", "sycl", "cpu", NULL};
static const char *const splits[] = {"layer", "tensor", NULL};
static const char *const kinds[] = {"vendor", "measured", "derived", "assumed", NULL};
static const char *const formats[] = {"text", "markdown", "html", "csv", "json", NULL};
static const char *const views[] = {"offload",
                                    "switches",
                                    "scaling",
                                    "prompts",
                                    "crossover",
                                    "depth",
                                    "value",
                                    "memory",
                                    "roofline",
                                    NULL};
static const char *const gaps[] = {"gamma", "weibull", NULL};
static const char *const searches[] = {"rate", "users", "machines", "slots", "batch", NULL};
static const char *const samplers[] = {"sobol", "mt", NULL};

#define AT(member) offsetof(mf_arguments, member)

/* clang-format off */
static const option_row options[] = {
    {"--on", "MACHINE", AT(on), OPTION_TEXT, MF_FOR_ON, NULL, "a machine or device of hwdb, 'this', or \"mem=64GiB bw=273GB/s fp16=30TFLOP/s\""},
    {"--quant", "Q", AT(quant), OPTION_TEXT, MF_FOR_QUANT, NULL, "of the weights (Q4_K_M; vllm: as published; a GGUF file's own; several in sweep)"},
    {"--contexts", "N,..", AT(contexts), OPTION_TEXT, MF_FOR_SWEEP, NULL, "contexts of the table (2048 to 262144)"},
    {"--shard", "I/N", AT(shard), OPTION_TEXT, MF_FOR_SWEEP | MF_FOR_SIMULATE, NULL, "the I-th of N parts, which make the whole table in order"},
    {"--ctx", "N", AT(ctx), OPTION_COUNT, MF_FOR_ENGINES, NULL, "context in tokens, all sequences together (8192; simulate: the largest that fits)"},
    {"--prompt", "N", AT(prompt), OPTION_COUNT, MF_FOR_CASES, NULL, "tokens of the prompt (2048)"},
    {"--output", "N", AT(output), OPTION_COUNT, MF_FOR_ENGINES | MF_FOR_SWEEP, NULL, "tokens of the answer (512)"},
    {"--parallel", "N", AT(parallel), OPTION_COUNT, MF_FOR_CASES, NULL, "sequences (1)"},
    {"--kv", "K[,V]", AT(kv), OPTION_TEXT, MF_FOR_ENGINES, NULL, "formats of the KV cache (f16)"},
    {"--kv-unified", "on|off", AT(kv_unified), OPTION_SWITCH, MF_FOR_ENGINES, NULL, "one cache for all sequences (off)"},
    {"--engine", "E", AT(engine), OPTION_TEXT, MF_FOR_ENGINES | MF_FOR_SWEEP, engines, "llama.cpp, ollama, mlx or vllm (llama.cpp)"},
    {"--backend", "B", AT(backend), OPTION_TEXT, MF_FOR_PLACED | MF_FOR_SIMULATE, backends, "metal, cuda, rocm, vulkan, sycl or cpu (the device's)"},
    {"--batch", "N", AT(batch), OPTION_COUNT, MF_FOR_CASES, NULL, "tokens of a batch (2048)"},
    {"--ubatch", "N", AT(ubatch), OPTION_COUNT, MF_FOR_ENGINES, NULL, "tokens of a micro-batch (512)"},
    {"--outputs", "N", AT(outputs), OPTION_COUNT, MF_FOR_CASES, NULL, "output rows that the engine reserves (one per sequence)"},
    {"--flash-attn", "on|off", AT(flash_attn), OPTION_SWITCH, MF_FOR_ENGINES, NULL, "flash attention (on)"},
    {"--swa-full", NULL, AT(swa_full), OPTION_FLAG, MF_FOR_ENGINES, NULL, "full cache for sliding-window layers"},
    {"--gpu-layers", "N", AT(gpu_layers), OPTION_COUNT, MF_FOR_ENGINES, NULL, "layers on the GPU, the output is one (all)"},
    {"--cpu-moe", "N", AT(cpu_moe), OPTION_COUNT, MF_FOR_ENGINES, NULL, "experts of the first N layers stay in host memory (0)"},
    {"--kv-offload", "on|off", AT(kv_offload), OPTION_SWITCH, MF_FOR_ENGINES, NULL, "KV cache on the GPU (on)"},
    {"--split", "MODE", AT(split), OPTION_TEXT, MF_FOR_ENGINES, splits, "what several GPUs share: layer or tensor (layer)"},
    {"--tensor-split", "A,B,...", AT(tensor_split), OPTION_TEXT, MF_FOR_PLACED, NULL, "parts of each GPU (by its memory)"},
    {"--override-tensor", "P=D,...", AT(override_tensor), OPTION_TEXT, MF_FOR_PLACED, NULL, "tensors whose names match P go to D: CPU, gpu0"},
    {"--placement", "P", AT(placement), OPTION_TEXT, MF_FOR_PLACED, NULL, "auto: the fastest that fits; or a file of --save-placement"},
    {"--save-placement", "FILE", AT(save_placement), OPTION_TEXT, MF_FOR_FIT, NULL, "keep what lies where, to be changed and asked for again"},
    {"--draft", "MODEL", AT(draft), OPTION_TEXT, MF_FOR_PLACED, NULL, "a draft model is loaded beside it"},
    {"--lora", "FILE", AT(lora), OPTION_TEXT, MF_FOR_PLACED, NULL, "a LoRA adapter (GGUF) is loaded beside it"},
    {"--draft-max", "N", AT(draft_max), OPTION_COUNT, MF_FOR_PLACED, NULL, "tokens that it drafts at a time"},
    {"--draft-accept", "X", AT(draft_accept), OPTION_NUMBER, MF_FOR_PLACED, NULL, "share of them that is accepted, your assumption"},
    {"--mmproj", NULL, AT(mmproj), OPTION_FLAG, MF_FOR_PLACED, NULL, "the vision tower is loaded too"},
    {"--rate", "R", AT(simulate.rate), OPTION_NUMBER, MF_FOR_SIMULATE, NULL, "requests a second, as many as --count says"},
    {"--rates", "R,..", AT(simulate.rates), OPTION_TEXT, MF_FOR_SIMULATE, NULL, "rates of a table (--format csv), a line each"},
    {"--input", "N", AT(simulate.input), OPTION_COUNT, MF_FOR_SIMULATE, NULL, "tokens of a request's input (1024)"},
    {"--count", "N", AT(simulate.count), OPTION_COUNT, MF_FOR_SIMULATE, NULL, "how many requests (10000; a workload's duration)"},
    {"--burstiness", "CV", AT(simulate.load.burstiness), OPTION_NUMBER, MF_FOR_SIMULATE, NULL, "variation of the gaps: 1 is Poisson (1)"},
    {"--spread", "CV", AT(simulate.load.spread), OPTION_NUMBER, MF_FOR_SIMULATE, NULL, "variation of the lengths, log-normal (0: all alike)"},
    {"--gaps", "G", AT(simulate.gaps), OPTION_TEXT, MF_FOR_SIMULATE, gaps, "gamma or weibull, of a --burstiness beside 1 (gamma)"},
    {"--workload", "FILE", AT(simulate.workload), OPTION_TEXT, MF_FOR_SIMULATE, NULL, "users, agents and programs of a JSON file (docs/simulate.md)"},
    {"--users", "N", AT(simulate.users), OPTION_COUNT, MF_FOR_SIMULATE, NULL, "users who wait for each answer; of the workload, shared out"},
    {"--think", "S", AT(simulate.think_s), OPTION_NUMBER, MF_FOR_SIMULATE, NULL, "seconds that --users think before they ask again, on average"},
    {"--find", "WHAT", AT(simulate.find), OPTION_TEXT, MF_FOR_SIMULATE, searches, "rate or users (most), machines (fewest), slots or batch (best)"},
    {"--machines", "N", AT(simulate.machines), OPTION_COUNT, MF_FOR_SIMULATE, NULL, "machines that share the requests (1)"},
    {"--trace", "FILE", AT(simulate.trace), OPTION_TEXT, MF_FOR_SIMULATE, NULL, "requests of a CSV file, or of a published trace"},
    {"--speedup", "X", AT(simulate.speedup), OPTION_NUMBER, MF_FOR_SIMULATE, NULL, "the trace's requests come so many times faster (1)"},
    {"--requests", "FILE", AT(simulate.requests), OPTION_TEXT, MF_FOR_SIMULATE, NULL, "write a line of CSV for every request"},
    {"--trace-out", "FILE", AT(simulate.trace_out), OPTION_TEXT, MF_FOR_SIMULATE, NULL, "write requests and steps for Perfetto or speedscope"},
    {"--replications", "N", AT(simulate.replications), OPTION_COUNT, MF_FOR_SIMULATE, NULL, "run so often, from seeds of their own (1)"},
    {"--slo-ttft", "S", AT(simulate.promise.ttft_s), OPTION_NUMBER, MF_FOR_SIMULATE, NULL, "seconds to the first token; no --rate: find it"},
    {"--slo-tpot", "S", AT(simulate.promise.tpot_s), OPTION_NUMBER, MF_FOR_SIMULATE, NULL, "seconds per token after it that are promised"},
    {"--slo-e2e", "S", AT(simulate.promise.e2e_s), OPTION_NUMBER, MF_FOR_SIMULATE, NULL, "seconds to the end that are promised"},
    {"--slo-share", "PERCENT", AT(simulate.promise.share), OPTION_PERCENT, MF_FOR_SIMULATE, NULL, "of the requests that must keep to it (95)"},
    {"--slots", "N", AT(simulate.slots), OPTION_COUNT, MF_FOR_SIMULATE, NULL, "llama.cpp: requests at once, -np (4 that share the context)"},
    {"--max-seqs", "N", AT(simulate.max_seqs), OPTION_COUNT, MF_FOR_SIMULATE, NULL, "vllm: requests at once, max_num_seqs (256)"},
    {"--max-batch-tokens", "N", AT(simulate.max_batch_tokens), OPTION_COUNT, MF_FOR_SIMULATE, NULL, "tokens of a step: n_batch (2048)"},
    {"--kv-blocks", "N", AT(simulate.kv_blocks), OPTION_COUNT, MF_FOR_SIMULATE, NULL, "vllm: blocks of KV cache (what the memory leaves)"},
    {"--prefix-cache", "on|off", AT(simulate.prefix_cache), OPTION_SWITCH, MF_FOR_SIMULATE, NULL, "for inputs that begin alike (on)"},
    {"--async-scheduling", "on|off", AT(simulate.async_scheduling), OPTION_SWITCH, MF_FOR_SIMULATE, NULL, "vllm: off before 0.14 (on)"},
    {"--tensor-parallel", "N", AT(simulate.tensor_parallel), OPTION_COUNT, MF_FOR_SIMULATE, NULL, "vllm: devices that share a model (all)"},
    {"--data-parallel", "N", AT(simulate.data_parallel), OPTION_COUNT, MF_FOR_SIMULATE, NULL, "vllm: servers side by side (1)"},
    {"--step-by-step", NULL, AT(simulate.step_by_step), OPTION_FLAG, MF_FOR_SIMULATE, NULL, "take every step: the same figures, slower"},
    {"--list", NULL, AT(list), OPTION_FLAG, MF_FOR_CALIBRATE, NULL, "what can be measured here, and why the rest can't"},
    {"--device", "D", AT(device), OPTION_TEXT, MF_FOR_CALIBRATE, NULL, "metal, cuda, opencl or cpu; opencl:1 is the second (a GPU, else cpu)"},
    {"--thorough", NULL, AT(thorough), OPTION_FLAG, MF_FOR_CALIBRATE, NULL, "more samples: a minute instead of half of one"},
    {"--json", NULL, AT(json), OPTION_FLAG, MF_FOR_CALIBRATE, NULL, "the whole record, with all samples"},
    {"--save", NULL, AT(save), OPTION_FLAG, MF_FOR_CALIBRATE, NULL, "keep it in the user's data folder, where --on this finds it"},
    {"--show", NULL, AT(show), OPTION_FLAG, MF_FOR_CALIBRATE, NULL, "what was saved; several are compared"},
    {"--from", "FILE", AT(from), OPTION_TEXT, MF_FOR_CALIBRATE, NULL, "runs of llama-bench, mlx_lm or Ollama: two sizes, two depths"},
    {"--model", "ID", AT(model), OPTION_TEXT, MF_FOR_CALIBRATE | MF_FOR_VALIDATE | MF_FOR_AUDIT, NULL, "model of the runs or claim"},
    {"--min-tok-s", "X", AT(min_tok_s), OPTION_NUMBER, MF_FOR_PLAN, NULL, "least decode speed that is wished"},
    {"--max-ttft", "S", AT(max_ttft_s), OPTION_NUMBER, MF_FOR_PLAN, NULL, "longest time to the first token that is wished"},
    {"--min-quality", "Q|X", AT(min_quality), OPTION_TEXT, MF_FOR_PLAN, NULL, "a scheme whose loss is the most, or a divergence"},
    {"--budget", "USD", AT(budget), OPTION_NUMBER, MF_FOR_PLAN, NULL, "most that a machine may cost"},
    {"--any", NULL, AT(any), OPTION_FLAG, MF_FOR_PLAN, NULL, "every model of modeldb"},
    {"--view", "WHAT", AT(view), OPTION_TEXT, MF_FOR_PLAN, views, "offload, switches, scaling, prompts, crossover, depth, value, memory or roofline"},
    {"--buy", "MACHINE", AT(buy), OPTION_TEXT, MF_FOR_COST, NULL, "the machine to buy"},
    {"--rent", "OFFER", AT(rent), OPTION_TEXT, MF_FOR_COST, NULL, "an offer, or provider and device: then its cheapest by the hour"},
    {"--rent-on", "MACHINE", AT(rent_on), OPTION_TEXT, MF_FOR_COST, NULL, "which machine of hwdb the offer is, or one with a rent of your own"},
    {"--api-in", "USD", AT(cost.api_in), OPTION_NUMBER, MF_FOR_COST, NULL, "price of a million input tokens"},
    {"--api-out", "USD", AT(cost.api_out), OPTION_NUMBER, MF_FOR_COST, NULL, "price of a million output tokens"},
    {"--api-cached", "USD", AT(cost.api_cached), OPTION_NUMBER, MF_FOR_COST, NULL, "price of a million input tokens seen before (--api-in)"},
    {"--cached", "PERCENT", AT(cost.api_cached_share), OPTION_PERCENT, MF_FOR_COST, NULL, "of the input tokens were seen before (0)"},
    {"--hours-per-day", "H", AT(cost.hours_per_day), OPTION_NUMBER, MF_FOR_COST, NULL, "hours of use on a day"},
    {"--busy", "PERCENT", AT(cost.busy), OPTION_PERCENT, MF_FOR_COST, NULL, "of these hours the bought machine computes (100)"},
    {"--requests-per-day", "N", AT(cost.requests_per_day), OPTION_NUMBER, MF_FOR_COST, NULL, "requests on a day, instead of --busy"},
    {"--days-per-week", "N", AT(cost.days_per_week), OPTION_NUMBER, MF_FOR_COST, NULL, "days of use (7)"},
    {"--years", "N", AT(cost.years), OPTION_NUMBER, MF_FOR_COST, NULL, "how long, at most 10 (3)"},
    {"--price", "USD", AT(cost.price), OPTION_NUMBER, MF_FOR_COST, NULL, "of the machine (hwdb/prices)"},
    {"--around-cards", "USD", AT(cost.price_around_cards), OPTION_NUMBER, MF_FOR_MONEY, NULL, "price of the computer around its cards"},
    {"--used", NULL, AT(cost.used), OPTION_FLAG, MF_FOR_MONEY, NULL, "take prices of used machines"},
    {"--tax", "PERCENT", AT(cost.tax), OPTION_PERCENT, MF_FOR_COST, NULL, "on the purchase (0)"},
    {"--tariff", "ID|PRICE", AT(cost.tariff), OPTION_TEXT, MF_FOR_COST, NULL, "electricity: of hwdb/prices, or of a kWh (us-residential-average)"},
    {"--active-watts", "W", AT(cost.active_w), OPTION_NUMBER, MF_FOR_COST, NULL, "of the bought machine while it computes"},
    {"--idle-watts", "W", AT(cost.idle_w), OPTION_NUMBER, MF_FOR_COST, NULL, "while it waits"},
    {"--simulated", "FILE", AT(simulated), OPTION_TEXT, MF_FOR_MONEY, NULL, "requests (cost: and speed) of a simulation: its JSON"},
    {"--rent-simulated", "FILE", AT(rent_simulated), OPTION_TEXT, MF_FOR_COST, NULL, "the same requests on the rented machine"},
    {"--on-hours", "H", AT(cost.on_hours_per_day), OPTION_NUMBER, MF_FOR_COST, NULL, "hours a day it is switched on (24)"},
    {"--cooling", "FACTOR", AT(cost.cooling), OPTION_NUMBER, MF_FOR_COST, NULL, "on the electricity (1)"},
    {"--wage", "USD", AT(cost.wage_per_hour), OPTION_NUMBER, MF_FOR_COST, NULL, "what an hour of your own is worth (not counted)"},
    {"--admin-hours", "H", AT(cost.admin_hours_buy), OPTION_NUMBER, MF_FOR_COST, NULL, "your hours a month for the bought machine"},
    {"--setup-hours", "H", AT(cost.setup_hours_buy), OPTION_NUMBER, MF_FOR_COST, NULL, "your hours once: setting it up, selling it in the end"},
    {"--rent-admin-hours", "H", AT(cost.admin_hours_rent), OPTION_NUMBER, MF_FOR_COST, NULL, "and for the rented one"},
    {"--rent-setup-hours", "H", AT(cost.setup_hours_rent), OPTION_NUMBER, MF_FOR_COST, NULL, "once for the rented one"},
    {"--rent-price", "USD", AT(cost.rent_price_per_hour), OPTION_NUMBER, MF_FOR_COST, NULL, "rent per hour of the whole machine"},
    {"--rent-per-month", "USD", AT(cost.rent_price_per_month), OPTION_NUMBER, MF_FOR_COST, NULL, "rent per month"},
    {"--min-hours", "H", AT(cost.rent_min_hours), OPTION_NUMBER, MF_FOR_COST, NULL, "shortest time one pays for (the offer's)"},
    {"--reserved", "YEARS", AT(cost.reserved_years), OPTION_NUMBER, MF_FOR_COST, NULL, "reserve the rented machine for 1 or 3 years"},
    {"--kept-up", NULL, AT(cost.rent_kept_up), OPTION_FLAG, MF_FOR_COST, NULL, "the rented machine runs all the hours, not until the work is done"},
    {"--storage", "GB", AT(cost.storage_gb), OPTION_NUMBER, MF_FOR_COST, NULL, "kept at the provider"},
    {"--storage-price", "USD", AT(cost.storage_per_gb_month), OPTION_NUMBER, MF_FOR_COST, NULL, "of a GB per month"},
    {"--usd-per-eur", "RATE", AT(cost.usd_per_eur), OPTION_NUMBER, MF_FOR_MONEY, NULL, "joins prices in both currencies"},
    {"--set", "ID=VALUE,..", AT(cost.set), OPTION_SET, MF_FOR_COST, NULL, "replaces assumptions of hwdb/prices/assumptions.json"},
    {"--seed", "N", AT(cost.seed), OPTION_SEED, MF_FOR_COST | MF_FOR_SIMULATE, NULL, "of the draws (1)"},
    {"--draws", "N", AT(cost.n_draws), OPTION_DRAWS, MF_FOR_COST, NULL, "worlds that are drawn (20000)"},
    {"--sampler", "S", AT(sampler), OPTION_TEXT, MF_FOR_COST, samplers, "sobol or mt (sobol)"},
    {"--scenario", "FILE", AT(scenario_file), OPTION_TEXT, MF_FOR_ENGINES, NULL, "JSON object with options of this command; said ones win"},
    {"--from-measurements", "FILE", AT(from_measurements), OPTION_TEXT, MF_FOR_CALIBRATE, NULL, "measured speeds (CSV) to fit the speed law to"},
    {"--tok-s", "X", AT(tok_s), OPTION_NUMBER, MF_FOR_AUDIT, NULL, "the claim: output tokens a second, of all sequences"},
    {"--bytes", "SIZE", AT(bytes), OPTION_TEXT, MF_FOR_AUDIT, NULL, "what a token reads, instead of --model (\"39 GiB\")"},
    {"--tokens-per-step", "N", AT(tokens_per_step), OPTION_NUMBER, MF_FOR_AUDIT, NULL, "tokens that speculation gives a step (1)"},
    {"--leave-out", "WHAT", AT(leave_out), OPTION_TEXT, MF_FOR_VALIDATE, NULL, "fit without each chip, generation, model, quant, source (none)"},
    {"--rows", "FILE", AT(rows), OPTION_TEXT, MF_FOR_VALIDATE, NULL, "write every row with its prediction there, as CSV"},
    {"--report", "DIR", AT(report), OPTION_TEXT, MF_FOR_VALIDATE, NULL, "write validation.md and its plots into this folder"},
    {"--id", "ID", AT(id), OPTION_TEXT, MF_FOR_IMPORT, NULL, "the model's id (from the file's name)"},
    {"--name", "NAME", AT(name), OPTION_TEXT, MF_FOR_IMPORT, NULL, "as people know it"},
    {"--organization", "NAME", AT(organization), OPTION_TEXT, MF_FOR_IMPORT, NULL, "who made it"},
    {"--license", "NAME", AT(license), OPTION_TEXT, MF_FOR_IMPORT, NULL, "as its page says"},
    {"--released", "DATE", AT(released), OPTION_TEXT, MF_FOR_IMPORT, NULL, "2026-01-31"},
    {"--source", "TITLE", AT(source), OPTION_TEXT, MF_FOR_IMPORT, NULL, "where the file is from (its name)"},
    {"--kind", "KIND", AT(kind), OPTION_TEXT, MF_FOR_IMPORT, kinds, "of the source: vendor, measured, derived or assumed (vendor)"},
    {"--url", "URL", AT(url), OPTION_TEXT, MF_FOR_IMPORT, NULL, "of the source"},
    {"--seen", "DATE", AT(seen), OPTION_TEXT, MF_FOR_IMPORT, NULL, "when the source was read"},
    {"--format", "F", AT(format), OPTION_TEXT, MF_FOR_FORMATS, formats, "text, markdown, html, csv or json (text)"},
    {"-o", "FILE", AT(output_file), OPTION_TEXT, MF_FOR_ALL, NULL, "write there instead of to the terminal (--from-measurements: a folder)"},
    {"--data", "DIR", AT(data), OPTION_TEXT, MF_FOR_ALL, NULL, "folder that holds hwdb and modeldb"},
    {"--ascii", NULL, AT(ascii), OPTION_FLAG, MF_FOR_ENGINES | MF_FOR_VALIDATE, NULL, "no characters beyond ASCII"},
    {"--help", NULL, AT(help), OPTION_FLAG, MF_FOR_ALL, NULL, "this text"},
};
/* clang-format on */
static const size_t n_options = sizeof options / sizeof options[0];

/* What llama.cpp's programs and vLLM call them. */
static const struct {
    const char *alias;
    const char *name;
} aliases[] = {
    {"-c",              "--ctx"            },
    {"--ctx-size",      "--ctx"            },
    {"--context",       "--ctx"            },
    {"--max-model-len", "--ctx"            },
    {"-p",              "--prompt"         },
    {"-n",              "--output"         },
    {"-np",             "--parallel"       },
    {"-b",              "--batch"          },
    {"--batch-size",    "--batch"          },
    {"-ub",             "--ubatch"         },
    {"--ubatch-size",   "--ubatch"         },
    {"-fa",             "--flash-attn"     },
    {"-ngl",            "--gpu-layers"     },
    {"--n-gpu-layers",  "--gpu-layers"     },
    {"-ncmoe",          "--cpu-moe"        },
    {"--n-cpu-moe",     "--cpu-moe"        },
    {"-sm",             "--split"          },
    {"--split-mode",    "--split"          },
    {"-ts",             "--tensor-split"   },
    {"-ot",             "--override-tensor"},
    {"-md",             "--draft"          },
    {"-h",              "--help"           },
};

static const char *name_of_alias(const char *name, size_t size)
{
    for (size_t i = 0; i < sizeof aliases / sizeof aliases[0]; i++) {
        if (strlen(aliases[i].alias) == size && strncmp(aliases[i].alias, name, size) == 0) {
            return aliases[i].name;
        }
    }
    return NULL;
}

static const option_row *find_option(const char *word, size_t word_size, mf_command_bit command)
{
    const char *real = name_of_alias(word, word_size);
    const char *name = real != NULL ? real : word;
    const size_t size = real != NULL ? strlen(real) : word_size;
    for (size_t i = 0; i < n_options; i++) {
        if (strlen(options[i].name) == size && strncmp(options[i].name, name, size) == 0 &&
            (options[i].commands & (unsigned)command) != 0) {
            return &options[i];
        }
    }
    return NULL;
}

static mf_status unknown_option(const char *word, mf_command_bit command, mf_error *err)
{
    const size_t near = strlen(word) / 3;
    const char *nearest = NULL;
    size_t least = near + 1;
    for (size_t i = 0; i < n_options; i++) {
        const size_t distance = mf_edit_distance(word, options[i].name, near);
        if ((options[i].commands & (unsigned)command) != 0 && distance < least) {
            least = distance;
            nearest = options[i].name;
        } else if (strcmp(word, options[i].name) == 0) {
            return mf_fail(
                err, MF_E_USAGE, "'%s' is of other commands, this one does not take it", word);
        }
    }
    if (nearest != NULL) {
        return mf_fail(err, MF_E_USAGE, "no option '%s', did you mean '%s'?", word, nearest);
    }
    return mf_fail(err, MF_E_USAGE, "no option '%s', see --help", word);
}

static mf_status
set_text(const char **field, const option_row *row, const char *value, mf_error *err)
{
    bool found = row->allowed == NULL;
    for (size_t i = 0; !found && row->allowed[i] != NULL; i++) {
        found = strcmp(row->allowed[i], value) == 0;
    }
    if (!found) {
        return mf_fail(err, MF_E_USAGE, "'%s' is no value for %s: %s", value, row->name, row->help);
    }
    *field = value;
    return MF_OK;
}

static mf_status number_of(double *number, const option_row *row, const char *value, mf_error *err)
{
    const char *end = NULL;
    if (!mf_parse_number(number, value, &end) || *end != '\0' || *number < 0) {
        return mf_fail(err, MF_E_USAGE, "%s takes a number, not '%s'", row->name, value);
    }
    return MF_OK;
}

/* ID=VALUE, the next behind a comma. */
static mf_status add_sets(mf_cost_options *cost, const char *value, mf_error *err)
{
    while (*value != '\0') {
        const char *equals = strchr(value, '=');
        const char *end = NULL;
        mf_cost_set *set = &cost->set[cost->n_set];
        const size_t size = equals != NULL ? (size_t)(equals - value) : sizeof set->id;
        if (cost->n_set == MF_COST_MAX_SET) {
            return mf_fail(err, MF_E_USAGE, "--set takes at most %d assumptions", MF_COST_MAX_SET);
        }
        if (size >= sizeof set->id || !mf_parse_number(&set->value, equals + 1, &end) ||
            (*end != '\0' && *end != ',')) {
            return mf_fail(
                err, MF_E_USAGE, "--set takes ID=VALUE, like interest=0.03, not '%s'", value);
        }
        memcpy(set->id, value, size);
        set->id[size] = '\0';
        cost->n_set++;
        value = *end == ',' ? end + 1 : end;
    }
    return MF_OK;
}

static mf_status set_number(char *field, const option_row *row, const char *value, mf_error *err)
{
    enum { PERCENT = 100, MOST_PERCENT = 1000 };
    double number = 0;
    const mf_status status = number_of(&number, row, value, err);
    if (status == MF_OK && row->kind == OPTION_PERCENT && number > MOST_PERCENT) {
        return mf_fail(err, MF_E_USAGE, "%s takes a percentage, not '%s'", row->name, value);
    }
    if (status == MF_OK) {
        *(double *)(void *)field = row->kind == OPTION_PERCENT ? number / PERCENT : number;
    }
    return status;
}

static mf_status not_whole(const option_row *row, const char *value, mf_error *err)
{
    const char *least = row->commands == MF_FOR_SIMULATE ? " above 0" : "";
    return mf_fail(err, MF_E_USAGE, "%s takes a whole number%s, not '%s'", row->name, least, value);
}

static mf_status
set_value(mf_arguments *arguments, const option_row *row, const char *value, mf_error *err)
{
    char *field = (char *)arguments + row->offset;
    uint64_t number = 0;
    switch (row->kind) {
    case OPTION_FLAG:
        *(bool *)(void *)field = true;
        return MF_OK;
    case OPTION_TEXT:
        return set_text((const char **)(void *)field, row, value, err);
    case OPTION_COUNT:
        if (!mf_parse_uint(&number, value) || number > INT32_MAX ||
            (number == 0 && row->commands == MF_FOR_SIMULATE)) {
            return not_whole(row, value, err);
        }
        *(int64_t *)(void *)field = (int64_t)number;
        return MF_OK;
    case OPTION_SWITCH:
        if (strcmp(value, "on") != 0 && strcmp(value, "off") != 0) {
            return mf_fail(err, MF_E_USAGE, "%s is on or off, not '%s'", row->name, value);
        }
        *(int *)(void *)field = strcmp(value, "on") == 0 ? 1 : 0;
        return MF_OK;
    case OPTION_NUMBER:
    case OPTION_PERCENT:
        return set_number(field, row, value, err);
    case OPTION_SEED:
        return mf_parse_uint((uint64_t *)(void *)field, value) ? MF_OK : not_whole(row, value, err);
    case OPTION_DRAWS:
        if (!mf_parse_uint(&number, value) || number > UINT32_MAX) {
            return not_whole(row, value, err);
        }
        *(uint32_t *)(void *)field = (uint32_t)number;
        return MF_OK;
    case OPTION_SET:
        return add_sets(&arguments->cost, value, err);
    }
    return MF_E_INTERNAL;
}

/* One option and its value, which may follow '=' or be the next word. */
static mf_status take_option(mf_arguments *arguments,
                             mf_command_bit command,
                             int *at,
                             int n_words,
                             char **words,
                             mf_error *err)
{
    const char *word = words[*at];
    const char *equals = strncmp(word, "--", 2) == 0 ? strchr(word, '=') : NULL;
    const size_t size = equals != NULL ? (size_t)(equals - word) : strlen(word);
    const option_row *row = find_option(word, size, command);
    if (row == NULL) {
        return unknown_option(word, command, err);
    }
    if (row->kind == OPTION_FLAG && equals != NULL) {
        return mf_fail(err, MF_E_USAGE, "%s takes no value", row->name);
    }
    const char *value = equals != NULL ? equals + 1 : NULL;
    if (row->kind != OPTION_FLAG && value == NULL) {
        if (*at + 1 >= n_words) {
            return mf_fail(err, MF_E_USAGE, "%s needs a value: %s", row->name, row->help);
        }
        *at += 1;
        value = words[*at];
    }
    return set_value(arguments, row, value, err);
}

static mf_arguments nothing_said(void)
{
    return (mf_arguments){
        .ctx = -1,
        .prompt = -1,
        .output = -1,
        .parallel = -1,
        .batch = -1,
        .ubatch = -1,
        .outputs = -1,
        .gpu_layers = -1,
        .cpu_moe = -1,
        .kv_unified = -1,
        .flash_attn = -1,
        .kv_offload = -1,
        .simulate = {.load = mf_open_load_default(), .prefix_cache = -1, .async_scheduling = -1},
        .cost = mf_cost_options_default()
    };
}

static mf_status add_positional(mf_arguments *arguments, const char *word, mf_error *err)
{
    if (arguments->n_positional == MF_MAX_POSITIONAL) {
        return mf_fail(err, MF_E_USAGE, "too many arguments at '%s'", word);
    }
    arguments->positional[arguments->n_positional++] = word;
    return MF_OK;
}

/* One key of a scenario: an option without its dashes, the model, or words for people. */
static mf_status
take_key(mf_arguments *arguments, mf_command_bit command, const mf_node *node, mf_error *err)
{
    static const char *const prose[] = {"title", "about", "$schema"};
    const char *key = mf_node_key(node);
    char option[64];
    char number[MF_NUMBER_SIZE];
    double value = 0;
    bool on = false;
    for (size_t i = 0; i < sizeof prose / sizeof prose[0]; i++) {
        if (strcmp(key, prose[i]) == 0) {
            return MF_OK;
        }
    }
    if (strcmp(key, "model") == 0 && mf_node_string(node) != NULL) {
        return add_positional(arguments, mf_node_string(node), err);
    }
    (void)snprintf(option, sizeof option, "--%s", key);
    const option_row *row = find_option(option, strlen(option), command);
    if (row == NULL || row->offset == AT(scenario_file)) {
        return unknown_option(option, command, err);
    }
    if (row->kind == OPTION_FLAG || row->kind == OPTION_SWITCH) {
        if (!mf_node_bool(&on, node)) {
            return mf_json_fail(arguments->scenario, node, err, "'%s' is true or false", key);
        }
        return row->kind == OPTION_FLAG && !on ? MF_OK
                                               : set_value(arguments, row, on ? "on" : "off", err);
    }
    if (mf_node_double(&value, node)) {
        return set_value(arguments, row, mf_number_text(number, value, 15), err);
    }
    const char *text = mf_node_string(node);
    return text != NULL
               ? set_value(arguments, row, text, err)
               : mf_json_fail(arguments->scenario, node, err, "'%s' is text or a number", key);
}

static mf_status
take_scenario(mf_arguments *arguments, mf_command_bit command, const char *path, mf_error *err)
{
    mf_status status = mf_json_load(&arguments->scenario, path, err);
    const mf_node *root = status == MF_OK ? mf_json_root(arguments->scenario) : NULL;
    if (status == MF_OK && mf_node_kind_of(root) != MF_NODE_OBJECT) {
        status = mf_json_fail(arguments->scenario, root, err, "a scenario is an object of options");
    }
    for (const mf_node *node = mf_node_first(root); status == MF_OK && node != NULL;
         node = mf_node_next(node)) {
        status = take_key(arguments, command, node, err);
        if (status == MF_E_USAGE) {
            mf_error_prefix(err, "%s: ", path);
        }
    }
    return status;
}

static mf_status take_words(
    mf_arguments *arguments, mf_command_bit command, int n_words, char **words, mf_error *err)
{
    mf_status status = MF_OK;
    for (int i = 0; status == MF_OK && i < n_words; i++) {
        if (words[i][0] == '-' && words[i][1] != '\0') {
            status = take_option(arguments, command, &i, n_words, words, err);
        } else {
            status = add_positional(arguments, words[i], err);
        }
    }
    return status;
}

/* The file's options first, then once more the words, as what is said wins. */
static mf_status with_scenario(
    mf_arguments *arguments, mf_command_bit command, int n_words, char **words, mf_error *err)
{
    mf_arguments merged = nothing_said();
    mf_status status = take_scenario(&merged, command, arguments->scenario_file, err);
    const char *model = merged.n_positional > 0 ? merged.positional[0] : NULL;
    merged.n_positional = 0;
    if (status == MF_OK) {
        status = take_words(&merged, command, n_words, words, err);
    }
    if (status == MF_OK && merged.n_positional == 0 && model != NULL) {
        status = add_positional(&merged, model, err);
    }
    *arguments = merged;
    return status;
}

mf_status mf_parse_arguments(
    mf_arguments *arguments, mf_command_bit command, int n_words, char **words, mf_error *err)
{
    mf_arguments parsed = nothing_said();
    mf_status status = take_words(&parsed, command, n_words, words, err);
    if (status == MF_OK && parsed.scenario_file != NULL) {
        status = with_scenario(&parsed, command, n_words, words, err);
    }
    if (status != MF_OK) {
        mf_arguments_free(&parsed);
        return status;
    }
    *arguments = parsed;
    return MF_OK;
}

void mf_arguments_free(mf_arguments *arguments)
{
    mf_json_free(arguments->scenario);
    arguments->scenario = NULL;
}

enum { HELP_WIDTH = 80, NAME_WIDTH = 26 };

/* Help text wrapped behind the option's name. */
static void add_wrapped(mf_str *out, const char *text)
{
    size_t column = NAME_WIDTH;
    for (const char *word = text; *word != '\0';) {
        const size_t n = strcspn(word, " ");
        if (column + 1 + n > HELP_WIDTH && column > NAME_WIDTH) {
            mf_str_add(out, "\n");
            mf_str_add_char(out, ' ', NAME_WIDTH);
            column = NAME_WIDTH;
        }
        if (column > NAME_WIDTH) {
            mf_str_add(out, " ");
            column++;
        }
        mf_str_add_n(out, word, n);
        column += n;
        word += n;
        word += strspn(word, " ");
    }
    mf_str_add(out, "\n");
}

void mf_options_help(mf_str *out, mf_command_bit command)
{
    for (size_t i = 0; i < n_options; i++) {
        if ((options[i].commands & (unsigned)command) == 0) {
            continue;
        }
        const size_t before = out->size;
        mf_str_printf(out,
                      "  %s%s%s",
                      options[i].name,
                      options[i].value != NULL ? " " : "",
                      options[i].value != NULL ? options[i].value : "");
        const size_t used = out->size - before;
        mf_str_add_char(out, ' ', used < NAME_WIDTH ? NAME_WIDTH - used : 1);
        add_wrapped(out, options[i].help);
    }
    if (((unsigned)command & MF_FOR_ENGINES) != 0) {
        mf_str_add(
            out, "\nllama.cpp's names work too: -c -p -n -np -b -ub -fa -ngl -ncmoe -sm -ts -ot\n");
    }
}

void mf_options_manual(mf_str *out)
{
    for (size_t i = 0; i < n_options; i++) {
        mf_str_printf(out, ".It Fl %s", options[i].name + 1);
        if (options[i].value != NULL) {
            mf_str_printf(out, " Ar %s", options[i].value);
        }
        mf_str_printf(out, "\n%s.\n", options[i].help);
    }
}
