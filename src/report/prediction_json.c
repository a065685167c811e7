#include <string.h>

#include "report/json_writer.h"
#include "report/placement.h"
#include "report/wording.h"

static void
write_terms(mf_json_writer *w, const mf_memory *memory, const uint64_t terms[MF_TERM_COUNT])
{
    mf_jw_open(w, "terms", '[');
    for (size_t i = 0; i < MF_TERM_COUNT; i++) {
        mf_jw_open(w, NULL, '{');
        const mf_memory_term term = (mf_memory_term)i;
        mf_jw_text(w, "name", mf_memory_term_key(term));
        mf_jw_uint(w, "bytes", terms[i]);
        mf_jw_uint(w, "low_bytes", mf_memory_low_bytes(memory, term, terms[i]));
        mf_jw_uint(w, "high_bytes", mf_memory_high_bytes(memory, term, terms[i]));
        mf_jw_close(w, '}');
    }
    mf_jw_close(w, ']');
}

static void write_limit(mf_json_writer *w, uint64_t limit, uint64_t need)
{
    mf_jw_uint(w, "limit_bytes", limit);
    mf_jw_int(w, "headroom_bytes", (int64_t)limit - (int64_t)need);
}

static void write_places(mf_json_writer *w, const mf_memory *memory)
{
    mf_jw_open(w, "devices", '[');
    for (size_t i = 0; i < memory->n_places; i++) {
        const mf_place *place = &memory->places[i];
        mf_jw_open(w, NULL, '{');
        mf_jw_text(w, "device", place->name);
        mf_jw_uint(w, "need_bytes", place->need_bytes);
        write_limit(w, place->limit_bytes, place->need_bytes);
        write_terms(w, memory, place->terms);
        mf_jw_close(w, '}');
    }
    mf_jw_close(w, ']');
}

static void write_inverse(mf_json_writer *w, const mf_inverse *inverse)
{
    if (inverse == NULL) {
        return;
    }
    mf_jw_uint(w, "max_parallel", inverse->max_parallel);
    if (inverse->largest_quant != NULL) {
        mf_jw_text(w, "largest_quant", inverse->largest_quant);
    } else {
        mf_jw_null(w, "largest_quant");
    }
}

/* What a limit that can be raised would say, of the place that decides. */
static void write_raised(mf_json_writer *w, const mf_memory *memory)
{
    mf_raised raised;
    if (!mf_raised_of(&raised, memory, mf_tightest_place(memory))) {
        mf_jw_null(w, "raised");
        return;
    }
    mf_jw_open(w, "raised", '{');
    mf_jw_text(w, "command", raised.command);
    mf_jw_uint(w, "limit_bytes", raised.limit_bytes);
    mf_jw_bool(w, "fits", raised.fits);
    if (raised.fits && memory->shared_limit_bytes > 0) {
        mf_jw_uint(w, "left_bytes", raised.left_bytes);
        mf_jw_bool(w, "may_swap", raised.may_swap);
    } else {
        mf_jw_null(w, "left_bytes");
        mf_jw_null(w, "may_swap");
    }
    mf_jw_close(w, '}');
}

static void write_memory(mf_json_writer *w, const mf_shown *shown)
{
    const mf_prediction *p = shown->prediction;
    const mf_memory *m = &p->memory;
    if (!p->memory_known) {
        mf_jw_null(w, "memory");
        return;
    }
    mf_jw_open(w, "memory", '{');
    write_terms(w, m, m->terms);
    write_places(w, m);
    mf_jw_uint(w, "total_bytes", m->total_bytes);
    write_limit(w, m->limit_bytes, m->total_bytes);
    mf_jw_uint(w, "load_peak_bytes", m->load_peak_bytes);
    if (m->convert_peak_bytes > 0) {
        mf_jw_uint(w, "convert_peak_bytes", m->convert_peak_bytes);
    } else {
        mf_jw_null(w, "convert_peak_bytes");
    }
    mf_jw_bool(w, "fits", m->fits);
    mf_jw_number(w, "fits_probability", true, m->fits_probability);
    mf_jw_uint(w, "max_context_tokens", p->max_context_tokens);
    write_inverse(w, shown->inverse);
    const uint64_t prompts = shown->run->workload.prompt_cache_bytes;
    mf_jw_uint(w, "server_cache_bytes", prompts + p->checkpoint_bytes);
    mf_jw_uint(w, "prompt_cache_bytes", prompts);
    mf_jw_uint(w, "checkpoint_bytes", p->checkpoint_bytes);
    write_raised(w, m);
    mf_jw_close(w, '}');
}

static void write_placement(mf_json_writer *w, const mf_shown *shown)
{
    const mf_placed *placed = &shown->prediction->placed;
    if (!placed->known || shown->run->engine->id != MF_ENGINE_LLAMACPP) {
        mf_jw_null(w, "placement");
        return;
    }
    mf_jw_open(w, "placement", '{');
    mf_jw_bool(w, "as_asked", placed->as_asked);
    mf_write_placement_keys(w, shown);
    write_places(w, &placed->memory);
    mf_jw_close(w, '}');
}

static void write_rate(mf_json_writer *w, const char *key, const mf_rate *rate)
{
    mf_jw_open(w, key, '{');
    mf_jw_number(w, "tok_s", rate->known, rate->tok_s);
    mf_jw_number(w, "low_tok_s", rate->known, rate->low_tok_s);
    mf_jw_number(w, "high_tok_s", rate->known, rate->high_tok_s);
    mf_jw_number(w, "ceiling_tok_s", rate->ceiling_tok_s > 0, rate->ceiling_tok_s);
    mf_jw_text(w, "bound", rate->known ? mf_bound_name(rate->bound) : NULL);
    mf_jw_text(w, "basis", rate->known ? mf_basis_name(rate->basis) : NULL);
    mf_jw_close(w, '}');
}

