#include "memory/compute_memo.h"

#include <stdlib.h>
#include <string.h>

enum {
    ALIGNMENT = 128, /* no buffer is aligned more coarsely */
    N_SIZES = 8,
    MAX_FORMS = 3, /* of a few megabytes each: two series of three ways */
};

/* A node's bytes, its scratch together and apart, its shape and its elements' width. */
typedef struct node_sizes {
    uint64_t of[N_SIZES];
} node_sizes;

/* A node that grows with the cells. */
typedef struct growing_node {
    uint32_t node;
    node_sizes base;  /* at the series' first point */
    node_sizes slope; /* a step of cells */
} growing_node;

typedef struct compute_point {
    uint64_t cells;
    bool follows; /* its sizes were those of the line */
    compute_way ways[COMPUTE_MAX_WAYS];
} compute_point;

/* One way's graph and its sizes at the cells of `from`; the growing nodes are known once it was built at `to` as well. */
typedef struct series_form {
    compute_form *form; /* the memo's */
    node_sizes *sizes;  /* of the nodes that hold memory */
    growing_node *growing;
    size_t n_growing;
} series_form;

/* Points of the same key but for the cells, in their order. */
typedef struct compute_series {
    compute_key key;
    int8_t *layer_places;
    size_t n_ways;
    series_form forms[COMPUTE_MAX_WAYS];
    bool grows_evenly; /* sizes between from and to are known */
    uint64_t from;
    uint64_t to;
    compute_point *points;
    size_t n_points;
} compute_series;

/* Runs that settled once: of so many layers from there on. */
typedef struct settled_run {
    size_t begin;
    size_t period;
    size_t n_periods;
    size_t n_kept;
} settled_run;

/* The kernels that are given up in a placement. */
typedef struct given_up {
    compute_key key;
    int8_t *layer_places;
    bool unfused[FUSED_OPS];
} given_up;

struct compute_memo {
    compute_form *forms[MAX_FORMS]; /* the one used last first */
    size_t n_forms;
    compute_form blank;
    compute_room room;
    compute_series *series;
    size_t n_series;
    settled_run *runs;
    size_t n_runs;
    given_up *given_up;
    size_t n_given_up;
};

compute_memo *mf_compute_memo_new(void)
{
    return calloc(1, sizeof(compute_memo));
}

/* Its points stay. */
static void forget_forms(compute_series *s)
{
    for (size_t w = 0; w < s->n_ways; w++) {
        free(s->forms[w].sizes);
        free(s->forms[w].growing);
        s->forms[w] = (series_form){.form = NULL};
    }
    s->grows_evenly = false;
}

void mf_compute_memo_free(compute_memo *memo)
{
    if (memo == NULL) {
        return;
    }
    for (size_t i = 0; i < memo->n_series; i++) {
        compute_series *s = &memo->series[i];
        forget_forms(s);
        free(s->points);
        free(s->layer_places);
    }
    for (size_t i = 0; i < memo->n_forms; i++) {
        mf_compute_form_free(memo->forms[i]);
        free(memo->forms[i]);
    }
    for (size_t i = 0; i < memo->n_given_up; i++) {
        free(memo->given_up[i].layer_places);
    }
    mf_compute_form_free(&memo->blank);
    mf_compute_room_free(&memo->room);
    free(memo->given_up);
    free(memo->series);
    free(memo->runs);
    free(memo);
}

static void put_first(compute_memo *memo, size_t index)
{
    compute_form *form = memo->forms[index];
    memmove(&memo->forms[1], &memo->forms[0], index * sizeof(compute_form *));
    memo->forms[0] = form;
}

compute_form *mf_compute_memo_form(compute_memo *memo, uint64_t structure)
{
    for (size_t i = 0; memo != NULL && i < memo->n_forms; i++) {
        if (memo->forms[i]->structure == structure) {
            put_first(memo, i);
            return memo->forms[0];
        }
    }
    return NULL;
}

