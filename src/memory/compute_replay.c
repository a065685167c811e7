#include "memory/compute_replay.h"

#include <stdlib.h>
#include <string.h>

#include "base/mix.h"

typedef struct replay {
    compute_form *f;
    const compute_places *places;
    galloc a;
} replay;

void mf_compute_form_renew(compute_form *form)
{
    for (size_t i = 0; form->repeats != NULL && i < form->n_runs; i++) {
        free(form->repeats[i].leaves);
        free(form->repeats[i].outside);
    }
    free(form->repeats);
    free(form->counted);
    free(form->reads);
    form->repeats = NULL;
    form->counted = NULL;
    form->reads = NULL;
}

void mf_compute_form_free(compute_form *form)
{
    mf_compute_form_renew(form);
    mf_graph_free(&form->g);
    mf_schedule_free(&form->s);
    free(form->runs);
    free(form->first_ids);
    *form = (compute_form){.n_runs = 0};
}

static bool is_between(uint32_t t, uint32_t begin, uint32_t end)
{
    return t >= begin && t < end;
}

static bool is_of_period(const layer_repeat *p, graph_tensor t)
{
    return is_between(t, p->first, p->first + p->n);
}

static layer_repeat repeat_of(const compute_form *f, const layer_run *r)
{
    const size_t second = r->at + r->period;
    return (layer_repeat){.before = f->first_ids[r->at],
                          .first = f->first_ids[second],
                          .n = f->first_ids[second] - f->first_ids[r->at],
                          .begin = f->s.begins[second],
                          .end = f->s.begins[second + r->period],
                          .n_more = r->n_periods - r->n_kept,
                          .copies = r->n_kept >= COMPUTE_KEPT_WITH_COPIES};
}

/* Belongs to the repeated period or the one before; copies are made where they are read or earlier. */
static bool goes_round(const compute_form *f, const layer_repeat *p, graph_tensor t)
{
    const graph_tensor of = f->g.nodes[t].copy_of;
    return of != GRAPH_NONE ? is_between(of, p->before, p->first + 2 * p->n)
                            : is_between(t, p->before, p->first + p->n);
}

/* Of each copy that one of the first periods makes: in which one it is made first, from 1 on. */
static void note_made(uint8_t *made, const compute_form *f, const layer_run *r)
{
    memset(made, 0, f->g.n_nodes);
    for (size_t k = 0; k < COMPUTE_KEPT_WITH_COPIES; k++) {
        const size_t end = f->s.begins[r->at + (k + 1) * r->period];
        for (size_t i = f->s.begins[r->at + k * r->period]; i < end; i++) {
            const graph_tensor t = f->s.steps.items[i].tensor;
            made[t] = made[t] == 0 && t >= f->n_built ? (uint8_t)(k + 1) : made[t];
        }
    }
}

/* The next period makes its own, a period later; a split that spans many makes all of theirs at its beginning. */
static bool is_made_in_time(const compute_form *f,
                            const layer_repeat *p,
                            const uint8_t *made,
                            graph_tensor copy)
{
    const graph_node *node = &f->g.nodes[copy];
    const graph_tensor next = node->copy_of < p->first + p->n
                                  ? mf_schedule_copy(&f->g, node->copy_of + p->n, node->place)
                                  : GRAPH_NONE;
    return node->output || (next != GRAPH_NONE && made[copy] > 0 &&
                            made[copy] < COMPUTE_KEPT_WITH_COPIES && made[next] == made[copy] + 1);
}

/* What a step of the period reads. False if it is a copy that the next period may not have likewise: of two periods the last
   is followed by other layers, whose copies may be made in it; and a split makes all its copies first, so that where
   it spans many periods there is no telling from three. */
static bool
look_at_step(layer_repeat *p, const compute_form *f, const uint8_t *made, graph_tensor step)
{
    const graph_node *node = &f->g.nodes[step];
    if (step >= f->n_built && !p->copies) {
        return false;
    }
    for (size_t k = 0; k < node->n_src; k++) {
        const graph_tensor source = node->src[k];
        const graph_tensor owner = mf_graph_owner(&f->g, source);
        if (f->g.nodes[owner].external) {
            continue;
        }
        if (!goes_round(f, p, owner)) {
            p->outside[p->n_outside++] = owner;
        } else if (source >= f->n_built && (!p->copies || !is_made_in_time(f, p, made, source))) {
            return false;
        }
    }
    return true;
}

/* Splits that are cut where they are full are not cut alike in every period. */
static bool is_cut(const compute_form *f, const layer_run *r, const layer_repeat *p)
{
    const size_t end = f->s.begins[r->at + r->n_kept * r->period];
    for (size_t i = p->begin; p->copies && i < end; i++) {
        if (f->g.nodes[f->s.steps.items[i].tensor].cuts) {
            return true;
        }
    }
    return false;
}

