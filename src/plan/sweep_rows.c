#include "plan/sweep_rows.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/num.h"

/* Behind its names a line has counts of tokens and bytes and at most seven rates: room for them is made once a line. */
enum { DIGITS = 6, NUMBERS_SIZE = 640 };

const char *mf_sweep_header(void)
{
    return "model,quant,machine,context_tokens,prompt_tokens,output_tokens,need_bytes,limit_bytes,"
           "fits,least_headroom_bytes,decode_tok_s,decode_low_tok_s,decode_high_tok_s,decode_basis,"
           "prefill_tok_s,"
           "prefill_low_tok_s,prefill_high_tok_s,prefill_basis,ttft_s\n";
}

void mf_sweep_rows_make(mf_sweep_rows *rows, const mf_engine *engine, const mf_sweep_lists *lists)
{
    enum { QUARTER = 4 };
    rows->n_contexts = lists->n_contexts;
    for (size_t i = 0; i < lists->n_contexts; i++) {
        mf_workload *w = &rows->workloads[i];
        const uint64_t n_ctx = lists->contexts[i];
        *w = engine->defaults;
        w->n_ctx = n_ctx;
        w->n_output = lists->n_output < n_ctx / QUARTER ? lists->n_output : n_ctx / QUARTER;
        w->n_prompt = n_ctx - w->n_output;
        (void)snprintf(rows->tokens[i],
                       MF_SWEEP_TOKENS_SIZE,
                       "%" PRIu64 ",%" PRIu64 ",%" PRIu64,
                       w->n_ctx,
                       w->n_prompt,
                       w->n_output);
    }
}

static char *put_text(char *at, const char *text)
{
    return stpcpy(at, text);
}

static char *put_uint(char *at, uint64_t value)
{
    char digits[24];
    size_t size = sizeof digits;
    do {
        digits[--size] = (char)('0' + value % 10);
        value /= 10;
    } while (value > 0);
    memcpy(at, digits + size, sizeof digits - size);
    return at + sizeof digits - size;
}

static char *put_number(char *at, double value)
{
    return mf_number_put(at, value, DIGITS);
}

static char *put_rates(char *at, const double rates[3], mf_basis basis)
{
    for (size_t i = 0; i < 3; i++) {
        at = put_number(at, rates[i]);
        *at++ = ',';
    }
    return put_text(at, mf_basis_name(basis));
}

static char *put_speed(char *at, const mf_ready_speed *speed, const mf_workload *w)
{
    const double decode[] = {
        speed->decode_tok_s, speed->decode_low_tok_s, speed->decode_high_tok_s};
    const double prefill[] = {
        speed->prefill_tok_s, speed->prefill_low_tok_s, speed->prefill_high_tok_s};
    if (!speed->known) {
        return put_text(at, ",,,,,,,,\n");
    }
    at = put_rates(at, decode, speed->basis[MF_TEST_DECODE]);
    if (!(speed->prefill_tok_s > 0)) {
        return put_text(at, ",,,,,\n");
    }
    *at++ = ',';
    at = put_rates(at, prefill, speed->basis[MF_TEST_PREFILL]);
    *at++ = ',';
    at = put_number(at, (double)w->n_prompt / speed->prefill_tok_s);
    *at++ = '\n';
    return at;
}

/* "model,quant,machine,", quoted where a what-if string holds a comma. */
static void make_names(mf_str *names, const mf_ready_model *model, const char *machine)
{
    const char *quote = strpbrk(machine, ",\"") != NULL ? "\"" : "";
    const char *const parts[] = {
        model->model->id, ",", model->quant->id, ",", quote, machine, quote, ","};
    for (size_t i = 0; i < sizeof parts / sizeof parts[0]; i++) {
        mf_str_add(names, parts[i]);
    }
}

static char *put_need(char *at,
                      bool *fits,
                      const mf_ready_machine *machine,
                      const mf_ready_bytes *weights,
                      const mf_ready_bytes *rest)
{
    const mf_ready_room room = mf_ready_room_of(machine, weights, rest);
    const int64_t left = room.left_bytes;
    *fits = room.fits;
    *at++ = ',';
    at = put_uint(at, room.need_bytes);
    *at++ = ',';
    at = put_uint(at, machine->places.limit_bytes);
    at = put_text(at, *fits ? ",1," : ",0,");
    if (left < INT64_MAX) {
        *at = '-';
        at += left < 0 ? 1 : 0;
        at = put_uint(at, (uint64_t)(left < 0 ? -left : left));
    }
    *at++ = ',';
    return at;
}

void mf_sweep_rows_add(mf_str *out,
                       const mf_sweep_rows *rows,
                       const mf_ready_model *model,
                       const char *name,
                       mf_ready_machine *machine,
                       const mf_ready_bytes *weights,
                       const mf_ready_bytes *rest,
                       mf_sweep_text *speeds)
{
    mf_str names = {0};
    make_names(&names, model, name);
    out->failed = out->failed || names.failed;
    for (size_t i = 0; !out->failed && i < rows->n_contexts; i++) {
        bool fits = false;
        char *start = mf_str_room(out, names.size + NUMBERS_SIZE);
        if (start == NULL) {
            break;
        }
        memcpy(start, names.data, names.size);
        char *at = put_text(start + names.size, rows->tokens[i]);
        at = weights == NULL ? put_text(at, ",,,,")
                             : put_need(at, &fits, machine, weights, &rest[i]);
        if (fits && speeds[i].size > 0) {
            memcpy(at, out->data + speeds[i].at, speeds[i].size);
            at += speeds[i].size;
        } else if (fits) {
            const mf_ready_speed speed = mf_ready_speed_of(machine, &rows->workloads[i]);
            speeds[i].at = out->size + (size_t)(at - start);
            at = put_speed(at, &speed, &rows->workloads[i]);
            speeds[i].size = out->size + (size_t)(at - start) - speeds[i].at;
        } else {
            at = put_text(at, weights == NULL ? ",,,,,,,,,\n" : ",,,,,,,,\n");
        }
        out->size += (size_t)(at - start);
    }
    mf_str_free(&names);
}