static void forget_form(compute_memo *memo, const compute_form *form)
{
    for (size_t i = 0; i < memo->n_series; i++) {
        compute_series *s = &memo->series[i];
        bool has_it = false;
        for (size_t w = 0; w < s->n_ways; w++) {
            has_it = has_it || s->forms[w].form == form;
        }
        if (has_it) {
            forget_forms(s);
        }
    }
}

compute_form *mf_compute_memo_take(compute_memo *memo, compute_form *form)
{
    if (memo == NULL) {
        return NULL;
    }
    if (memo->n_forms < MAX_FORMS) {
        compute_form *room = calloc(1, sizeof *room);
        if (room == NULL) {
            return NULL;
        }
        memo->forms[memo->n_forms++] = room;
    }
    put_first(memo, memo->n_forms - 1);
    mf_compute_form_renew(memo->forms[0]);
    forget_form(memo, memo->forms[0]);
    const compute_form oldest = *memo->forms[0];
    *memo->forms[0] = *form;
    *form = oldest;
    return memo->forms[0];
}

compute_room *mf_compute_memo_room(compute_memo *memo)
{
    return memo != NULL ? &memo->room : NULL;
}

void mf_compute_memo_take_blank(compute_form *blank, compute_memo *memo)
{
    *blank = memo != NULL ? memo->blank : (compute_form){.n_runs = 0};
    if (memo != NULL) {
        memo->blank = (compute_form){.n_runs = 0};
    }
}

void mf_compute_memo_give_blank(compute_memo *memo, compute_form *blank)
{
    if (memo == NULL || memo->blank.runs != NULL) {
        mf_compute_form_free(blank);
        return;
    }
    memo->blank = *blank;
    *blank = (compute_form){.n_runs = 0};
}

static settled_run *find_run(const compute_memo *memo, const layer_run *run)
{
    for (size_t i = 0; i < memo->n_runs; i++) {
        settled_run *r = &memo->runs[i];
        if (r->begin == run->begin && r->period == run->period && r->n_periods == run->n_periods) {
            return r;
        }
    }
    return NULL;
}

size_t mf_compute_memo_kept(const compute_memo *memo, const layer_run *run)
{
    const settled_run *found = memo != NULL ? find_run(memo, run) : NULL;
    if (found != NULL) {
        return found->n_kept;
    }
    size_t n_kept = COMPUTE_LEAST_KEPT;
    for (size_t i = 0; memo != NULL && i < memo->n_runs; i++) {
        const settled_run *r = &memo->runs[i];
        const bool alike = r->period == run->period && r->n_kept < r->n_periods;
        n_kept = alike && r->n_kept > n_kept ? r->n_kept : n_kept;
    }
    return n_kept < run->n_periods ? n_kept : run->n_periods;
}

void mf_compute_memo_keep(compute_memo *memo, const compute_form *form)
{
    for (size_t i = 0; memo != NULL && i < form->n_runs; i++) {
        const layer_run *run = &form->runs[i];
        settled_run *found = find_run(memo, run);
        if (found == NULL) {
            settled_run *grown = realloc(memo->runs, (memo->n_runs + 1) * sizeof *grown);
            if (grown == NULL) {
                return;
            }
            memo->runs = grown;
            found = &grown[memo->n_runs++];
        }
        *found = (settled_run){run->begin, run->period, run->n_periods, run->n_kept};
    }
}

static bool same_key(const compute_key *a, const compute_key *b)
{
    return a->n_layer_places == b->n_layer_places && a->cell_step == b->cell_step &&
           a->window_cells == b->window_cells && a->n_unpicked == b->n_unpicked &&
           a->scratch == b->scratch && a->n_tokens == b->n_tokens && a->n_outputs == b->n_outputs &&
           a->n_sequences == b->n_sequences && a->n_streams == b->n_streams &&
           a->n_cpu_moe == b->n_cpu_moe && a->kv_type_k == b->kv_type_k &&
           a->kv_type_v == b->kv_type_v && a->places.n_places == b->places.n_places &&
           a->places.alignment == b->places.alignment &&
           a->places.has_scratch == b->places.has_scratch &&
           a->places.n_copies == b->places.n_copies && a->flash_attention == b->flash_attention &&
           a->kv_offload == b->kv_offload && a->offloads == b->offloads &&
           a->norms_stay == b->norms_stay && a->attends_on_host == b->attends_on_host &&
           a->host_types == b->host_types &&
           memcmp(a->layer_places, b->layer_places, a->n_layer_places) == 0;
}

