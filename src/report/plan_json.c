#include <inttypes.h>

#include "base/num.h"
#include "report/json_writer.h"
#include "report/plan.h"
#include "report/prediction.h"

enum { DIGITS = 6 };

static const char *scheme_name(const mf_plan_request *request, const mf_choice *choice)
{
    const mf_quant *quant = request->quants[choice->quant];
    return quant != NULL ? quant->id : request->model->quant;
}

static void write_rate(mf_json_writer *w, const char *key, const mf_rate *rate)
{
    mf_jw_open(w, key, '{');
    mf_jw_number(w, "tok_s", rate->known, rate->tok_s);
    mf_jw_number(w, "low_tok_s", rate->known, rate->low_tok_s);
    mf_jw_number(w, "high_tok_s", rate->known, rate->high_tok_s);
    mf_jw_text(w, "basis", rate->known ? mf_basis_name(rate->basis) : NULL);
    mf_jw_close(w, '}');
}

static void write_choice(mf_json_writer *w, const mf_plan_shown *shown, const mf_choice *c)
{
    const mf_plan_request *request = shown->request;
    const double busy = mf_plan_busy(&shown->load, c);
    const mf_workload *load = &c->workload;
    mf_jw_open(w, NULL, '{');
    mf_jw_text(w, "engine", request->engines[c->engine].engine->name);
    mf_jw_text(w, "quant", scheme_name(request, c));
    mf_jw_text(w, "kv_type_k", mf_tensor_type_get(load->kv_type_k)->name);
    mf_jw_text(w, "kv_type_v", mf_tensor_type_get(load->kv_type_v)->name);
    mf_jw_uint(w, "context_tokens", load->n_ctx);
    if (load->gpu_layers == MF_ALL_LAYERS) {
        mf_jw_null(w, "gpu_layers");
    } else {
        mf_jw_int(w, "gpu_layers", load->gpu_layers);
    }
    mf_jw_uint(w, "cpu_moe", load->n_cpu_moe);
    mf_jw_uint(w, "need_bytes", c->need_bytes);
    mf_jw_bool(w, "fits", c->fits);
    mf_jw_bool(w, "meets", c->meets);
    mf_jw_bool(w, "on_front", c->on_front);
    write_rate(w, "decode", &c->decode);
    write_rate(w, "prefill", &c->prefill);
    mf_jw_number(w, "ttft_s", c->ttft.known, c->ttft.s);
    mf_jw_number(w, "busy", busy > 0, busy);
    mf_jw_number(w, "divergence", c->loss.known, c->loss.divergence);
    mf_jw_number(w, "perplexity_rise", c->loss.known, c->loss.rise);
    mf_jw_bool(w, "loss_estimated", c->loss.estimated);
    mf_jw_close(w, '}');
}

/* Of a case with the first engine; speeds of all. */
static void write_sources(mf_json_writer *w, const mf_plan_shown *shown)
{
    const mf_plan_request *r = shown->request;
    const mf_case run = {.model = r->model,
                         .machine = shown->machine,
                         .engine = r->engines[0].engine,
                         .backend = mf_plan_backend(shown->machine)};
    const mf_shown first = {.run = &run, .calibration = r->engines[0].calibration};
    mf_jw_open(w, "sources", '[');
    mf_write_grounds(w, &first, "", "seen");
    for (size_t i = 1; i < r->n_engines; i++) {
        mf_write_speed_ground(w, r->engines[i].calibration, "", "seen");
    }
    for (size_t i = 0; r->qualities != NULL && i < r->qualities->n_items; i++) {
        const mf_sources *sources = &r->qualities->items[i].sources;
        if (sources->n_items > 0) {
            const mf_source *source = &sources->items[sources->n_items - 1];
            mf_jw_open(w, NULL, '{');
            mf_jw_text(w, "for", "loss");
            mf_jw_text(w, "title", source->title);
            mf_jw_text(w, "kind", mf_source_kind_name(source->kind));
            mf_jw_text(w, "seen", source->seen);
            mf_jw_null(w, "value");
            mf_jw_close(w, '}');
            break;
        }
    }
    mf_jw_close(w, ']');
}

