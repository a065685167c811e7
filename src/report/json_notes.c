#include "report/json_notes.h"

#include <stdbool.h>
#include <string.h>

#include "report/cost.h"

#define PREDICTION "memfit.prediction"
#define PLAN "memfit.plan"
#define COST "memfit.cost"

/* What the speed law reads. */
#define SPEED_SOURCES "model device.* machine.memory speed"
#define POWER_SOURCES                                                                              \
    "power-under-load power-of-the-chip* power-card-share power-around-card power-mac-over-chip "  \
    "power-max-share the-machine*"
#define IDLE_SOURCES "idle-power power-mac-idle power-pc-idle power-small-idle"
#define SPEED_INPUTS                                                                               \
    "model.active_parameters quant workload.prompt_tokens workload.output_tokens "                 \
    "placement.gpu_layers placement.cpu_moe_layers"
#define CHOICE_INPUTS                                                                              \
    "quant kv_type_k context_tokens gpu_layers cpu_moe prompt_tokens output_tokens"
#define LOW_OF                                                                                     \
    "tok/s x exp(-w): w is the 90 % quantile of |ln(predicted / measured)| for its basis, of "     \
    "rows left out of the fit"
#define HIGH_OF "tok/s x exp(w), but not above the ceiling: w as for the lower end"
#define CACHE_INPUTS                                                                               \
    "workload.context_tokens workload.parallel workload.kv_type_k workload.kv_type_v"