static int8_t *copy_places(const compute_key *key)
{
    int8_t *copy = malloc(key->n_layer_places);
    if (copy != NULL) {
        memcpy(copy, key->layer_places, key->n_layer_places);
    }
    return copy;
}

bool mf_compute_memo_find_unfused(bool unfused[FUSED_OPS],
                                  const compute_memo *memo,
                                  const compute_key *key)
{
    for (size_t i = 0; memo != NULL && i < memo->n_given_up; i++) {
        if (same_key(&memo->given_up[i].key, key)) {
            memcpy(unfused, memo->given_up[i].unfused, FUSED_OPS * sizeof *unfused);
            return true;
        }
    }
    return false;
}

void mf_compute_memo_keep_unfused(compute_memo *memo,
                                  const compute_key *key,
                                  const bool unfused[FUSED_OPS])
{
    int8_t *places = memo != NULL ? copy_places(key) : NULL;
    given_up *grown =
        places != NULL ? realloc(memo->given_up, (memo->n_given_up + 1) * sizeof *grown) : NULL;
    if (grown == NULL) {
        free(places);
        return;
    }
    memo->given_up = grown;
    given_up *g = &grown[memo->n_given_up++];
    *g = (given_up){.key = *key, .layer_places = places};
    g->key.layer_places = places;
    memcpy(g->unfused, unfused, FUSED_OPS * sizeof *unfused);
}

static compute_series *find_series(const compute_memo *memo, const compute_key *key)
{
    for (size_t i = 0; i < memo->n_series; i++) {
        if (same_key(&memo->series[i].key, key)) {
            return &memo->series[i];
        }
    }
    return NULL;
}

/* The first point that is not shorter. */
static size_t place_of(const compute_series *s, uint64_t cells)
{
    size_t i = 0;
    while (i < s->n_points && s->points[i].cells < cells) {
        i++;
    }
    return i;
}

static void insert_point(compute_series *s, uint64_t cells, const compute_way *ways, bool follows)
{
    compute_point *grown = realloc(s->points, (s->n_points + 1) * sizeof *grown);
    if (grown == NULL) {
        return;
    }
    s->points = grown;
    const size_t at = place_of(s, cells);
    memmove(&grown[at + 1], &grown[at], (s->n_points - at) * sizeof *grown);
    grown[at].cells = cells;
    grown[at].follows = follows;
    memcpy(grown[at].ways, ways, s->n_ways * sizeof *ways);
    s->n_points++;
}

/* Of views and of what lies elsewhere a replay reads no sizes. */
static bool holds_memory(const graph_node *n)
{
    return !n->external && n->view_src == GRAPH_NONE;
}

static node_sizes sizes_of(const graph_node *n)
{
    const uint64_t *ne = n->shape.ne;
    return (node_sizes){
        {n->bytes, n->scratch_bytes, n->apart_bytes, ne[0], ne[1], ne[2], ne[3], n->element_bytes}
    };
}

static void set_sizes(graph_node *n, const node_sizes *sizes)
{
    n->bytes = sizes->of[0];
    n->scratch_bytes = sizes->of[1];
    n->apart_bytes = sizes->of[2];
    memcpy(n->shape.ne, &sizes->of[3], sizeof n->shape.ne);
    n->element_bytes = (uint8_t)sizes->of[N_SIZES - 1];
}

