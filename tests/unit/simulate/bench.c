#include "bench.h"

#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <stdlib.h>

static uint64_t drawn_next(void *self)
{
    drawn *d = self;
    if (d->n_taken == d->n_requests) {
        return MF_NEVER;
    }
    if (d->next_ns == 0) {
        mf_rng rng = mf_rng_start((mf_rng_key){.seed = d->seed, .stream = 1, .item = 0});
        d->next_ns = 1 + mf_nanoseconds(mf_rng_exponential(&rng, 1 / d->rate));
    }
    return d->next_ns;
}

static mf_status drawn_take(void *self, mf_request *request, mf_error *err)
{
    (void)err;
    drawn *d = self;
    mf_rng rng = mf_rng_start((mf_rng_key){.seed = d->seed, .stream = 2, .item = d->n_taken});
    *request = (mf_request){.arrival_ns = drawn_next(self), .input_tokens = 1, .output_tokens = 1};
    d->fill(request, &rng);
    d->n_taken++;
    mf_rng gap = mf_rng_start((mf_rng_key){.seed = d->seed, .stream = 1, .item = d->n_taken});
    d->next_ns += mf_nanoseconds(mf_rng_exponential(&gap, 1 / d->rate));
    return MF_OK;
}

mf_arrivals source_of_drawn(drawn *d)
{
    return (mf_arrivals){.self = d, .next_ns = drawn_next, .take = drawn_take};
}

static uint64_t listed_next(void *self)
{
    const listed *l = self;
    return l->n_taken < l->n_items ? l->items[l->n_taken].arrival_ns : MF_NEVER;
}

static mf_status listed_take(void *self, mf_request *request, mf_error *err)
{
    (void)err;
    listed *l = self;
    *request = l->items[l->n_taken++];
    return mf_chunks_copy(&request->chunks, request->chunks) ? MF_OK : MF_E_NOMEM;
}

mf_arrivals source_of_list(listed *l)
{
    return (mf_arrivals){.self = l, .next_ns = listed_next, .take = listed_take};
}

void ledger_free(ledger *l)
{
    free(l->rows);
    mf_samples_free(&l->sojourn_s);
    mf_samples_free(&l->wait_s);
    *l = (ledger){0};
}

static mf_status note(void *payload, const mf_outcome_row *row, mf_error *err)
{
    ledger *l = payload;
    const uint64_t arrival_ns = row->request->arrival_ns;
    if (l->keep_rows) {
        if (row->id >= l->room) {
            l->room = 2 * row->id + 64;
            l->rows = realloc(l->rows, l->room * sizeof *l->rows);
            cr_assert_not_null(l->rows);
        }
        l->n_rows = row->id >= l->n_rows ? row->id + 1 : l->n_rows;
        l->rows[row->id] = (ended_row){.id = row->id,
                                       .arrival_ns = arrival_ns,
                                       .start_ns = row->start_ns,
                                       .first_ns = row->first_ns,
                                       .end_ns = row->end_ns,
                                       .given = row->given_tokens,
                                       .cached = row->cached_tokens,
                                       .n_preempted = row->n_preempted,
                                       .outcome = row->outcome};
    }
    if ((double)row->id < l->skip || row->outcome == MF_SERVED_REFUSED) {
        return MF_OK;
    }
    const mf_status status =
        mf_samples_add(&l->sojourn_s, mf_seconds(row->end_ns - arrival_ns), err);
    return status == MF_OK ? mf_samples_add(&l->wait_s, mf_seconds(row->start_ns - arrival_ns), err)
                           : status;
}

mf_world_totals run_world(ledger *l, mf_world_setup setup)
{
    mf_error err = {0};
    mf_world_totals totals = {0};
    setup.hooks.ended = note;
    setup.hooks.payload = l;
    setup.n_servers = setup.n_servers > 0 ? setup.n_servers : 1;
    const mf_status status = mf_world_run(&totals, &setup, &err);
    cr_assert(eq(int, status, MF_OK), "%s", err.message);
    return totals;
}

mf_pace make_pace(simple_pace simple)
{
    mf_pace pace = {0};
    cr_assert(eq(int, mf_pace_init(&pace, simple.max_sequences, simple.max_tokens, NULL), MF_OK));
    for (uint32_t b = 0; b <= simple.max_sequences; b++) {
        pace.decode_ps[b] = simple.step_ps + b * simple.each_ps;
    }
    for (uint32_t t = 0; t <= simple.max_tokens; t++) {
        pace.prompt_ps[t] = simple.step_ps + t * simple.token_ps;
    }
    return pace;
}