/* made is room for a number of every tensor. */
static mf_status
prepare_repeat(bool *repeats, compute_form *f, const layer_run *r, layer_repeat *p, uint8_t *made)
{
    *p = repeat_of(f, r);
    if (p->n_more == 0) {
        return MF_OK;
    }
    if (f->first_ids[r->at + 2 * r->period] != p->first + p->n) {
        *repeats = false;
        return MF_OK;
    }
    for (size_t i = 0; i < f->s.leaves.n; i++) {
        if (is_of_period(p, f->s.leaves.items[i].tensor)) {
            p->leaves_begin = p->n_leaves == 0 ? i : p->leaves_begin;
            p->leaves_end = i + 1;
            p->n_leaves++;
        }
    }
    const size_t most = (p->end - p->begin) * GRAPH_MAX_SOURCES + 1;
    p->outside = malloc(most * sizeof *p->outside);
    p->leaves = calloc((p->n_more + 1) * (p->n_leaves + 1), sizeof *p->leaves);
    if (p->outside == NULL || p->leaves == NULL) {
        return MF_E_NOMEM;
    }
    *repeats = !is_cut(f, r, p);
    if (p->copies) {
        note_made(made, f, r);
    }
    for (size_t i = p->begin; *repeats && i < p->end; i++) {
        *repeats = look_at_step(p, f, made, f->s.steps.items[i].tensor);
    }
    for (size_t i = 0; i < p->n_outside; i++) {
        f->counted[p->outside[i]] += (uint32_t)p->n_more;
    }
    return MF_OK;
}

static size_t count_reads(const compute_form *f)
{
    size_t n = 0;
    for (size_t i = 0; i < f->s.steps.n; i++) {
        n += f->g.nodes[f->s.steps.items[i].tensor].n_src;
    }
    return n;
}

/* All that does not depend on sizes. */
static mf_status prepare(bool *repeats, compute_form *f)
{
    const size_t n_steps = f->s.steps.n;
    f->counted = calloc(f->g.n_nodes, sizeof *f->counted);
    f->repeats = calloc(f->n_runs + 1, sizeof *f->repeats);
    f->reads = malloc((count_reads(f) + 1) * sizeof *f->reads);
    uint8_t *made = malloc(f->g.n_nodes);
    if (f->counted == NULL || f->repeats == NULL || f->reads == NULL || made == NULL) {
        free(made);
        return MF_E_NOMEM;
    }
    const galloc_order order = {.steps = f->s.steps.items, .n_steps = n_steps, .reads = f->reads};
    mf_galloc_count(f->counted, &f->g, &order);
    mf_status status = MF_OK;
    for (size_t i = 0; status == MF_OK && *repeats && i < f->n_runs; i++) {
        status = prepare_repeat(repeats, f, &f->runs[i], &f->repeats[i], made);
    }
    free(made);
    return status;
}

/* Copies that a pipeline keeps to the end, of the periods that are not in the graph. */
static void take_kept_copies(replay *r, const layer_repeat *p)
{
    for (uint32_t i = p->first; i < p->first + p->n; i++) {
        graph_tensor copy = r->f->g.nodes[i].copies;
        for (; copy != GRAPH_NONE; copy = r->f->g.nodes[copy].copies) {
            const galloc_step leaf = {.tensor = copy, .buffer = (uint8_t)r->f->g.nodes[copy].place};
            for (size_t k = 0; k < p->n_more * r->places->n_copies; k++) {
                mf_galloc_keep(&r->a, &r->f->g, &leaf);
            }
        }
    }
}

/* Leaves of all periods are allocated before the first step, one period after the other. */
static void take_leaves(replay *r, const layer_repeat *p)
{
    const schedule_list *leaves = &r->f->s.leaves;
    galloc_state *kept = p->leaves;
    for (size_t k = 0; k <= p->n_more; k++) {
        for (size_t i = p->leaves_begin; i < p->leaves_end; i++) {
            const graph_tensor t = leaves->items[i].tensor;
            if (is_of_period(p, t)) {
                r->a.readers[t] &= ~GALLOC_HERE;
                mf_galloc_leaf(&r->a, &r->f->g, &leaves->items[i]);
                *kept++ = r->a.states[t];
            }
        }
    }
}