/* A size that grows by whole units of alignment a step of cells stays affine when it is aligned. */
static bool find_slope(node_sizes *slope, const node_sizes *a, const node_sizes *b, uint64_t n)
{
    enum { N_ALIGNED = 3 };
    for (size_t i = 0; i < N_SIZES; i++) {
        const uint64_t unit = i < N_ALIGNED ? n * ALIGNMENT : n;
        if (b->of[i] < a->of[i] || (b->of[i] - a->of[i]) % unit != 0) {
            return false;
        }
        slope->of[i] = (b->of[i] - a->of[i]) / n;
    }
    return true;
}

static bool keep_sizes(series_form *s, compute_form *form)
{
    const uint32_t n = form->g.n_nodes;
    node_sizes *sizes = realloc(s->sizes, n * sizeof *sizes);
    if (sizes == NULL) {
        return false;
    }
    size_t k = 0;
    for (uint32_t i = 0; i < n; i++) {
        if (holds_memory(&form->g.nodes[i])) {
            sizes[k++] = sizes_of(&form->g.nodes[i]);
        }
    }
    s->form = form;
    s->sizes = sizes;
    return true;
}

/* Compares the sizes at `from` with those that the form has now, n_steps of cells behind or before. */
static bool find_growing(series_form *s, const compute_form *now, uint64_t n_steps, bool before)
{
    const uint32_t n = now->g.n_nodes;
    if (s->form != now) {
        return false;
    }
    free(s->growing);
    s->growing = malloc(n * sizeof *s->growing);
    s->n_growing = 0;
    const node_sizes *kept = s->sizes;
    for (uint32_t i = 0; s->growing != NULL && i < n; i++) {
        if (!holds_memory(&now->g.nodes[i])) {
            continue;
        }
        const node_sizes here = sizes_of(&now->g.nodes[i]);
        const node_sizes *a = before ? &here : kept;
        const node_sizes *b = before ? kept : &here;
        kept++;
        growing_node *grows = &s->growing[s->n_growing];
        if (memcmp(a, b, sizeof *a) == 0) {
            continue;
        }
        *grows = (growing_node){.node = i, .base = *a};
        if (!find_slope(&grows->slope, a, b, n_steps)) {
            return false;
        }
        s->n_growing++;
    }
    return s->growing != NULL;
}

static bool is_on_line(const compute_series *s, const compute_point *p)
{
    return p->follows || p->cells == s->from || p->cells == s->to;
}

static bool same_paths(const compute_series *s, const compute_point *a, const compute_point *b)
{
    bool same = is_on_line(s, a) && is_on_line(s, b);
    for (size_t w = 0; w < s->n_ways; w++) {
        same = same && a->ways[w].path == b->ways[w].path;
    }
    return same;
}

static void between(compute_way *ways,
                    const compute_series *s,
                    const compute_point *a,
                    const compute_point *b,
                    uint64_t cells)
{
    const uint64_t n_steps = (b->cells - a->cells) / s->key.cell_step;
    const uint64_t at = (cells - a->cells) / s->key.cell_step;
    memcpy(ways, a->ways, s->n_ways * sizeof *ways);
    for (size_t w = 0; w < s->n_ways; w++) {
        for (size_t i = 0; i < GALLOC_MAX_BUFFERS; i++) {
            ways[w].bytes[i] += (b->ways[w].bytes[i] - a->ways[w].bytes[i]) / n_steps * at;
        }
    }
}

static bool replay_at(compute_way *ways, compute_series *s, uint64_t cells, compute_room *room)
{
    const uint64_t n_steps = (cells - s->from) / s->key.cell_step;
    for (size_t w = 0; w < s->n_ways; w++) {
        series_form *form = &s->forms[w];
        graph_node *nodes = form->form->g.nodes;
        bool repeats = false;
        const node_sizes *kept = form->sizes;
        for (uint32_t i = 0; i < form->form->g.n_nodes; i++) {
            if (holds_memory(&nodes[i])) {
                set_sizes(&nodes[i], kept++);
            }
        }
        for (size_t i = 0; i < form->n_growing; i++) {
            const growing_node *grows = &form->growing[i];
            node_sizes sizes = grows->base;
            for (size_t k = 0; k < N_SIZES; k++) {
                sizes.of[k] += grows->slope.of[k] * n_steps;
            }
            set_sizes(&nodes[grows->node], &sizes);
        }
        const mf_status status =
            mf_compute_replay(&ways[w], &repeats, form->form, &s->key.places, room);
        if (status != MF_OK || !repeats) {
            return false;
        }
    }
    return true;
}