/* The first that matches: what is special stands before what is general. */
/* clang-format off */
static const mf_json_note notes[] = {
    /* memory, of the machine and of its places */
    {PREDICTION, "terms.weights.bytes", "sum over the tensors of elements / elements of a block x bytes of a block, each in the type that the quantization gives it: docs/memory.md", "quant model.parameters", "model"},
    {PREDICTION, "terms.kv_cache.bytes", "sum over layers of cells x KV heads x (key width x bytes of K + value width x bytes of V); windows and latent attention as the engine has them: docs/memory.md", CACHE_INPUTS, "model"},
    {PREDICTION, "terms.recurrent_state.bytes", "sum over recurrent layers of their state in f32, a sequence: docs/memory.md", "workload.parallel", "model"},
    {PREDICTION, "terms.compute.bytes", "the engine's allocator, replayed over the graph of a micro-batch: docs/memory.md", "workload.ubatch_tokens workload.context_tokens workload.flash_attention", "model"},
    {PREDICTION, "terms.output.bytes", "sequences x vocabulary x 4 bytes of logits", "workload.parallel", "model"},
    {PREDICTION, "terms.projector.bytes", "weights of the vision tower in 16 bits; 0 without --mmproj", NULL, "model"},
    {PREDICTION, "terms.draft.bytes", "the same terms of the draft model; 0 without --draft", NULL, "model"},
    {PREDICTION, "terms.lora.bytes", "tensors of the adapter; 0 without --lora", NULL, NULL},
    {PREDICTION, "terms.runtime.bytes", "context and libraries of the backend, measured", "engine backend", "engine.runtime"},
    {PREDICTION, "devices.*.need_bytes", "sum of the terms there", "terms.*.bytes", NULL},
    {PREDICTION, "devices.*.limit_bytes", "what may be used there: memory of a card; of a Mac what the GPU may wire; of a computer without what its system keeps: docs/memory.md", NULL, "machine.*"},
    {PREDICTION, "devices.*.headroom_bytes", "limit - need", "limit_bytes need_bytes", NULL},
    {PREDICTION, "memory.total_bytes", "sum of the terms", "terms.*.bytes", NULL},
    {PREDICTION, "memory.limit_bytes", "sum of the places' limits", "devices.*.limit_bytes", "machine.*"},
    {PREDICTION, "memory.headroom_bytes", "limit - total", "limit_bytes total_bytes", NULL},
    {PREDICTION, "memory.load_peak_bytes", "the most that is held while weights are read", "total_bytes", NULL},
    {PREDICTION, "memory.fits_probability", "over the spread of the terms that are not exact (runtime, estimated sizes) every place has room: docs/memory.md", "devices.*.headroom_bytes", "engine.runtime"},
    {PREDICTION, "memory.max_context_tokens", "bisection: the longest context, in steps of 256, whose terms fit", "limit_bytes workload.parallel workload.kv_type_k", "model"},
    {PREDICTION, "memory.max_parallel", "bisection: the most sequences, each with its context, whose terms fit", "limit_bytes workload.context_tokens", "model"},
    {PREDICTION, "memory.server_cache_bytes", "the engine's prompt cache + checkpoints x sequences x windows and recurrent state of one: docs/memory.md", "engine workload.parallel", "model"},
    {PREDICTION, "placement.gpu_layers", "search: the placement that answers prompt and output soonest: docs/memory.md", "devices.*.headroom_bytes", NULL},
    {PREDICTION, "placement.cpu_moe_layers", "search: the placement that answers prompt and output soonest: docs/memory.md", "devices.*.headroom_bytes", NULL},
    {PREDICTION, "tensor_split.*", "parts of the devices, as asked or as the engine shares layers out", NULL, NULL},
    {PREDICTION, "model.parameters", "elements of all tensors", "model.id", "model"},
    {PREDICTION, "model.active_parameters", "elements that one token uses: experts used of all experts", "model.id", "model"},
    {PREDICTION, "workload.*", "as asked, or the engine's own", "engine", NULL},
    /* speed */
    {PREDICTION, "depth_curve.*.depth_tokens", "tokens in the context before", NULL, NULL},
    {PREDICTION, "depth_curve.*.decode_tok_s", "1 / time of a token at this depth by the speed law: docs/speed.md", "depth_tokens model.active_parameters quant", SPEED_SOURCES},
    {PREDICTION, "depth_curve.*.prefill_tok_s", "tokens / time of a micro-batch at this depth by the speed law: docs/speed.md", "depth_tokens workload.ubatch_tokens quant", SPEED_SOURCES},
    {PREDICTION, "depth_curve.*.low_tok_s", LOW_OF, "decode_tok_s decode.basis", "speed"},
    {PREDICTION, "depth_curve.*.high_tok_s", HIGH_OF, "decode_tok_s decode.basis", "speed"},
    {PREDICTION, "speculation.decode.tok_s", "tokens of a round / (checking step + drafting): docs/speed.md", "speculation.acceptance speculation.drafted_tokens speculation.check_slowdown speculation.draft_share", SPEED_SOURCES},
    {PREDICTION, "speculation.drafted_tokens", "as asked", NULL, NULL},
    {PREDICTION, "speculation.acceptance", "as asked: your assumption", NULL, NULL},
    {PREDICTION, "speculation.check_slowdown", "time of a step of drafted tokens + 1 / time of one token: docs/speed.md", "drafted_tokens", SPEED_SOURCES},
    {PREDICTION, "speculation.draft_share", "drafted tokens x the draft model's time of a token / time of one token", "drafted_tokens", SPEED_SOURCES},
    {PREDICTION, "speculation.break_even_acceptance", "(check_slowdown + draft_share - 1) / drafted tokens", "check_slowdown draft_share drafted_tokens", NULL},
    {PREDICTION, "together.tok_s", "sequences / time of a step that gives each a token: docs/speed.md", "workload.parallel model.active_parameters quant", SPEED_SOURCES},
    {PREDICTION, "prefill.tok_s", "prompt tokens / sum of the time of its micro-batches by the speed law: docs/speed.md", "workload.prompt_tokens workload.ubatch_tokens model.active_parameters quant placement.gpu_layers placement.cpu_moe_layers", SPEED_SOURCES},
    {PREDICTION, "decode.tok_s", "output tokens / sum of their times by the speed law, which reads the bytes that a token touches: docs/speed.md", SPEED_INPUTS, SPEED_SOURCES},
    {PREDICTION, "ceiling_tok_s", "the same work at 100 % of the specified peaks: no software is faster", "tok_s", "device.*"},
    {PREDICTION, "low_tok_s", LOW_OF, "tok_s basis", "speed"},
    {PREDICTION, "high_tok_s", HIGH_OF, "tok_s basis ceiling_tok_s", "speed"},
    {PREDICTION, "ttft.s", "prompt tokens / prefill tok/s", "workload.prompt_tokens prefill.tok_s", "speed"},
    {PREDICTION, "ttft.low_s", "prompt tokens / the upper end of prefill", "workload.prompt_tokens prefill.high_tok_s", "speed"},
    {PREDICTION, "ttft.high_s", "prompt tokens / the lower end of prefill", "workload.prompt_tokens prefill.low_tok_s", "speed"},
    /* plans */
    {PLAN, "wish.*", "as asked", NULL, NULL},
    {PLAN, "choices.*.need_bytes", "sum of the memory terms: docs/memory.md, 'memfit fit' shows each", CHOICE_INPUTS, "model engine.runtime"},
    {PLAN, "choices.*.context_tokens", "the wished one, powers of two, and what the model was trained for", "wish.context_tokens", "model"},
    {PLAN, "choices.*.gpu_layers", "search: the most that the devices hold", "need_bytes", "machine.*"},
    {PLAN, "choices.*.cpu_moe", "search: the fewest with which the devices hold the rest", "need_bytes", "machine.*"},
    {PLAN, "decode.tok_s", "output tokens / sum of their times by the speed law: docs/speed.md", CHOICE_INPUTS, SPEED_SOURCES},
    {PLAN, "prefill.tok_s", "prompt tokens / sum of the time of its micro-batches by the speed law: docs/speed.md", CHOICE_INPUTS, SPEED_SOURCES},
    {PLAN, "low_tok_s", LOW_OF, "tok_s basis", "speed"},
    {PLAN, "high_tok_s", HIGH_OF, "tok_s basis", "speed"},
    {PLAN, "ttft_s", "prompt tokens / prefill tok/s", "prompt_tokens prefill.tok_s", "speed"},
    {PLAN, "divergence", "mean Kullback-Leibler divergence of the quantization from 16 bits, measured on another model", "quant loss_measured_on loss_estimated", "loss"},
    {PLAN, "perplexity_rise", "perplexity of the quantization / that of 16 bits - 1, measured on another model", "quant loss_measured_on loss_estimated", "loss"},
    {PLAN, "pick", "index of the choice to take", "reason", NULL},
    {PLAN, "prompt_tokens", "as asked, or the usual", NULL, NULL},
    {PLAN, "output_tokens", "as asked, or the usual", NULL, NULL},
    /* costs */
    {COST, "usage.requests_per_day", "as asked, or hours x busy / seconds of a request on the bought machine", "hours_per_day busy buy.effective_tok_s output_tokens", "hours-spread"},
    {COST, "usage.input_tokens_per_year", "requests a day x days a week x 365.25 / 7 x prompt tokens", "requests_per_day days_per_week prompt_tokens", NULL},
    {COST, "usage.output_tokens_per_year", "requests a day x days a week x 365.25 / 7 x output tokens", "requests_per_day days_per_week output_tokens", NULL},
    {COST, "settings.*", "as asked, or the usual: none", NULL, NULL},
    {COST, "usage.*", "as asked, or the usual", NULL, NULL},
    {COST, "buy.decode_tok_s", "speed law, decode: docs/speed.md", "buy.basis", "buy.*"},
    {COST, "buy.prefill_tok_s", "speed law, prefill: docs/speed.md", "buy.basis", "buy.*"},
    {COST, "buy.effective_tok_s", "output tokens / (prompt tokens / prefill tok/s + output tokens / decode tok/s)", "usage.prompt_tokens usage.output_tokens buy.prefill_tok_s buy.decode_tok_s", "buy.speed"},
    {COST, "rent.decode_tok_s", "speed law, decode: docs/speed.md", "rent.basis", "rent.*"},
    {COST, "rent.prefill_tok_s", "speed law, prefill: docs/speed.md", "rent.basis", "rent.*"},
    {COST, "rent.effective_tok_s", "output tokens / (prompt tokens / prefill tok/s + output tokens / decode tok/s)", "usage.prompt_tokens usage.output_tokens rent.prefill_tok_s rent.decode_tok_s", "rent.speed"},
    {COST, "buy.effective_low_tok_s", "output tokens / (the times at the lower ends of both)", "effective_tok_s buy.basis", "buy.speed"},
    {COST, "rent.effective_low_tok_s", "output tokens / (the times at the lower ends of both)", "effective_tok_s rent.basis", "rent.speed"},
    {COST, "buy.effective_high_tok_s", "output tokens / (the times at the upper ends of both)", "effective_tok_s buy.basis", "buy.speed"},
    {COST, "rent.effective_high_tok_s", "output tokens / (the times at the upper ends of both)", "effective_tok_s rent.basis", "rent.speed"},
    {COST, "offer.*", "the offer's, or as asked", "offer.id offer.date", "rent"},
    {COST, "inputs.price.*", "the newest price of the machine, or yours", NULL, "purchase-price computer-around-the-cards"},
    {COST, "inputs.hours.*", "factor on the hours: as said, and one standard deviation of what people say", "usage.hours_per_day", "hours-spread"},
    {COST, "inputs.active_w.*", "watts at the wall under a language model", "buy.id", POWER_SOURCES},
    {COST, "inputs.idle_w.*", "watts at the wall at rest", "buy.id", IDLE_SOURCES},
    {COST, "inputs.tariff.*", "price of a kWh", NULL, "electricity-tariff tariff-spread"},
    {COST, "inputs.tariff_drift.*", "log of the tariff's yearly factor", NULL, "tariff-drift"},
    {COST, "inputs.interest.*", "a year", NULL, "interest"},
    {COST, "inputs.resale_kept.*", "share of the price that is left when it is sold at once", NULL, "resale-kept"},
    {COST, "inputs.resale_yearly.*", "log of the yearly factor on the value, beside generations", NULL, "resale-apple-yearly resale-other-yearly"},
    {COST, "inputs.generation_years.*", "years between generations", NULL, "resale-apple-generation-years resale-other-generation-years"},
    {COST, "inputs.generation_drop.*", "log of what a new generation takes off", NULL, "resale-generation-drop"},
    {COST, "inputs.rent_overhead.*", "paid beyond the rent, a share of it", NULL, "rent-overhead"},
    {COST, "inputs.rent_redone.*", "work done twice on spot machines, a share; 0 for others", "offer.billing", "rent-spot-redone"},
    {COST, "inputs.rent_drift.*", "log of the rent's yearly factor", NULL, "rent-gpu-drift rent-mac-drift"},
    {COST, "inputs.api_drift.*", "log of the yearly factor on prices per token; 0 where none is paid", NULL, "api-drift"},
    {COST, "ways.buy.parts.price.amount", NULL, "inputs.price.value", "purchase-price computer-around-the-cards"},
    {COST, "ways.buy.parts.tax.amount", NULL, "inputs.price.value settings.tax", "purchase-price"},
    {COST, "ways.buy.parts.energy_active.amount", NULL, "busy_hours_per_day usage.days_per_week inputs.active_w.value inputs.tariff.value inputs.tariff_drift.value settings.cooling inputs.interest.value years", POWER_SOURCES " electricity-tariff tariff-* interest"},
    {COST, "ways.buy.parts.energy_idle.amount", NULL, "busy_hours_per_day settings.powered_hours_per_day inputs.idle_w.value inputs.tariff.value inputs.tariff_drift.value settings.cooling inputs.interest.value years", IDLE_SOURCES " electricity-tariff tariff-* interest"},
    {COST, "ways.rent.parts.rent.amount", NULL, "billed_hours_per_day usage.days_per_week offer.billing offer.price_per_hour offer.price_per_month inputs.rent_drift.value inputs.interest.value years", "rent rent-gpu-drift rent-mac-drift interest"},
    {COST, "ways.rent.parts.overhead.amount", NULL, "parts.rent.amount inputs.rent_overhead.value", "rent-overhead"},
    {COST, "ways.rent.parts.storage.amount", NULL, "settings.storage_per_month inputs.interest.value years", "storage* interest"},
    {COST, "ways.api.parts.tokens_in.amount", NULL, "usage.input_tokens_per_year settings.api_input_per_mtok settings.api_cached_per_mtok settings.api_cached_share inputs.api_drift.value inputs.interest.value years", "api-drift price-per-token interest"},
    {COST, "ways.api.parts.tokens_out.amount", NULL, "usage.output_tokens_per_year settings.api_output_per_mtok inputs.api_drift.value inputs.interest.value years", "api-drift price-per-token interest"},
    {COST, "ways.buy.parts.admin.amount", NULL, "settings.buy_admin_hours_per_month settings.wage_per_hour inputs.interest.value years", "interest"},
    {COST, "ways.rent.parts.admin.amount", NULL, "settings.rent_admin_hours_per_month settings.wage_per_hour inputs.interest.value years", "interest"},
    {COST, "ways.buy.parts.resale.amount", NULL, "inputs.price.value inputs.resale_kept.value inputs.resale_yearly.value inputs.generation_drop.value inputs.generation_years.value inputs.interest.value years", "resale-* interest"},
    {COST, "parts.*.amount", "nothing: this way has no such part", NULL, NULL},
    {COST, "ways.*.total", "sum of the parts", "parts.*.amount", NULL},
    {COST, "ways.*.p10", "10 % of the draws are below", "draws seed sampler total", NULL},
    {COST, "ways.*.p50", "half of the draws are below", "draws seed sampler total", NULL},
    {COST, "ways.*.p90", "90 % of the draws are below", "draws seed sampler total", NULL},
    {COST, "ways.*.per_year", "total / sum over years of (1 + interest)^-(years to its middle)", "total inputs.interest.value years", "interest"},
    {COST, "ways.api.per_mtok_in", "price per token, as the year pays for it on average", "parts.tokens_in.amount total per_year usage.input_tokens_per_year", NULL},
    {COST, "ways.buy.per_mtok_in", "cost of a year / seconds of work in it x 1e6 / prefill tok/s", "per_year busy_hours_per_day usage.days_per_week buy.prefill_tok_s", NULL},
    {COST, "ways.rent.per_mtok_in", "cost of a year / seconds of work in it x 1e6 / prefill tok/s", "per_year busy_hours_per_day usage.days_per_week rent.prefill_tok_s", NULL},
    {COST, "ways.api.per_mtok_out", "price per token, as the year pays for it on average", "parts.tokens_out.amount total per_year usage.output_tokens_per_year", NULL},
    {COST, "ways.buy.per_mtok_out", "cost of a year / seconds of work in it x 1e6 / decode tok/s", "per_year busy_hours_per_day usage.days_per_week buy.decode_tok_s", NULL},
    {COST, "ways.rent.per_mtok_out", "cost of a year / seconds of work in it x 1e6 / decode tok/s", "per_year busy_hours_per_day usage.days_per_week rent.decode_tok_s", NULL},
    {COST, "ways.buy.busy_hours_per_day", "requests a day x seconds of a request / 3600", "usage.requests_per_day usage.output_tokens buy.effective_tok_s", "hours-spread"},
    {COST, "ways.rent.busy_hours_per_day", "requests a day x seconds of a request / 3600", "usage.requests_per_day usage.output_tokens rent.effective_tok_s", "hours-spread"},
    {COST, "billed_hours_per_day", "all hours of use if it is kept up, otherwise busy hours and the pauses between requests; spot work is redone; rounded up to the offer's shortest time", "busy_hours_per_day usage.hours_per_day usage.busy offer.min_hours", "rent"},
    {COST, "versus.*.difference", "total of that way - total of buying", "ways.*.total", NULL},
    {COST, "versus.*.p10", "10 % of the draws of the difference are below", "draws seed sampler difference", NULL},
    {COST, "versus.*.p50", "half of the draws of the difference are below", "draws seed sampler difference", NULL},
    {COST, "versus.*.p90", "90 % of the draws of the difference are below", "draws seed sampler difference", NULL},
    {COST, "buy_cheaper_probability", "share of the draws in which the difference is above 0", "draws seed sampler", NULL},
    {COST, "break_even_hours_per_day.hours", "hours of use a day at which the difference turns its sign, all inputs at their centre", "difference", NULL},
    {COST, "months", "months after which the difference turns its sign, all inputs at their centre", "difference", NULL},
    {COST, "tornado.*.at_p10", "difference with this input at its P10, all others at their centre", "difference", NULL},
    {COST, "tornado.*.at_p90", "difference with this input at its P90, all others at their centre", "difference", NULL},
    {COST, "rank_correlation", "Spearman's, of this input and the difference over the first 4096 draws", "draws seed", NULL},
    {COST, "by_year.*.years", "after so many", NULL, NULL},
    {COST, "by_year.*.*.total", "as ways.*.total, up to then, the machine sold", "ways.*.total", NULL},
    {COST, "by_year.*.*.p10", "10 % of the draws are below", "total draws seed", NULL},
    {COST, "by_year.*.*.p90", "90 % of the draws are below", "total draws seed", NULL},
    {COST, "price_per_usable_gib", "price / memory that the model may use", "inputs.price.value buy.id", "buy.machine.* purchase-price"},
    {COST, "price_per_decode_tok_s", "price / decode tok/s", "inputs.price.value buy.decode_tok_s", "purchase-price"},
    {COST, "price_per_prefill_tok_s", "price / prefill tok/s", "inputs.price.value buy.prefill_tok_s", "purchase-price"},
    {COST, "kwh_per_mtok_in", "watts / 1000 x 1e6 / prefill tok/s / 3600", "inputs.active_w.value buy.prefill_tok_s", POWER_SOURCES},
    {COST, "kwh_per_mtok_out", "watts / 1000 x 1e6 / decode tok/s / 3600", "inputs.active_w.value buy.decode_tok_s", POWER_SOURCES},
    {COST, "kwh_per_year", "busy hours x watts + idle hours x idle watts", "ways.*.busy_hours_per_day usage.days_per_week settings.powered_hours_per_day inputs.active_w.value inputs.idle_w.value", POWER_SOURCES " " IDLE_SOURCES},
    {COST, "co2_kg_per_mtok_out", "kWh x kg of the grid", "kwh_per_mtok_out", "co2-*"},
    {COST, "joule_per_output_token", "watts / decode tok/s", "inputs.active_w.value buy.decode_tok_s", POWER_SOURCES},
    {COST, "overload_probability", "share of the draws in which the work takes more hours than a day has", "draws seed", NULL},
    {COST, "years", "as asked, or the usual", NULL, NULL},
    {COST, "seed", "as asked, or 1", NULL, NULL},
    {COST, "draws", "as asked, or the usual", NULL, NULL},
};
/* clang-format on */

