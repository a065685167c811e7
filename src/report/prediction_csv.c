#include <inttypes.h>
#include <string.h>

#include "base/num.h"
#include "report/prediction.h"

enum { DIGITS = 6 };

static void add_text(mf_str *out, const char *text)
{
    if (text == NULL) {
        text = "";
    }
    if (strpbrk(text, ",\"\n") == NULL) {
        mf_str_add(out, text);
        return;
    }
    mf_str_add(out, "\"");
    for (const char *c = text; *c != '\0'; c++) {
        mf_str_add(out, *c == '"' ? "\"\"" : (char[]){*c, '\0'});
    }
    mf_str_add(out, "\"");
}

static void add_number(mf_str *out, bool known, double value)
{
    char text[MF_NUMBER_SIZE];
    mf_str_printf(out, ",%s", known ? mf_number_text(text, value, DIGITS) : "");
}

static void add_count(mf_str *out, bool known, uint64_t value)
{
    if (known) {
        mf_str_printf(out, ",%" PRIu64, value);
    } else {
        mf_str_add(out, ",");
    }
}

static void add_headroom(mf_str *out, const mf_memory *memory, bool known)
{
    const int64_t left = known ? mf_memory_headroom(memory) : INT64_MAX;
    mf_str_add(out, ",");
    if (left < INT64_MAX) {
        mf_str_printf(out, "%" PRId64, left);
    }
}

static void add_rate(mf_str *out, const mf_rate *rate)
{
    add_number(out, rate->known, rate->tok_s);
    add_number(out, rate->known, rate->low_tok_s);
    add_number(out, rate->known, rate->high_tok_s);
    mf_str_printf(out, ",%s", rate->known ? mf_basis_name(rate->basis) : "");
}

static void add_line(mf_str *out, const mf_shown *shown)
{
    const mf_prediction *p = shown->prediction;
    const mf_workload *w = &shown->run->workload;
    add_text(out, shown->run->model->id);
    mf_str_add(out, ",");
    add_text(out, shown->run->machine->id);
    mf_str_add(out, ",");
    add_text(out, shown->quant_name);
    mf_str_printf(out,
                  ",%s,%s,%" PRIu64 ",%" PRIu64 ",%" PRIu64 ",%u",
                  shown->run->engine->name,
                  mf_backend_name(shown->run->backend),
                  w->n_ctx,
                  w->n_prompt,
                  w->n_output,
                  w->n_parallel);
    for (size_t i = 0; i < MF_TERM_COUNT; i++) {
        add_count(out, p->memory_known, p->memory.terms[i]);
    }
    add_count(out, p->memory_known, p->memory.total_bytes);
    add_count(out, p->memory_known, p->memory.limit_bytes);
    add_count(out, p->memory_known, p->memory.fits ? 1 : 0);
    add_headroom(out, &p->memory, p->memory_known);
    add_number(out, p->memory_known, p->memory.fits_probability);
    add_count(out, p->memory_known, p->max_context_tokens);
    add_rate(out, &p->decode);
    add_rate(out, &p->prefill);
    add_number(out, p->ttft.known, p->ttft.s);
    add_number(out, p->ttft.known, p->ttft.low_s);
    add_number(out, p->ttft.known, p->ttft.high_s);
    mf_str_add(out, "\n");
}

mf_status mf_write_prediction_csv(mf_str *out, const mf_shown *shown, size_t n, mf_error *err)
{
    mf_str_add(
        out,
        "model,machine,quant,engine,backend,context_tokens,prompt_tokens,output_tokens,parallel");
    for (size_t i = 0; i < MF_TERM_COUNT; i++) {
        mf_str_printf(out, ",%s_bytes", mf_memory_term_key((mf_memory_term)i));
    }
    mf_str_add(out, ",total_bytes,limit_bytes,fits,least_headroom_bytes,fits_probability");
    mf_str_add(out, ",max_context_tokens");
    mf_str_add(out, ",decode_tok_s,decode_low_tok_s,decode_high_tok_s,decode_basis");
    mf_str_add(out, ",prefill_tok_s,prefill_low_tok_s,prefill_high_tok_s,prefill_basis");
    mf_str_add(out, ",ttft_s,ttft_low_s,ttft_high_s\n");
    for (size_t i = 0; i < n; i++) {
        add_line(out, &shown[i]);
    }
    return mf_str_status(out, err);
}