static void take_all_leaves(replay *r)
{
    const compute_form *f = r->f;
    for (size_t i = 0; r->places->n_copies > 1 && i < f->n_runs; i++) {
        if (f->repeats[i].copies) {
            take_kept_copies(r, &f->repeats[i]);
        }
    }
    for (size_t i = 0; i < f->s.leaves.n; i++) {
        const galloc_step *leaf = &f->s.leaves.items[i];
        const layer_repeat *its = NULL;
        for (size_t k = 0; k < f->n_runs; k++) {
            its = f->repeats[k].n_leaves > 0 && is_of_period(&f->repeats[k], leaf->tensor)
                      ? &f->repeats[k]
                      : its;
        }
        if (its == NULL) {
            mf_galloc_leaf(&r->a, &f->g, leaf);
        } else if ((r->a.readers[leaf->tensor] & GALLOC_HERE) == 0) {
            take_leaves(r, its);
        }
    }
}

static uint64_t mix_state(uint64_t hash, const replay *r, graph_tensor t, uint32_t number)
{
    const galloc_state *state = &r->a.states[t];
    return (r->a.readers[t] & GALLOC_HERE) != 0
               ? mf_mix(mf_mix(mf_mix(hash, number), state->offset), state->buffer)
               : hash;
}

/* The free blocks, and where every tensor of the period before is that is alive. */
static uint64_t state_behind(const replay *r, const layer_repeat *p)
{
    const compute_form *f = r->f;
    uint64_t hash = p->n;
    for (size_t i = 0; i < r->places->n_places; i++) {
        const galloc_buffer *buffer = &r->a.buffers[i];
        hash = mf_mix(hash, buffer->n_blocks);
        for (size_t k = 0; k < buffer->n_blocks; k++) {
            hash = mf_mix(mf_mix(hash, buffer->blocks[k].offset), buffer->blocks[k].size);
        }
    }
    for (uint32_t i = 0; i < p->n; i++) {
        hash = mix_state(hash, r, p->before + i, i);
    }
    for (uint32_t i = 0; p->copies && i < 2 * p->n; i++) {
        graph_tensor copy = f->g.nodes[p->before + i].copies;
        for (; copy != GRAPH_NONE; copy = f->g.nodes[copy].copies) {
            hash = f->g.nodes[copy].output ? hash : mix_state(hash, r, copy, i);
        }
    }
    return hash;
}

/* The repeated period as it is before it runs for the k-th time; readers as in `like`. */
static void begin_period(replay *r, const layer_repeat *p, graph_tensor like, size_t k)
{
    const compute_form *f = r->f;
    memcpy(&r->a.readers[p->first], &f->counted[like], p->n * sizeof *r->a.readers);
    const galloc_state *kept = &p->leaves[k * p->n_leaves];
    for (size_t i = p->leaves_begin; i < p->leaves_end; i++) {
        const graph_tensor t = f->s.leaves.items[i].tensor;
        if (is_of_period(p, t)) {
            r->a.states[t] = *kept++;
            r->a.readers[t] |= GALLOC_HERE;
        }
    }
}

/* False if somebody still wants what becomes of `to`. */
static bool pass_state_on(replay *r, graph_tensor to, graph_tensor from)
{
    const bool unwanted = (r->a.readers[to] & ~GALLOC_HERE) == 0;
    if (unwanted) {
        r->a.states[to] = r->a.states[from];
        r->a.readers[to] = r->a.readers[from];
    }
    return unwanted;
}

/* The state of a period's copy becomes that of the same copy one period before. */
static bool pass_copies_on(replay *r, const layer_repeat *p)
{
    const compute_form *f = r->f;
    for (uint32_t i = p->before; i < p->first + p->n; i++) {
        graph_tensor copy = f->g.nodes[i].copies;
        for (; copy != GRAPH_NONE; copy = f->g.nodes[copy].copies) {
            const graph_node *node = &f->g.nodes[copy];
            const graph_tensor next = mf_schedule_copy(&f->g, i + p->n, node->place);
            if (node->output || next == GRAPH_NONE) {
                continue;
            }
            if (!pass_state_on(r, copy, next)) {
                return false;
            }
        }
    }
    for (size_t i = p->begin; i < p->end; i++) {
        const graph_tensor t = f->s.steps.items[i].tensor;
        if (t >= f->n_built && !f->g.nodes[t].output) {
            r->a.readers[t] = f->counted[t];
        }
    }
    return true;
}

/* What the period has left is what the next one finds; false if somebody still wants what the one before has left. */
static bool pass_on(replay *r, const layer_repeat *p)
{
    for (uint32_t i = 0; i < p->n; i++) {
        if (!pass_state_on(r, p->before + i, p->first + i)) {
            return false;
        }
    }
    return !p->copies || pass_copies_on(r, p);
}

/* How many of the n periods still have to run: the states behind the periods so far have come round, or not. */
static size_t leave_out(const uint64_t *states, size_t n_states, size_t n)
{
    for (size_t d = 1; d < n_states; d++) {
        if (states[n_states - 1] == states[n_states - 1 - d]) {
            return n % d;
        }
    }
    return n;
}