/* The last keys are those of the note, * any one. */
static bool ends_with(const char *path, const char *const *labels, size_t n)
{
    size_t n_keys = 1;
    for (const char *c = path; *c != '\0'; c++) {
        n_keys += *c == '.' ? 1 : 0;
    }
    if (n_keys > n) {
        return false;
    }
    const char *key = path;
    for (size_t i = n - n_keys; i < n; i++) {
        const size_t size = strcspn(key, ".");
        const bool any = size == 1 && key[0] == '*';
        if (!any && (strlen(labels[i]) != size || strncmp(labels[i], key, size) != 0)) {
            return false;
        }
        key += size + (key[size] == '.' ? 1 : 0);
    }
    return true;
}

const mf_json_note *mf_json_note_of(const char *schema, const char *const *labels, size_t n)
{
    for (size_t i = 0; i < sizeof notes / sizeof notes[0]; i++) {
        if (strncmp(schema, notes[i].schema, strlen(notes[i].schema)) == 0 &&
            ends_with(notes[i].path, labels, n)) {
            return &notes[i];
        }
    }
    return NULL;
}

const char *mf_json_note_formula(const mf_json_note *note, const char *const *labels, size_t n)
{
    for (size_t i = 0; note->formula == NULL && n > 1 && i < MF_PART_COUNT; i++) {
        if (strcmp(labels[n - 2], mf_cost_part_key((mf_cost_part)i)) == 0) {
            return mf_cost_part_formula((mf_cost_part)i);
        }
    }
    return note->formula;
}
