#include <math.h>

#include "base/num.h"
#include "base/units.h"
#include "cli/audit.h"
#include "report/json_writer.h"
#include "report/wording.h"

typedef struct grade_row {
    mf_grade grade;
    mf_tone tone;
    const char *text;
} grade_row;

static const grade_row grades[] = {
    {MF_GRADE_CONSISTENT, MF_TONE_GOOD,    "consistent with the hardware as stated"                  },
    {MF_GRADE_EDGE,       MF_TONE_CAREFUL, "at the edge: more than this hardware usually reaches"    },
    {MF_GRADE_OTHER,      MF_TONE_BAD,     "not possible for one stream as stated"                   },
    {MF_GRADE_IMPOSSIBLE, MF_TONE_BAD,     "impossible as stated"                                    },
    {MF_GRADE_SLOW,       MF_TONE_CAREFUL, "slower than expected: check offload, swap and power mode"},
};

static const grade_row *row_of(mf_grade grade)
{
    size_t i = 0;
    while (i + 1 < sizeof grades / sizeof grades[0] && grades[i].grade != grade) {
        i++;
    }
    return &grades[i];
}

static const char *verdict_of(const mf_audited *to)
{
    return to->test == MF_TEST_PREFILL && to->audit.grade == MF_GRADE_OTHER
               ? "not possible for one prompt, nothing of it cached, as stated"
               : row_of(to->audit.grade)->text;
}

bool mf_audit_is_possible(const mf_audited *to)
{
    return !to->judged ||
           (to->audit.grade != MF_GRADE_OTHER && to->audit.grade != MF_GRADE_IMPOSSIBLE);
}

static void pair(mf_document *d, const char *name, double value, mf_dimension dimension)
{
    char text[MF_NUMBER_SIZE + 16];
    mf_document_cell(d, "%s", name);
    mf_document_cell(d, "%s", mf_quantity_text(text, value, dimension, 3));
}

static void number(mf_document *d, const char *name, double value)
{
    char text[MF_NUMBER_SIZE];
    mf_document_cell(d, "%s", name);
    mf_document_cell(d, "%s", mf_number_text(text, value, 3));
}

static void show_arithmetic(mf_document *d, const mf_audited *to)
{
    char bytes[MF_NUMBER_SIZE];
    mf_document_begin(d, MF_BLOCK_PAIRS, 2, NULL);
    if (to->model != NULL) {
        mf_document_cell(d, "model");
        mf_document_cell(d, "%s", to->model);
    }
    mf_document_cell(d, "machine");
    mf_document_cell(d, "%s", to->machine_name);
    if (to->test == MF_TEST_PREFILL) {
        mf_document_cell(d, "prompt");
        mf_document_cell(d, "%s tokens", mf_number_text(bytes, to->prompt_tokens, 6));
    }
    if (to->ttft_s > 0) {
        pair(d, "claim, to the first token", to->ttft_s, MF_DIM_TIME);
    }
    number(d,
           to->test == MF_TEST_PREFILL ? "claim, prompt tokens/s" : "claim, tokens/s",
           to->claim.tok_s);
    if (to->ground.too_big) {
        mf_document_cell(d, "memory");
        mf_document_cell(d, "the model does not fit this machine");
    }
    if (!(to->ground.ceiling_tok_s > 0)) {
        return;
    }
    if (to->ground.bytes_per_s > 0) {
        mf_document_cell(d, "a token reads");
        mf_document_cell(d, "%s GB", mf_number_text(bytes, to->audit.read_bytes / 1e9, 3));
        pair(d, "one stream needs", to->audit.needed_bytes_per_s, MF_DIM_BANDWIDTH);
        pair(d, "specified", to->ground.bytes_per_s, MF_DIM_BANDWIDTH);
    }
    pair(d,
         to->test == MF_TEST_PREFILL ? "share of the ceiling" : "share of the peak",
         to->audit.share_of_peak,
         MF_DIM_FRACTION);
    number(d, "ceiling, tokens/s", to->ground.ceiling_tok_s);
    if (to->ground.expected_tok_s > 0) {
        char rate[MF_WORDING_SIZE];
        char range[MF_WORDING_SIZE];
        mf_document_cell(d, "predicted, tokens/s");
        mf_document_cell(d,
                         "%s (90 %%: %s, %s)",
                         mf_rate_text(rate, &to->predicted),
                         mf_range_text(range, &to->predicted),
                         mf_basis_name(to->predicted.basis));
    }
}

