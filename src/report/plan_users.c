/*
 * plan_users.c - the pick in use: what each of several sequences gets of it, as a wished speed is judged by one alone, and what is
 * left of its speed when the wished context is full.
 */
#include <inttypes.h>
#include <stdio.h>

#include "report/plan.h"
#include "report/wording.h"

typedef char text[MF_WORDING_SIZE];

void mf_trace_choice(mf_document *document,
                     const char *id,
                     const mf_choice *choice,
                     const char *how)
{
    char full[192];
    const mf_rate *rate = &choice->decode;
    if (rate->known) {
        (void)snprintf(full, sizeof full, "%.120s/decode", id);
        mf_document_figure(
            document, full, "speed law, decode: docs/speed.md", "tok/s", rate->tok_s);
        mf_document_interval(document, rate->low_tok_s, rate->high_tok_s);
        mf_document_input(document, 0, "scheme", "%s", how);
        mf_document_input(document, 0, "basis", "%s", mf_basis_name(rate->basis));
    }
    if (choice->loss.known) {
        (void)snprintf(full, sizeof full, "%.120s/loss", id);
        mf_document_figure(document,
                           full,
                           "mean Kullback-Leibler divergence of the scheme, measured on Llama 3 "
                           "8B: llama.cpp tools/perplexity",
                           "nats",
                           choice->loss.divergence);
        mf_document_input(document, 0, "scheme", "%s", how);
    }
}

mf_rate mf_rate_share(const mf_rate *rate, uint32_t n)
{
    mf_rate each = *rate;
    each.tok_s /= n;
    each.low_tok_s /= n;
    each.high_tok_s /= n;
    return each;
}

static void rate_pair(mf_document *d, const char *name, const mf_rate *rate, const char *more)
{
    char id[64];
    text speed;
    text range;
    mf_document_cell(d, "%s", name);
    mf_document_cell(
        d, "%s tok/s (90 %%: %s)%s", mf_rate_text(speed, rate), mf_range_text(range, rate), more);
    (void)snprintf(id, sizeof id, "at-once/%.40s", name);
    mf_document_figure(
        d, id, "law of a step with all sequences in it: docs/speed.md", "tok/s", rate->tok_s);
    mf_document_interval(d, rate->low_tok_s, rate->high_tok_s);
    mf_document_input(d, 0, "basis", "%s", mf_basis_name(rate->basis));
}

mf_status mf_show_plan_users(mf_document *document, const mf_plan_shown *shown, mf_error *err)
{
    mf_case run;
    mf_prediction prediction = {0};
    char heading[64];
    char number[MF_NUMBER_SIZE];
    text more = "";
    const mf_plan_result *r = shown->result;
    const mf_wish *wish = &shown->request->wish;
    const uint32_t n = shown->request->workload.n_parallel;
    if (n < 2 || r->pick >= r->n_choices) {
        return MF_OK;
    }
    const mf_status status = mf_plan_predict(
        &prediction, &run, shown->planner, &r->choices[r->pick], shown->machine, err);
    if (status != MF_OK || !prediction.together.known) {
        return status;
    }
    const mf_rate each = mf_rate_share(&prediction.together, n);
    if (wish->min_tok_s > 0 && each.tok_s < wish->min_tok_s) {
        (void)snprintf(more,
                       sizeof more,
                       ": the wished %s are of one alone",
                       mf_number_text(number, wish->min_tok_s, 3));
    }
    (void)snprintf(heading, sizeof heading, "%u sequences at once", (unsigned)n);
    mf_document_begin(document, MF_BLOCK_PAIRS, 2, heading);
    rate_pair(document, "together", &prediction.together, "");
    rate_pair(document, "each", &each, more);
    return MF_OK;
}

mf_status mf_show_plan_full(mf_document *document, const mf_plan_shown *shown, mf_error *err)
{
    enum { MUCH_LONGER = 4 };
    mf_case run;
    mf_prediction prediction = {0};
    text speed;
    text range;
    const mf_plan_result *r = shown->result;
    if (r->pick >= r->n_choices || !r->choices[r->pick].fits) {
        return MF_OK;
    }
    mf_choice full = r->choices[r->pick];
    mf_workload *w = &full.workload;
    const uint64_t streams = mf_workload_streams(w);
    const uint64_t trained = shown->request->model->context_max;
    const uint64_t asked = w->n_ctx / streams;
    const uint64_t room = trained > 0 && trained < asked ? trained : asked;
    if (room < MUCH_LONGER * (w->n_prompt + w->n_output)) {
        return MF_OK;
    }
    w->n_prompt = room - w->n_output;
    const mf_status status =
        mf_plan_predict(&prediction, &run, shown->planner, &full, shown->machine, err);
    if (status != MF_OK || !prediction.decode.known) {
        return status;
    }
    mf_document_begin(document, MF_BLOCK_PAIRS, 2, "With the context full");
    mf_document_cell(document, "decode");
    mf_document_cell(document,
                     "%s tok/s (90 %%: %s), %" PRIu64 " tokens of it read before",
                     mf_rate_text(speed, &prediction.decode),
                     mf_range_text(range, &prediction.decode),
                     w->n_prompt);
    mf_document_figure(document,
                       "full/decode",
                       "speed law, decode: docs/speed.md",
                       "tok/s",
                       prediction.decode.tok_s);
    mf_document_interval(document, prediction.decode.low_tok_s, prediction.decode.high_tok_s);
    mf_document_input(document, 0, "basis", "%s", mf_basis_name(prediction.decode.basis));
    if (prediction.ttft.known) {
        mf_document_cell(document, "first token");
        mf_document_cell(document, "%s", mf_duration_text(speed, &prediction.ttft));
        mf_document_figure(
            document, "full/ttft", "prompt tokens / prefill tok/s", "s", prediction.ttft.s);
        mf_document_interval(document, prediction.ttft.low_s, prediction.ttft.high_s);
        mf_document_input(document, 0, "prompt tokens", "%" PRIu64, w->n_prompt);
    }
    return MF_OK;
}

void mf_show_plan_raised(mf_document *document, const mf_plan_shown *shown)
{
    char how[160];
    char loss[96];
    char bytes[MF_NUMBER_SIZE + 16];
    text speed;
    text range;
    const mf_plan_raised *raised = &shown->raised;
    const mf_choice *c = &raised->choice;
    if (!raised->known) {
        return;
    }
    mf_document_begin(document, MF_BLOCK_PAIRS, 2, "With the GPU limit raised");
    mf_document_cell(document, "take");
    mf_document_cell(document,
                     "%s: %s tok/s (90 %%: %s), loss %s",
                     mf_choice_text(how, shown->request, c),
                     mf_rate_text(speed, &c->decode),
                     mf_range_text(range, &c->decode),
                     mf_loss_text(loss, &c->loss));
    mf_trace_choice(document, "raised", c, how);
    mf_document_cell(document, "by");
    mf_document_cell(document, "%s%s", raised->limit.command, raised->limit.until);
    mf_document_cell(document, "leaves");
    mf_document_cell(document,
                     "%s for everything else",
                     mf_bytes_text(bytes, (double)raised->limit.left_bytes, 2));
    mf_document_figure(document,
                       "raised/left",
                       "shared memory - sum of the memory terms: docs/memory.md",
                       "bytes",
                       (double)raised->limit.left_bytes);
    mf_document_input(document, 0, "machine", "%s", shown->machine->id);
}