static void write_speculation(mf_json_writer *w, const mf_shown *shown)
{
    const mf_speculation *s = &shown->prediction->speculation;
    if (shown->run->draft == NULL) {
        return;
    }
    mf_jw_open(w, "speculation", '{');
    mf_jw_uint(w, "drafted_tokens", shown->run->n_draft);
    mf_jw_number(w, "check_slowdown", s->known, s->check_slowdown);
    mf_jw_number(w, "draft_share", s->known, s->draft_share);
    mf_jw_number(w, "break_even_acceptance", s->known, s->break_even);
    mf_jw_number(w, "acceptance", shown->run->draft_acceptance > 0, shown->run->draft_acceptance);
    write_rate(w, "decode", &s->decode);
    mf_jw_close(w, '}');
}

static void write_depths(mf_json_writer *w, const mf_prediction *p)
{
    mf_jw_open(w, "depth_curve", '[');
    for (size_t i = 0; i < p->n_depths; i++) {
        const mf_depth_point *point = &p->depths[i];
        mf_jw_open(w, NULL, '{');
        mf_jw_uint(w, "depth_tokens", point->depth_tokens);
        mf_jw_number(w, "decode_tok_s", point->decode.known, point->decode.tok_s);
        mf_jw_number(w, "low_tok_s", point->decode.known, point->decode.low_tok_s);
        mf_jw_number(w, "high_tok_s", point->decode.known, point->decode.high_tok_s);
        mf_jw_number(w, "prefill_tok_s", point->prefill.known, point->prefill.tok_s);
        mf_jw_close(w, '}');
    }
    mf_jw_close(w, ']');
}

static void write_workload(mf_json_writer *w, const mf_workload *load)
{
    mf_jw_open(w, "workload", '{');
    mf_jw_uint(w, "context_tokens", load->n_ctx);
    mf_jw_uint(w, "prompt_tokens", load->n_prompt);
    mf_jw_uint(w, "output_tokens", load->n_output);
    mf_jw_uint(w, "parallel", load->n_parallel);
    mf_jw_text(w, "kv_type_k", mf_tensor_type_get(load->kv_type_k)->name);
    mf_jw_text(w, "kv_type_v", mf_tensor_type_get(load->kv_type_v)->name);
    mf_jw_uint(w, "ubatch_tokens", load->n_ubatch);
    mf_jw_bool(w, "flash_attention", load->flash_attention);
    mf_jw_close(w, '}');
}

static void write_head(mf_json_writer *w, const mf_shown *shown)
{
    const mf_model *model = shown->run->model;
    mf_jw_open(w, "model", '{');
    mf_jw_text(w, "id", model->id);
    mf_jw_text(w, "architecture", model->architecture);
    mf_jw_uint(w, "parameters", shown->prediction->counts.parameters);
    mf_jw_uint(w, "active_parameters", shown->prediction->counts.active_parameters);
    mf_jw_close(w, '}');
    mf_jw_open(w, "machine", '{');
    mf_jw_text(w, "id", shown->run->machine->id);
    mf_jw_text(w, "name", shown->run->machine->name);
    mf_jw_close(w, '}');
    mf_jw_text(w, "quant", shown->quant_name);
    mf_jw_text(w, "engine", shown->run->engine->name);
    mf_jw_text(w, "backend", mf_backend_name(shown->run->backend));
}

static void write_prediction(mf_json_writer *w, const mf_shown *shown)
{
    const mf_prediction *p = shown->prediction;
    mf_jw_open(w, NULL, '{');
    mf_jw_text(w, "schema", "memfit.prediction/1");
    write_head(w, shown);
    write_workload(w, &shown->run->workload);
    write_memory(w, shown);
    write_placement(w, shown);
    write_rate(w, "decode", &p->decode);
    if (shown->run->workload.n_parallel > 1) {
        write_rate(w, "together", &p->together);
    }
    write_rate(w, "prefill", &p->prefill);
    write_speculation(w, shown);
    mf_jw_open(w, "ttft", '{');
    mf_jw_number(w, "s", p->ttft.known, p->ttft.s);
    mf_jw_number(w, "low_s", p->ttft.known, p->ttft.low_s);
    mf_jw_number(w, "high_s", p->ttft.known, p->ttft.high_s);
    mf_jw_close(w, '}');
    write_depths(w, p);
    mf_jw_open(w, "sources", '[');
    mf_write_grounds(w, shown, "", "seen");
    mf_write_term_grounds(w, shown, "seen");
    mf_jw_close(w, ']');
    mf_jw_open(w, "warnings", '[');
    for (size_t i = 0; i < p->n_warnings; i++) {
        mf_jw_text(w, NULL, p->warnings[i]);
    }
    mf_jw_close(w, ']');
    mf_jw_close(w, '}');
}

mf_status mf_write_prediction_json(mf_str *out, const mf_shown *shown, mf_error *err)
{
    mf_json_writer w = {.out = out};
    write_prediction(&w, shown);
    return mf_str_status(out, err);
}

mf_status mf_write_comparison_json(mf_str *out, const mf_shown *shown, size_t n, mf_error *err)
{
    mf_json_writer w = {.out = out};
    mf_jw_open(&w, NULL, '[');
    for (size_t i = 0; i < n; i++) {
        write_prediction(&w, &shown[i]);
    }
    mf_jw_close(&w, ']');
    return mf_str_status(out, err);
}