static void show_other_hardware(mf_document *d, const mf_audited *to, double times)
{
    char text[MF_NUMBER_SIZE + 16];
    mf_document_cell(d,
                     "memory of at least %s",
                     mf_quantity_text(text, times * to->ground.bytes_per_s, MF_DIM_BANDWIDTH, 3));
    mf_document_cell(d,
                     "at most %s GB read per token: a smaller model, fewer active experts",
                     mf_number_text(text, to->audit.read_bytes / times / 1e9, 3));
}

/* Prompts at once, or drafts, make none of them faster. */
static void show_ways_of_prompt(mf_document *d, const mf_audited *to)
{
    char text[MF_NUMBER_SIZE + 16];
    const double share = to->audit.share_of_peak;
    const double active = (double)to->loaded.prediction.counts.active_parameters;
    mf_document_begin(d, MF_BLOCK_LIST, 1, "What would explain it");
    mf_document_cell(d,
                     "at least %s of the prompt were cached from an earlier one",
                     mf_quantity_text(text, 1 - 1 / share, MF_DIM_FRACTION, 3));
    mf_document_cell(d, "hardware with %s times the rates", mf_number_text(text, share, 3));
    mf_document_cell(
        d,
        "at most %s billion weights used per token, of these %s: a smaller model, fewer "
        "active experts",
        mf_number_text(text, active / share / 1e9, 3),
        mf_number_text((char[MF_NUMBER_SIZE]){0}, active / 1e9, 3));
    if (to->short_tok_s > to->claim.tok_s) {
        mf_document_cell(d, "a shorter prompt: less attention");
    }
    mf_document_cell(d, "units: a time in ms for s, tokens of several prompts");
}

/* Split by layers, devices read one after the other; by tensors at once. */
static bool tensors_would_do(const mf_audited *to)
{
    const mf_case *run = &to->loaded.run;
    return run->machine && run->workload.split == MF_SPLIT_LAYER &&
           to->audit.least_tokens_per_step <= (double)mf_machine_count_devices(run->machine);
}

static void show_ways(mf_document *d, const mf_audited *to)
{
    char text[MF_NUMBER_SIZE + 16];
    if (to->audit.grade != MF_GRADE_OTHER && to->audit.grade != MF_GRADE_IMPOSSIBLE) {
        return;
    }
    if (to->ground.too_big) {
        return;
    }
    if (to->test == MF_TEST_PREFILL) {
        show_ways_of_prompt(d, to);
        return;
    }
    const double times = to->audit.least_tokens_per_step;
    mf_document_begin(d, MF_BLOCK_LIST, 1, "What would explain it");
    mf_document_cell(d,
                     "the sum of at least %s sequences at once",
                     mf_number_text(text, ceil(times * fmax(1, to->claim.n_sequences)), 4));
    mf_document_cell(d,
                     "speculation that gives at least %s tokens a step",
                     mf_number_text(text, times * fmax(1, to->claim.tokens_per_step), 2));
    if (tensors_would_do(to)) {
        mf_document_cell(d, "the model split by tensors over the devices (--split tensor)");
    }
    if (to->ground.bytes_per_s > 0) {
        show_other_hardware(d, to, times);
    }
    mf_document_cell(d, "units: GB/s for Gb/s (8), tokens of the prompt counted as output");
}

static void show_one(mf_document *d, const mf_audited *to)
{
    const grade_row *row = row_of(to->audit.grade);
    mf_document_begin(d, MF_BLOCK_VERDICT, 2, NULL);
    mf_document_tone(d, row->tone);
    mf_document_cell(d, "%c", (int)row->grade);
    mf_document_cell(d, "%s", verdict_of(to));
    show_arithmetic(d, to);
    show_ways(d, to);
}

static void rate_cell(mf_document *d, bool known, double value)
{
    char text[MF_NUMBER_SIZE];
    mf_document_cell(d, "%s", known ? mf_number_text(text, value, 3) : "-");
}

static const char *subject(const mf_audited *to)
{
    return to->model != NULL ? to->model : to->bytes;
}