/* Of two periods the second is the last, so that who reads one in between is known from the first. Leaves are given back
   one by one, so that with them nothing comes round. */
static bool run_repeats(replay *r, const layer_repeat *p)
{
    enum { MOST_STATES = 32 };
    compute_form *f = r->f;
    const graph_tensor like = p->copies ? p->first : p->before;
    uint64_t states[MOST_STATES];
    size_t n_states = 0;
    size_t n = p->n_more;
    bool looks = p->n_more > 1 && p->n_leaves == 0;
    while (n > 0) {
        if (looks && n_states < MOST_STATES) {
            states[n_states++] = state_behind(r, p);
            const size_t n_out = n - leave_out(states, n_states, n);
            looks = n_out == 0;
            n -= n_out;
            for (size_t i = 0; n_out > 0 && i < p->n_outside; i++) {
                r->a.readers[p->outside[i]] -= (uint32_t)n_out;
            }
            if (n == 0) {
                break;
            }
        }
        begin_period(r, p, like, p->n_more - n);
        mf_galloc_run(&r->a, &f->g, &f->s.steps.items[p->begin], p->end - p->begin);
        if (!pass_on(r, p)) {
            return false;
        }
        n--;
    }
    begin_period(r, p, p->first, p->n_more);
    return true;
}

static bool run_steps(replay *r)
{
    compute_form *f = r->f;
    size_t i = 0;
    for (size_t next = 0; next <= f->n_runs; next++) {
        const layer_repeat *p = next < f->n_runs ? &f->repeats[next] : NULL;
        const size_t end = p != NULL ? p->begin : f->s.steps.n;
        mf_galloc_run(&r->a, &f->g, &f->s.steps.items[i], end - i);
        i = end;
        if (p != NULL && p->n_more > 0 && !run_repeats(r, p)) {
            return false;
        }
    }
    return true;
}

/* Every reader has run, and only once. */
static bool is_read_up(const replay *r)
{
    const compute_form *f = r->f;
    uint32_t n_left = 0;
    bool whole = true;
    for (size_t i = 0; i < f->n_runs; i++) {
        whole = whole && f->repeats[i].n_more == 0;
    }
    for (uint32_t i = 0; i < f->g.n_nodes; i++) {
        n_left |= r->a.readers[i] & ~GALLOC_HERE;
    }
    return whole || n_left == 0;
}

void mf_compute_room_free(compute_room *room)
{
    free(room->buffers);
    free(room->states);
    free(room->readers);
    *room = (compute_room){.n_tensors = 0};
}

static bool make_room(compute_room *room, const compute_form *form)
{
    const size_t n = form->g.capacity; /* other graphs of the model find room in it, too */
    if (form->g.n_nodes > room->n_tensors) {
        mf_compute_room_free(room);
        room->buffers = malloc(GALLOC_MAX_BUFFERS * sizeof *room->buffers);
        room->states = malloc(n * sizeof *room->states);
        room->readers = malloc(n * sizeof *room->readers);
        const bool made = room->buffers != NULL && room->states != NULL && room->readers != NULL;
        room->n_tensors = made ? n : 0;
    }
    return form->g.n_nodes <= room->n_tensors;
}

mf_status mf_compute_replay(compute_way *way,
                            bool *repeats,
                            compute_form *form,
                            const compute_places *places,
                            compute_room *room)
{
    enum { HOST_ALIGNMENT = 32 };
    *repeats = true;
    mf_status status = form->counted == NULL ? prepare(repeats, form) : MF_OK;
    if (status != MF_OK || !*repeats) {
        return status;
    }
    if (!make_room(room, form)) {
        return MF_E_NOMEM;
    }
    galloc_buffer *buffers = room->buffers;
    memcpy(room->readers, form->counted, form->g.n_nodes * sizeof *room->readers);
    replay r = {
        .f = form,
        .places = places,
        .a = {.buffers = buffers,
              .states = room->states,
              .readers = room->readers,
              .reads = form->reads}
    };
    for (size_t i = 0; i < places->n_places; i++) {
        const bool device = i + 1 < places->n_places;
        mf_galloc_begin(&buffers[i],
                        device ? places->alignment : HOST_ALIGNMENT,
                        device && places->has_scratch);
    }
    take_all_leaves(&r);
    *repeats = run_steps(&r) && is_read_up(&r);
    if (!*repeats) {
        return MF_OK;
    }
    *way = (compute_way){.n_tensors = form->g.n_order, .n_splits = form->s.n_splits};
    for (size_t i = 0; i < places->n_places; i++) {
        status = buffers[i].failed ? MF_E_UNSUPPORTED : status;
        way->bytes[i] = buffers[i].max_size;
        way->path = mf_mix(way->path, buffers[i].path);
    }
    return status;
}