mf_status mf_write_plan_json(mf_str *out, const mf_plan_shown *shown, mf_error *err)
{
    mf_json_writer writer = {.out = out};
    mf_json_writer *w = &writer;
    const mf_plan_request *r = shown->request;
    const mf_plan_result *result = shown->result;
    mf_jw_open(w, NULL, '{');
    mf_jw_text(w, "schema", "memfit.plan/1");
    mf_jw_text(w, "model", r->model->id);
    mf_jw_text(w, "machine", shown->machine->id);
    mf_jw_open(w, "wish", '{');
    mf_jw_uint(w, "context_tokens", mf_plan_wished_context(r));
    mf_jw_number(w, "min_tok_s", r->wish.min_tok_s > 0, r->wish.min_tok_s);
    mf_jw_number(w, "max_ttft_s", r->wish.max_ttft_s > 0, r->wish.max_ttft_s);
    mf_jw_number(w, "max_divergence", r->wish.max_divergence > 0, r->wish.max_divergence);
    mf_jw_close(w, '}');
    mf_jw_number(w, "request_per_s", shown->load.known, shown->load.request_per_s);
    mf_jw_uint(w, "parallel", r->workload.n_parallel);
    mf_jw_uint(w, "prompt_tokens", r->workload.n_prompt);
    mf_jw_uint(w, "output_tokens", r->workload.n_output);
    mf_jw_text(w, "loss_measured_on", MF_QUALITY_MODEL);
    if (result->pick < result->n_choices) {
        mf_jw_uint(w, "pick", result->pick);
    } else {
        mf_jw_null(w, "pick");
    }
    mf_jw_bool(w, "pick_meets", result->pick_meets);
    mf_jw_text(w, "reason", result->reason);
    mf_jw_open(w, "choices", '[');
    for (size_t i = 0; i < result->n_choices; i++) {
        write_choice(w, shown, &result->choices[i]);
    }
    mf_jw_close(w, ']');
    write_sources(w, shown);
    mf_jw_close(w, '}');
    return mf_str_status(out, err);
}

static void add_number(mf_str *out, bool known, double value)
{
    char text[MF_NUMBER_SIZE];
    mf_str_add(out, ",");
    mf_str_add(out, known ? mf_number_text(text, value, DIGITS) : "");
}

mf_status mf_write_plan_csv(mf_str *out, const mf_plan_shown *shown, mf_error *err)
{
    mf_str_add(
        out,
        "model,machine,engine,quant,kv_type_k,kv_type_v,context_tokens,gpu_layers,cpu_moe,"
        "need_bytes,fits,meets,on_front,pick,decode_tok_s,decode_low_tok_s,decode_high_tok_s,"
        "prefill_tok_s,ttft_s,divergence,perplexity_rise,loss_estimated\n");
    for (size_t i = 0; i < shown->result->n_choices; i++) {
        const mf_choice *c = &shown->result->choices[i];
        const mf_workload *w = &c->workload;
        mf_str_printf(out,
                      "%s,%s,%s,%s,%s,%s,%" PRIu64 ",%d,%u,%" PRIu64 ",%d,%d,%d,%d",
                      shown->request->model->id,
                      shown->machine->id,
                      shown->request->engines[c->engine].engine->name,
                      scheme_name(shown->request, c),
                      mf_tensor_type_get(w->kv_type_k)->name,
                      mf_tensor_type_get(w->kv_type_v)->name,
                      w->n_ctx,
                      (int)w->gpu_layers,
                      w->n_cpu_moe,
                      c->need_bytes,
                      c->fits ? 1 : 0,
                      c->meets ? 1 : 0,
                      c->on_front ? 1 : 0,
                      i == shown->result->pick ? 1 : 0);
        add_number(out, c->decode.known, c->decode.tok_s);
        add_number(out, c->decode.known, c->decode.low_tok_s);
        add_number(out, c->decode.known, c->decode.high_tok_s);
        add_number(out, c->prefill.known, c->prefill.tok_s);
        add_number(out, c->ttft.known, c->ttft.s);
        add_number(out, c->loss.known, c->loss.divergence);
        add_number(out, c->loss.known, c->loss.rise);
        mf_str_add(out, c->loss.estimated ? ",1\n" : ",0\n");
    }
    return mf_str_status(out, err);
}