static void show_list(mf_document *d, const mf_audited_list *list)
{
    static const char *const heads[] = {
        "on", "of", "claim", "grade", "of the peak", "ceiling", "predicted"};
    mf_document_begin(d, MF_BLOCK_TABLE, 8, "Claims, tokens per second");
    mf_document_cell(d, "model or bytes");
    for (size_t i = 0; i < sizeof heads / sizeof heads[0]; i++) {
        mf_document_cell(d, "%s", heads[i]);
    }
    for (size_t i = 0; i < list->n_items; i++) {
        const mf_audited *to = &list->items[i];
        char text[MF_NUMBER_SIZE + 16];
        const bool known = to->judged && to->audit.share_of_peak > 0;
        mf_document_cell(d, "%s", subject(to));
        mf_document_cell(d, "%s", to->machine_name);
        mf_document_cell(d, "%s", to->test == MF_TEST_PREFILL ? "prompt" : "output");
        rate_cell(d, true, to->claim.tok_s);
        mf_document_cell(d, "%c", to->judged ? (int)to->audit.grade : '-');
        mf_document_cell(d,
                         "%s",
                         known ? mf_quantity_text(text, to->audit.share_of_peak, MF_DIM_FRACTION, 3)
                               : "-");
        rate_cell(d, to->judged && to->ground.ceiling_tok_s > 0, to->ground.ceiling_tok_s);
        rate_cell(d, to->judged && to->ground.expected_tok_s > 0, to->ground.expected_tok_s);
    }
    mf_document_begin(d, MF_BLOCK_LIST, 1, "What the grades say");
    for (size_t i = 0; i < sizeof grades / sizeof grades[0]; i++) {
        mf_document_cell(d, "%c  %s", (int)grades[i].grade, grades[i].text);
    }
    for (size_t i = 0; i < list->n_items; i++) {
        if (!list->items[i].judged) {
            mf_document_cell(d,
                             "-  %s on %s: %s",
                             subject(&list->items[i]),
                             list->items[i].machine_name,
                             list->items[i].reason);
        }
    }
}

static void write_claim(mf_json_writer *w, const mf_audited *to)
{
    const char letter[] = {(char)to->audit.grade, '\0'};
    const mf_audit *audit = &to->audit;
    const mf_audit_ground *ground = &to->ground;
    mf_jw_open(w, NULL, '{');
    mf_jw_text(w, "model", to->model);
    mf_jw_text(w, "machine", to->machine_name);
    mf_jw_text(w, "test", to->test == MF_TEST_PREFILL ? "pp" : "tg");
    mf_jw_number(w, "prompt_tokens", to->test == MF_TEST_PREFILL, to->prompt_tokens);
    mf_jw_number(w, "claimed_ttft_s", to->ttft_s > 0, to->ttft_s);
    mf_jw_number(w, "claimed_tok_s", true, to->claim.tok_s);
    mf_jw_number(w, "sequences", true, to->claim.n_sequences);
    mf_jw_number(w, "tokens_per_step", true, fmax(1, to->claim.tokens_per_step));
    mf_jw_text(w, "grade", to->judged ? letter : NULL);
    mf_jw_text(w, "verdict", to->judged ? verdict_of(to) : NULL);
    mf_jw_number(w, "read_bytes", audit->read_bytes > 0, audit->read_bytes);
    mf_jw_number(w, "needed_bytes_per_s", audit->needed_bytes_per_s > 0, audit->needed_bytes_per_s);
    mf_jw_number(w, "bandwidth_bytes_per_s", ground->bytes_per_s > 0, ground->bytes_per_s);
    mf_jw_number(w, "share_of_peak", audit->share_of_peak > 0, audit->share_of_peak);
    mf_jw_number(w, "ceiling_tok_s", ground->ceiling_tok_s > 0, ground->ceiling_tok_s);
    mf_jw_number(w, "predicted_tok_s", ground->expected_tok_s > 0, ground->expected_tok_s);
    mf_jw_number(w,
                 "least_tokens_per_step",
                 audit->least_tokens_per_step > 0 && to->test == MF_TEST_DECODE,
                 audit->least_tokens_per_step);
    mf_jw_bool(w, "fits", !ground->too_big);
    mf_jw_text(w, "note", to->note);
    mf_jw_text(w, "reason", to->judged ? NULL : to->reason);
    mf_jw_close(w, '}');
}

static void write_json(mf_str *out, const mf_audited_list *list)
{
    mf_json_writer w = {.out = out};
    mf_jw_open(&w, NULL, '{');
    mf_jw_text(&w, "schema", "memfit.audit/1");
    mf_jw_open(&w, "claims", '[');
    for (size_t i = 0; i < list->n_items; i++) {
        write_claim(&w, &list->items[i]);
    }
    mf_jw_close(&w, ']');
    mf_jw_close(&w, '}');
}

mf_status mf_audit_write(const mf_audited_list *list, const mf_arguments *arguments, mf_error *err)
{
    mf_document d = {0};
    mf_str text = {0};
    mf_status status = MF_OK;
    if (mf_cli_is_format(arguments, "json")) {
        write_json(&text, list);
        status = mf_str_status(&text, err);
    } else {
        if (arguments->n_positional == 0) {
            show_one(&d, &list->items[0]);
        } else {
            show_list(&d, list);
        }
        status = mf_cli_write_document(&text, &d, "memfit audit", arguments, err);
    }
    status = status == MF_OK ? mf_cli_write(&text, arguments->output_file, err) : status;
    mf_str_free(&text);
    mf_document_free(&d);
    return status;
}
