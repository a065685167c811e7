#include "cli/option_table.h"

#include <string.h>

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
const mf_option mf_options[] = {
    {"--on", "MACHINE", AT(on), MF_OPTION_TEXT, MF_FOR_ON, NULL,
     "a machine or device of hwdb, a chip with its memory (apple-m4-max-40c-64gb), 'this', or \"mem=64GiB bw=273GB/s fp16=30TFLOP/s\""},
    {"--macos", "N", AT(macos), MF_OPTION_COUNT, (MF_FOR_ON | MF_FOR_COST) & ~MF_FOR_CALIBRATE & ~MF_FOR_VALIDATE, NULL,
     "major version that Macs run: how much their GPU may use (the newest)"},
    {"--quant", "Q", AT(quant), MF_OPTION_TEXT, MF_FOR_QUANT & ~MF_FOR_SWEEP & ~MF_FOR_PLAN, NULL,
     "of the weights (Q4_K_M; vllm: as published; a GGUF file's own)"},
    {"--quant", "Q", AT(quant), MF_OPTION_TEXT, MF_FOR_PLAN, NULL, "of the weights, this one alone (all that the engines take; --view: Q4_K_M)"},
    {"--quant", "Q[,Q..]", AT(quant), MF_OPTION_TEXT, MF_FOR_SWEEP, NULL, "of the weights, several (twelve usual ones)"},
    {"--contexts", "N,..", AT(contexts), MF_OPTION_TEXT, MF_FOR_SWEEP, NULL, "contexts of the table (2048 to 262144)"},
    {"--shard", "I/N", AT(shard), MF_OPTION_TEXT, MF_FOR_SWEEP | MF_FOR_SIMULATE, NULL, "the I-th of N parts, which make the whole table in order"},
    {"--ctx", "N", AT(ctx), MF_OPTION_COUNT, MF_FOR_CASES, NULL, "context in tokens, all sequences together (8192)"},
    {"--ctx", "N", AT(ctx), MF_OPTION_COUNT, MF_FOR_SIMULATE, NULL, "context in tokens, all slots together (the largest that fits)"},
    {"--prompt", "N", AT(prompt), MF_OPTION_COUNT, MF_FOR_CASES, NULL, "tokens of the prompt (2048)"},
    {"--output", "N", AT(output), MF_OPTION_COUNT, MF_FOR_ENGINES | MF_FOR_SWEEP, NULL, "tokens of the answer (512)"},
    {"--parallel", "N", AT(parallel), MF_OPTION_COUNT, MF_FOR_CASES, NULL, "sequences at once, one a user (1)"},
    {"--kv", "K[,V]", AT(kv), MF_OPTION_TEXT, MF_FOR_ENGINES, NULL, "formats of the KV cache (f16)"},
    {"--kv-unified", "on|off", AT(kv_unified), MF_OPTION_SWITCH, MF_FOR_ENGINES, NULL, "one cache for all sequences (off)"},
    {"--engine", "E", AT(engine), MF_OPTION_TEXT, MF_FOR_ENGINES | MF_FOR_SWEEP, engines, "llama.cpp, ollama, mlx or vllm (llama.cpp)"},
    {"--backend", "B", AT(backend), MF_OPTION_TEXT, MF_FOR_PLACED | MF_FOR_SIMULATE, backends,
     "metal, cuda, rocm, vulkan, sycl or cpu (the device's)"},
    {"--batch", "N", AT(batch), MF_OPTION_COUNT, MF_FOR_CASES, NULL, "tokens of a batch (2048)"},
    {"--ubatch", "N", AT(ubatch), MF_OPTION_COUNT, MF_FOR_ENGINES, NULL, "tokens of a micro-batch (512)"},
    {"--outputs", "N", AT(outputs), MF_OPTION_COUNT, MF_FOR_CASES, NULL, "output rows that the engine reserves (one per sequence)"},
    {"--flash-attn", "on|off", AT(flash_attn), MF_OPTION_SWITCH, MF_FOR_ENGINES, NULL, "flash attention (on)"},
    {"--swa-full", NULL, AT(swa_full), MF_OPTION_FLAG, MF_FOR_ENGINES, NULL, "full cache for sliding-window layers"},
    {"--gpu-layers", "N", AT(gpu_layers), MF_OPTION_COUNT, MF_FOR_ENGINES, NULL, "layers on the GPU, the output is one (all)"},
    {"--cpu-moe", "N", AT(cpu_moe), MF_OPTION_COUNT, MF_FOR_ENGINES, NULL, "experts of the first N layers stay in host memory (0)"},
    {"--kv-offload", "on|off", AT(kv_offload), MF_OPTION_SWITCH, MF_FOR_ENGINES, NULL, "KV cache on the GPU (on)"},
    {"--split", "MODE", AT(split), MF_OPTION_TEXT, MF_FOR_ENGINES, splits, "what several GPUs share: layer or tensor (layer)"},
    {"--tensor-split", "A,B,...", AT(tensor_split), MF_OPTION_TEXT, MF_FOR_PLACED, NULL, "parts of each GPU (by its memory)"},
    {"--override-tensor", "P=D,...", AT(override_tensor), MF_OPTION_TEXT, MF_FOR_PLACED, NULL, "tensors whose names match P go to D: CPU, gpu0"},
    {"--placement", "P", AT(placement), MF_OPTION_TEXT, MF_FOR_PLACED, NULL, "auto: the fastest that fits; or a file of --save-placement"},
    {"--save-placement", "FILE", AT(save_placement), MF_OPTION_TEXT, MF_FOR_FIT, NULL, "keep what lies where, to be changed and asked for again"},
    {"--draft", "MODEL", AT(draft), MF_OPTION_TEXT, MF_FOR_PLACED, NULL, "a draft model is loaded beside it"},
    {"--lora", "FILE", AT(lora), MF_OPTION_TEXT, MF_FOR_PLACED, NULL, "a LoRA adapter (GGUF) is loaded beside it"},
    {"--draft-max", "N", AT(draft_max), MF_OPTION_COUNT, MF_FOR_PLACED, NULL, "tokens that it drafts at a time"},
    {"--draft-accept", "X", AT(draft_accept), MF_OPTION_NUMBER, MF_FOR_PLACED, NULL, "share of them that is accepted, your assumption"},
    {"--mmproj", NULL, AT(mmproj), MF_OPTION_FLAG, MF_FOR_PLACED, NULL, "the vision tower is loaded too"},
    {"--cache-ram", "MIB", AT(cache_ram_mib), MF_OPTION_COUNT, MF_FOR_PLACED, NULL, "llama-server: host memory for old prompts, in MiB (8192)"},
    {"--ctx-checkpoints", "N", AT(ctx_checkpoints), MF_OPTION_COUNT, MF_FOR_PLACED, NULL,
     "llama-server: copies of windows and states, a sequence (32)"},
    {"--rate", "R", AT(simulate.rate), MF_OPTION_NUMBER, MF_FOR_SIMULATE, NULL, "requests a second, as many as --count says"},
    {"--rates", "R,..", AT(simulate.rates), MF_OPTION_TEXT, MF_FOR_SIMULATE, NULL, "rates of a table (--format csv), a line each"},
    {"--input", "N", AT(simulate.input), MF_OPTION_COUNT, MF_FOR_SIMULATE, NULL, "tokens of a request's input (1024)"},
    {"--count", "N", AT(simulate.count), MF_OPTION_COUNT, MF_FOR_SIMULATE, NULL, "how many requests (10000; a workload's duration)"},
    {"--burstiness", "CV", AT(simulate.load.burstiness), MF_OPTION_NUMBER, MF_FOR_SIMULATE, NULL, "variation of the gaps: 1 is Poisson (1)"},
    {"--spread", "CV", AT(simulate.load.spread), MF_OPTION_NUMBER, MF_FOR_SIMULATE, NULL, "variation of the lengths, log-normal (0: all alike)"},
    {"--gaps", "G", AT(simulate.gaps), MF_OPTION_TEXT, MF_FOR_SIMULATE, gaps, "gamma or weibull, of a --burstiness beside 1 (gamma)"},
    {"--workload", "FILE", AT(simulate.workload), MF_OPTION_TEXT, MF_FOR_SIMULATE, NULL,
     "users, agents and programs of a JSON file (docs/simulate.md)"},
    {"--users", "N", AT(simulate.users), MF_OPTION_COUNT, MF_FOR_SIMULATE, NULL, "users who wait for each answer; of the workload, shared out"},
    {"--think", "S", AT(simulate.think_s), MF_OPTION_NUMBER, MF_FOR_SIMULATE, NULL, "seconds that --users think before they ask again, on average"},
    {"--find", "WHAT", AT(simulate.find), MF_OPTION_TEXT, MF_FOR_SIMULATE, searches,
     "rate or users (most), machines (fewest), slots or batch (best)"},
    {"--machines", "N", AT(simulate.machines), MF_OPTION_COUNT, MF_FOR_SIMULATE, NULL, "machines that share the requests (1)"},
    {"--trace", "FILE", AT(simulate.trace), MF_OPTION_TEXT, MF_FOR_SIMULATE, NULL, "requests of a CSV file, or of a published trace"},
    {"--speedup", "X", AT(simulate.speedup), MF_OPTION_NUMBER, MF_FOR_SIMULATE, NULL, "the trace's requests come so many times faster (1)"},
    {"--requests", "FILE", AT(simulate.requests), MF_OPTION_TEXT, MF_FOR_SIMULATE, NULL, "write a line of CSV for every request"},
    {"--trace-out", "FILE", AT(simulate.trace_out), MF_OPTION_TEXT, MF_FOR_SIMULATE, NULL, "write requests and steps for Perfetto or speedscope"},
    {"--replications", "N", AT(simulate.replications), MF_OPTION_COUNT, MF_FOR_SIMULATE, NULL, "run so often, from seeds of their own (1)"},
    {"--slo-ttft", "S", AT(simulate.promise.ttft_s), MF_OPTION_NUMBER, MF_FOR_SIMULATE, NULL, "seconds to the first token; no --rate: find it"},
    {"--slo-tpot", "S", AT(simulate.promise.tpot_s), MF_OPTION_NUMBER, MF_FOR_SIMULATE, NULL, "seconds per token after it that are promised"},
    {"--slo-e2e", "S", AT(simulate.promise.e2e_s), MF_OPTION_NUMBER, MF_FOR_SIMULATE, NULL, "seconds to the end that are promised"},
    {"--slo-share", "PERCENT", AT(simulate.promise.share), MF_OPTION_PERCENT, MF_FOR_SIMULATE, NULL, "of the requests that must keep to it (95)"},
    {"--slots", "N", AT(simulate.slots), MF_OPTION_COUNT, MF_FOR_SIMULATE, NULL, "llama.cpp: requests at once, -np (4 that share the context)"},
    {"--max-seqs", "N", AT(simulate.max_seqs), MF_OPTION_COUNT, MF_FOR_SIMULATE, NULL, "vllm: requests at once, max_num_seqs (256)"},
    {"--max-batch-tokens", "N", AT(simulate.max_batch_tokens), MF_OPTION_COUNT, MF_FOR_SIMULATE, NULL, "tokens of a step: n_batch (2048)"},
    {"--kv-blocks", "N", AT(simulate.kv_blocks), MF_OPTION_COUNT, MF_FOR_SIMULATE, NULL, "vllm: blocks of KV cache (what the memory leaves)"},
    {"--prefix-cache", "on|off", AT(simulate.prefix_cache), MF_OPTION_SWITCH, MF_FOR_SIMULATE, NULL, "for inputs that begin alike (on)"},
    {"--async-scheduling", "on|off", AT(simulate.async_scheduling), MF_OPTION_SWITCH, MF_FOR_SIMULATE, NULL, "vllm: off before 0.14 (on)"},
    {"--tensor-parallel", "N", AT(simulate.tensor_parallel), MF_OPTION_COUNT, MF_FOR_SIMULATE, NULL, "vllm: devices that share a model (all)"},
    {"--data-parallel", "N", AT(simulate.data_parallel), MF_OPTION_COUNT, MF_FOR_SIMULATE, NULL, "vllm: servers side by side (1)"},
    {"--step-by-step", NULL, AT(simulate.step_by_step), MF_OPTION_FLAG, MF_FOR_SIMULATE, NULL, "take every step: the same figures, slower"},
    {"--list", NULL, AT(list), MF_OPTION_FLAG, MF_FOR_CALIBRATE, NULL, "what can be measured here, and why the rest can't"},
    {"--device", "D", AT(device), MF_OPTION_TEXT, MF_FOR_CALIBRATE, NULL, "metal, cuda, opencl or cpu; opencl:1 is the second (a GPU, else cpu)"},
    {"--thorough", NULL, AT(thorough), MF_OPTION_FLAG, MF_FOR_CALIBRATE, NULL, "more samples: a minute instead of half of one"},
    {"--json", NULL, AT(json), MF_OPTION_FLAG, MF_FOR_CALIBRATE, NULL, "the whole record, with all samples"},
    {"--save", NULL, AT(save), MF_OPTION_FLAG, MF_FOR_CALIBRATE, NULL, "keep it in the user's data folder, where --on this finds it"},
    {"--show", NULL, AT(show), MF_OPTION_FLAG, MF_FOR_CALIBRATE, NULL, "what was saved; several are compared"},
    {"--from", "FILE", AT(from), MF_OPTION_TEXT, MF_FOR_CALIBRATE, NULL, "runs of llama-bench, mlx_lm or Ollama: two sizes, two depths"},
    {"--model", "ID", AT(model), MF_OPTION_TEXT, MF_FOR_CALIBRATE | MF_FOR_VALIDATE | MF_FOR_AUDIT, NULL, "model of the runs or claim"},
    {"--min-tok-s", "X", AT(min_tok_s), MF_OPTION_NUMBER, MF_FOR_PLAN, NULL, "least decode speed that is wished"},
    {"--max-ttft", "S", AT(max_ttft_s), MF_OPTION_NUMBER, MF_FOR_PLAN, NULL, "longest time to the first token that is wished"},
    {"--min-quality", "Q|X", AT(min_quality), MF_OPTION_TEXT, MF_FOR_PLAN, NULL, "lose no more than this scheme does, or than this divergence"},
    {"--budget", "USD", AT(budget), MF_OPTION_NUMBER, MF_FOR_PLAN, NULL, "most that a machine may cost"},
    {"--any", NULL, AT(any), MF_OPTION_FLAG, MF_FOR_PLAN, NULL, "every model of modeldb"},
    {"--view", "WHAT", AT(view), MF_OPTION_TEXT, MF_FOR_PLAN, views,
     "offload, switches, scaling, prompts, crossover, depth, value, memory or roofline"},
    {"--buy", "MACHINE", AT(buy), MF_OPTION_TEXT, MF_FOR_COST, NULL, "the machine to buy"},
    {"--rent", "OFFER", AT(rent), MF_OPTION_TEXT, MF_FOR_COST, NULL, "an offer, or provider and device: then its cheapest by the hour"},
    {"--rent-on", "MACHINE", AT(rent_on), MF_OPTION_TEXT, MF_FOR_COST, NULL, "which machine of hwdb the offer is, or one with a rent of your own"},
    {"--api-in", "USD", AT(cost.api_in), MF_OPTION_NUMBER, MF_FOR_COST, NULL, "price of a million input tokens"},
    {"--api-out", "USD", AT(cost.api_out), MF_OPTION_NUMBER, MF_FOR_COST, NULL, "price of a million output tokens"},
    {"--api-cached", "USD", AT(cost.api_cached), MF_OPTION_NUMBER, MF_FOR_COST, NULL, "price of a million input tokens seen before (--api-in)"},
    {"--cached", "PERCENT", AT(cost.api_cached_share), MF_OPTION_PERCENT, MF_FOR_COST, NULL, "of the input tokens were seen before (0)"},
    {"--hours-per-day", "H", AT(cost.hours_per_day), MF_OPTION_NUMBER, MF_FOR_COST, NULL, "hours of use on a day"},
    {"--busy", "PERCENT", AT(cost.busy), MF_OPTION_PERCENT, MF_FOR_COST, NULL, "of these hours the bought machine computes (100)"},
    {"--requests-per-day", "N", AT(cost.requests_per_day), MF_OPTION_NUMBER, MF_FOR_COST, NULL, "requests on a day, instead of --busy"},
    {"--days-per-week", "N", AT(cost.days_per_week), MF_OPTION_NUMBER, MF_FOR_COST, NULL, "days of use (7)"},
    {"--years", "N", AT(cost.years), MF_OPTION_NUMBER, MF_FOR_COST, NULL, "how long, at most 10 (3)"},
    {"--price", "USD", AT(cost.price), MF_OPTION_NUMBER, MF_FOR_COST, NULL, "of the machine (hwdb/prices)"},
    {"--around-cards", "USD", AT(cost.price_around_cards), MF_OPTION_NUMBER, MF_FOR_MONEY, NULL, "price of the computer around its cards"},
    {"--used", NULL, AT(cost.used), MF_OPTION_FLAG, MF_FOR_MONEY, NULL, "take prices of used machines, where known"},
    {"--tax", "PERCENT", AT(cost.tax), MF_OPTION_PERCENT, MF_FOR_COST, NULL, "on the purchase (0)"},
    {"--tariff", "ID|PRICE", AT(cost.tariff), MF_OPTION_TEXT, MF_FOR_COST, NULL, "electricity: of hwdb/prices, or of a kWh (us-residential-average)"},
    {"--active-watts", "W", AT(cost.active_w), MF_OPTION_NUMBER, MF_FOR_COST, NULL, "of the bought machine while it computes"},
    {"--idle-watts", "W", AT(cost.idle_w), MF_OPTION_NUMBER, MF_FOR_COST, NULL, "while it waits"},
    {"--simulated", "FILE", AT(simulated), MF_OPTION_TEXT, MF_FOR_MONEY, NULL,
     "requests of a simulation, its JSON; cost takes the speed from it too"},
    {"--rent-simulated", "FILE", AT(rent_simulated), MF_OPTION_TEXT, MF_FOR_COST, NULL, "the same requests on the rented machine"},
    {"--on-hours", "H", AT(cost.on_hours_per_day), MF_OPTION_NUMBER, MF_FOR_COST, NULL, "hours a day it is switched on (24)"},
    {"--cooling", "FACTOR", AT(cost.cooling), MF_OPTION_NUMBER, MF_FOR_COST, NULL, "on the electricity (1)"},
    {"--wage", "USD", AT(cost.wage_per_hour), MF_OPTION_NUMBER, MF_FOR_COST, NULL, "what an hour of your own is worth (not counted)"},
    {"--admin-hours", "H", AT(cost.admin_hours_buy), MF_OPTION_NUMBER, MF_FOR_COST, NULL, "your hours a month for the bought machine"},
    {"--setup-hours", "H", AT(cost.setup_hours_buy), MF_OPTION_NUMBER, MF_FOR_COST, NULL, "your hours once: setting it up, selling it in the end"},
    {"--rent-admin-hours", "H", AT(cost.admin_hours_rent), MF_OPTION_NUMBER, MF_FOR_COST, NULL, "and for the rented one"},
    {"--rent-setup-hours", "H", AT(cost.setup_hours_rent), MF_OPTION_NUMBER, MF_FOR_COST, NULL, "once for the rented one"},
    {"--rent-price", "USD", AT(cost.rent_price_per_hour), MF_OPTION_NUMBER, MF_FOR_COST, NULL, "rent per hour of the whole machine"},
    {"--rent-per-month", "USD", AT(cost.rent_price_per_month), MF_OPTION_NUMBER, MF_FOR_COST, NULL, "rent per month"},
    {"--min-hours", "H", AT(cost.rent_min_hours), MF_OPTION_NUMBER, MF_FOR_COST, NULL, "shortest time one pays for (the offer's)"},
    {"--reserved", "YEARS", AT(cost.reserved_years), MF_OPTION_NUMBER, MF_FOR_COST, NULL, "reserve the rented machine for 1 or 3 years"},
    {"--kept-up", NULL, AT(cost.rent_kept_up), MF_OPTION_FLAG, MF_FOR_COST, NULL,
     "the rented machine runs all the hours, not until the work is done"},
    {"--storage", "GB", AT(cost.storage_gb), MF_OPTION_NUMBER, MF_FOR_COST, NULL, "kept at the provider"},
    {"--storage-price", "USD", AT(cost.storage_per_gb_month), MF_OPTION_NUMBER, MF_FOR_COST, NULL, "of a GB per month"},
    {"--usd-per-eur", "RATE", AT(cost.usd_per_eur), MF_OPTION_NUMBER, MF_FOR_MONEY, NULL, "joins prices in both currencies"},
    {"--set", "ID=VALUE,..", AT(cost.set), MF_OPTION_SET, MF_FOR_COST, NULL, "replaces assumptions of hwdb/prices/assumptions.json"},
    {"--seed", "N", AT(cost.seed), MF_OPTION_SEED, MF_FOR_COST | MF_FOR_SIMULATE, NULL, "of the draws (1)"},
    {"--draws", "N", AT(cost.n_draws), MF_OPTION_DRAWS, MF_FOR_COST, NULL, "worlds that are drawn (20000)"},
    {"--sampler", "S", AT(sampler), MF_OPTION_TEXT, MF_FOR_COST, samplers, "sobol or mt (sobol)"},
    {"--scenario", "FILE", AT(scenario_file), MF_OPTION_TEXT, MF_FOR_ENGINES, NULL, "JSON object with options of this command; said ones win"},
    {"--from-measurements", "FILE", AT(from_measurements), MF_OPTION_TEXT, MF_FOR_CALIBRATE, NULL, "measured speeds (CSV) to fit the speed law to"},
    {"--tok-s", "X", AT(tok_s), MF_OPTION_NUMBER, MF_FOR_AUDIT, NULL, "the claim: output tokens a second, of all sequences"},
    {"--prefill-tok-s", "X", AT(prefill_tok_s), MF_OPTION_NUMBER, MF_FOR_AUDIT, NULL, "the claim: tokens of a prompt of --prompt a second"},
    {"--ttft", "S", AT(ttft_s), MF_OPTION_NUMBER, MF_FOR_AUDIT, NULL, "the claim: seconds to the first token after a prompt of --prompt"},
    {"--bytes", "SIZE", AT(bytes), MF_OPTION_TEXT, MF_FOR_AUDIT, NULL, "what a token reads, instead of --model (\"39 GiB\")"},
    {"--tokens-per-step", "N", AT(tokens_per_step), MF_OPTION_NUMBER, MF_FOR_AUDIT, NULL, "tokens that speculation gives a step (1)"},
    {"--leave-out", "WHAT", AT(leave_out), MF_OPTION_TEXT, MF_FOR_VALIDATE, NULL, "fit without each chip, generation, model, quant, source (none)"},
    {"--rows", "FILE", AT(rows), MF_OPTION_TEXT, MF_FOR_VALIDATE, NULL, "write every row with its prediction there, as CSV"},
    {"--report", "DIR", AT(report), MF_OPTION_TEXT, MF_FOR_VALIDATE, NULL, "write validation.md and its plots into this folder"},
    {"--id", "ID", AT(id), MF_OPTION_TEXT, MF_FOR_IMPORT, NULL, "the model's id (from the file's name)"},
    {"--name", "NAME", AT(name), MF_OPTION_TEXT, MF_FOR_IMPORT, NULL, "as people know it"},
    {"--organization", "NAME", AT(organization), MF_OPTION_TEXT, MF_FOR_IMPORT, NULL, "who made it"},
    {"--license", "NAME", AT(license), MF_OPTION_TEXT, MF_FOR_IMPORT, NULL, "as its page says"},
    {"--released", "DATE", AT(released), MF_OPTION_TEXT, MF_FOR_IMPORT, NULL, "2026-01-31"},
    {"--source", "TITLE", AT(source), MF_OPTION_TEXT, MF_FOR_IMPORT, NULL, "where the file is from (its name)"},
    {"--kind", "KIND", AT(kind), MF_OPTION_TEXT, MF_FOR_IMPORT, kinds, "of the source: vendor, measured, derived or assumed (vendor)"},
    {"--url", "URL", AT(url), MF_OPTION_TEXT, MF_FOR_IMPORT, NULL, "of the source"},
    {"--seen", "DATE", AT(seen), MF_OPTION_TEXT, MF_FOR_IMPORT, NULL, "when the source was read"},
    {"--format", "F", AT(format), MF_OPTION_TEXT, MF_FOR_FORMATS, formats, "text, markdown, html, csv or json (text)"},
    {"-o", "FILE", AT(output_file), MF_OPTION_TEXT, MF_FOR_ALL & ~MF_FOR_CALIBRATE, NULL, "write there instead of to the terminal"},
    {"-o", "FILE", AT(output_file), MF_OPTION_TEXT, MF_FOR_CALIBRATE, NULL, "write there instead of to the terminal; --from-measurements: a folder"},
    {"--data", "DIR", AT(data), MF_OPTION_TEXT, MF_FOR_ALL, NULL, "folder that holds hwdb and modeldb"},
    {"--ascii", NULL, AT(ascii), MF_OPTION_FLAG, MF_FOR_ENGINES | MF_FOR_VALIDATE, NULL, "no characters beyond ASCII"},
    {"--help", NULL, AT(help), MF_OPTION_FLAG, MF_FOR_ALL, NULL, "this text"},
};
/* clang-format on */
const size_t mf_n_options = sizeof mf_options / sizeof mf_options[0];

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
    {"-cram",           "--cache-ram"      },
    {"-ctxcp",          "--ctx-checkpoints"},
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

const mf_option *mf_option_find(const char *name, size_t size, mf_command_bit command)
{
    const char *real = name_of_alias(name, size);
    const char *own = real != NULL ? real : name;
    const size_t own_size = real != NULL ? strlen(real) : size;
    for (size_t i = 0; i < mf_n_options; i++) {
        if (strlen(mf_options[i].name) == own_size &&
            strncmp(mf_options[i].name, own, own_size) == 0 &&
            (mf_options[i].commands & (unsigned)command) != 0) {
            return &mf_options[i];
        }
    }
    return NULL;
}