bool mf_compute_memo_find(compute_way *ways, compute_memo *memo, const compute_key *key)
{
    compute_series *s = memo != NULL ? find_series(memo, key) : NULL;
    const size_t at = s != NULL ? place_of(s, key->cells) : 0;
    if (s == NULL || at == s->n_points) {
        return false;
    }
    if (s->points[at].cells == key->cells) {
        memcpy(ways, s->points[at].ways, s->n_ways * sizeof *ways);
        return true;
    }
    if (at == 0 || !s->grows_evenly || key->cells % key->cell_step != 0 || key->cells < s->from ||
        key->cells > s->to) {
        return false;
    }
    if (same_paths(s, &s->points[at - 1], &s->points[at])) {
        between(ways, s, &s->points[at - 1], &s->points[at], key->cells);
        return true;
    }
    if (!replay_at(ways, s, key->cells, &memo->room)) {
        return false;
    }
    insert_point(s, key->cells, ways, true);
    return true;
}

static compute_series *add_series(compute_memo *memo, const compute_key *key, size_t n_ways)
{
    compute_series *grown = realloc(memo->series, (memo->n_series + 1) * sizeof *grown);
    if (grown == NULL) {
        return NULL;
    }
    memo->series = grown;
    compute_series *s = &grown[memo->n_series];
    *s = (compute_series){.key = *key, .n_ways = n_ways, .layer_places = copy_places(key)};
    if (s->layer_places == NULL) {
        return NULL;
    }
    s->key.layer_places = s->layer_places;
    memo->n_series++;
    return s;
}

/* The shortest graph of a series is kept; another one tells how it grows. */
static void learn(compute_series *s, uint64_t cells, compute_form *const *forms)
{
    const bool first = s->forms[0].form == NULL;
    const bool shorter = !first && cells < s->from;
    const uint64_t apart = shorter ? s->from - cells : cells - s->from;
    bool kept = true;
    s->grows_evenly = !first;
    for (size_t w = 0; w < s->n_ways; w++) {
        s->grows_evenly = s->grows_evenly &&
                          find_growing(&s->forms[w], forms[w], apart / s->key.cell_step, shorter);
        if (first || shorter) {
            kept = keep_sizes(&s->forms[w], forms[w]) && kept;
        }
    }
    s->grows_evenly = s->grows_evenly && kept;
    s->to = shorter ? s->from : cells;
    s->from = first || shorter ? cells : s->from;
}

/* Of two ways with one form that has the sizes of the second alone. */
static bool are_apart(compute_form *const *forms, size_t n_ways)
{
    bool apart = true;
    for (size_t w = 0; w < n_ways; w++) {
        apart = apart && forms[w] != NULL;
        for (size_t v = 0; v < w; v++) {
            apart = apart && forms[v] != forms[w];
        }
    }
    return apart;
}

void mf_compute_memo_add(compute_memo *memo,
                         const compute_key *key,
                         const compute_way *ways,
                         compute_form *const *forms,
                         size_t n_ways)
{
    compute_series *s = memo != NULL ? find_series(memo, key) : NULL;
    s = s == NULL && memo != NULL ? add_series(memo, key, n_ways) : s;
    if (s == NULL) {
        return;
    }
    /* Most placements with parts on the host are asked for one context, or for the longest one as well, and no other. */
    const bool asked_again = key->host_types == 0 || s->n_points > 1;
    if (asked_again && !s->grows_evenly && key->cells % key->cell_step == 0 &&
        are_apart(forms, n_ways)) {
        learn(s, key->cells, forms);
    }
    insert_point(s, key->cells, ways, false);
}
