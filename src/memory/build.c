#include "memory/build.h"

#include <string.h>

bool mf_build_has(const build_layer *l, block_part part)
{
    return part != PART_COUNT && l->parts[part] != NULL;
}

uint64_t mf_build_dim(const build_layer *l, block_part part, size_t dim)
{
    return mf_build_has(l, part) ? l->parts[part]->dims[dim] : 0;
}

uint64_t mf_build_ne(const builder *b, graph_tensor t, size_t dim)
{
    return mf_graph_get(b->g, t)->shape.ne[dim];
}

graph_shape mf_build_shape(const builder *b, graph_tensor t)
{
    return mf_graph_get(b->g, t)->shape;
}

int8_t mf_build_place(const build_layer *l, block_part part)
{
    if (l->part_places != NULL) {
        return l->part_places[part];
    }
    return l->parts[part]->role == MF_ROLE_EXPERT ? l->expert_place : l->place;
}

bool mf_build_list_fused(bool *has, const mf_footprint *f)
{
    bool any = false;
    for (size_t i = 0; i < f->n_run; i++) {
        const bool delta = f->model->layers[i].recurrent.kind == MF_RECURRENT_DELTA;
        const bool streams = f->parts[i][PART_HC_ATTN] != NULL;
        const bool index = f->parts[i][PART_INDEX_K] != NULL || streams;
        has[FUSED_DELTA_STEP] |= delta;
        has[FUSED_DELTA] |= delta;
        has[FUSED_INDEXER] |= index;
        has[FUSED_JOIN] |= streams;
        has[FUSED_MIX] |= streams;
        has[FUSED_SPREAD] |= streams;
        any = any || delta || index;
    }
    return any;
}

graph_tensor mf_build_fused(builder *b, const build_layer *l, fused_op op, graph_tensor t)
{
    if (b->fused != NULL && t != GRAPH_NONE) {
        b->fused[b->n_fused++] = (fused_tensor){.tensor = t, .op = op, .layer_place = l->place};
    }
    return t;
}

/* Devices take weights of the host along for large batches: these copies are as large as they are stored. */
static bool is_taken_along(const builder *b, graph_tensor w)
{
    return b->offloads && w != GRAPH_NONE && mf_graph_get(b->g, w)->place == b->host_place;
}

static void set_stored_size(builder *b, graph_tensor w, const mf_tensor *t)
{
    const mf_footprint *f = b->footprint;
    uint64_t bytes = 0;
    if (mf_footprint_tensor(&bytes, f, (size_t)(t - f->model->tensors), BUFFER_CUDA, NULL) ==
        MF_OK) {
        b->g->nodes[w].bytes = bytes;
    }
}

graph_tensor mf_build_weight(builder *b, const build_layer *l, block_part part)
{
    if (!mf_build_has(l, part)) {
        return GRAPH_NONE;
    }
    if (b->weights[part] != GRAPH_NONE) {
        return b->weights[part]; /* a copy of it lasts until its last reader */
    }
    const mf_tensor *t = l->parts[part];
    const graph_tensor w =
        mf_graph_external(b->g,
                          GRAPH_SHAPE(t->dims[0], t->dims[1], t->dims[2], t->dims[3]),
                          mf_build_place(l, part),
                          true);
    if (is_taken_along(b, w)) {
        set_stored_size(b, w, t);
    }
    b->weights[part] = w;
    return w;
}

static const mf_tensor *global_of(const builder *b, const graph_shape *s)
{
    for (size_t i = 0; i < b->footprint->n_globals; i++) {
        const mf_tensor *t = &b->model->tensors[b->footprint->globals[i]];
        const bool factors = strncmp(t->name, "rope_", strlen("rope_")) == 0;
        if (!factors && memcmp(t->dims, s->ne, sizeof s->ne) == 0) {
            return t;
        }
    }
    return NULL;
}

static graph_tensor global(builder *b, const mf_tensor *t, graph_shape shape, int8_t place)
{
    const graph_tensor w = mf_graph_external(b->g, shape, place, true);
    if (t != NULL && is_taken_along(b, w)) {
        set_stored_size(b, w, t);
    }
    return w;
}

graph_tensor mf_build_global(builder *b, graph_shape shape, int8_t place)
{
    const bool asked = b->offloads || b->tensor_places != NULL;
    const mf_tensor *t = asked ? global_of(b, &shape) : NULL;
    const bool apart = t != NULL && b->tensor_places != NULL;
    return global(b, t, shape, apart ? b->tensor_places[t - b->model->tensors] : place);
}

static const mf_tensor *table_of(const builder *b, mf_tensor_role role)
{
    for (size_t i = 0; i < b->footprint->n_globals; i++) {
        const mf_tensor *t = &b->model->tensors[b->footprint->globals[i]];
        if (t->role == role) {
            return t;
        }
    }
    return NULL;
}

graph_tensor mf_build_embedding_table(builder *b)
{
    const mf_tensor *t = table_of(b, MF_ROLE_TOKEN_EMBEDDING);
    const bool apart = t != NULL && b->tensor_places != NULL;
    return global(b,
                  t,
                  GRAPH_SHAPE(b->model->hidden, b->model->vocabulary, 1, 1),
                  apart ? b->tensor_places[t - b->model->tensors] : b->host_place);
}

graph_tensor mf_build_output_table(builder *b)
{
    const mf_tensor *t = table_of(b, MF_ROLE_OUTPUT);
    return global(b,
                  t != NULL ? t : table_of(b, MF_ROLE_TOKEN_EMBEDDING),
                  GRAPH_SHAPE(b->model->hidden, b->model->vocabulary, 1, 1),
                  b->tensor_places != NULL ? b->tensor_places[b->model->n_tensors]
                                           : b->output_place);
}

graph_tensor mf_build_mul_mat(builder *b, graph_tensor w, graph_tensor x)
{
    const graph_shape s = mf_build_shape(b, x);
    return mf_graph_op(b->g,
                       GRAPH_PLAIN,
                       GRAPH_SHAPE(mf_build_ne(b, w, 1), s.ne[1], s.ne[2], s.ne[3]),
                       GRAPH_SOURCES(w, x));
}

graph_tensor mf_build_get_rows(builder *b, graph_tensor table, graph_tensor rows)
{
    const graph_shape r = mf_build_shape(b, rows);
    const graph_tensor t =
        mf_graph_op(b->g,
                    GRAPH_PLAIN,
                    GRAPH_SHAPE(mf_build_ne(b, table, 0), r.ne[0], r.ne[1], r.ne[2]),
                    GRAPH_SOURCES(table, rows));
    if (t != GRAPH_NONE) {
        b->g->nodes[t].looks_up = true;
    }
    return t;
}

graph_tensor mf_build_in_place(builder *b, graph_tensor x, graph_tensor y)
{
    return mf_graph_op(b->g, GRAPH_IN_PLACE, mf_build_shape(b, x), GRAPH_SOURCES(x, y));
}

graph_tensor mf_build_own(builder *b, graph_tensor x, graph_tensor y)
{
    return mf_graph_op(b->g, GRAPH_PLAIN, mf_build_shape(b, x), GRAPH_SOURCES(x, y));
}

graph_tensor mf_build_concat(builder *b, graph_tensor x, graph_tensor y)
{
    const graph_shape s = mf_build_shape(b, x);
    const uint64_t width = s.ne[0] + mf_build_ne(b, y, 0);
    return mf_graph_op(
        b->g, GRAPH_PLAIN, GRAPH_SHAPE(width, s.ne[1], s.ne[2], s.ne[3]), GRAPH_SOURCES(x, y));
}

graph_tensor
mf_build_reshape(builder *b, graph_tensor x, uint64_t ne0, uint64_t ne1, uint64_t ne2, uint64_t ne3)
{
    return mf_graph_view(b->g, x, GRAPH_SHAPE(ne0, ne1, ne2, ne3));
}

graph_tensor mf_build_swap(builder *b, graph_tensor x, int axis, int other)
{
    graph_shape s = mf_build_shape(b, x);
    const uint64_t ne = s.ne[axis];
    s.ne[axis] = s.ne[other];
    s.ne[other] = ne;
    return mf_graph_view(b->g, x, s);
}

/* Factors lie with their layer. They count only where it runs elsewhere: a weight begins a new split. */
static graph_tensor rope_factors(const builder *b)
{
    const build_layer *l = b->current;
    const bool none = l == NULL || (l->shape->attention.window > 0 &&
                                    !l->shape->attention.chunked && !b->traits->rope_in_windows);
    if (none) {
        return GRAPH_NONE;
    }
    const bool apart = b->tensor_places != NULL || (b->offloads && l->place == b->host_place);
    return apart ? b->rope_factors[l->place] : GRAPH_NONE;
}

graph_tensor mf_build_rope(builder *b, graph_tensor x)
{
    return mf_graph_op(
        b->g, GRAPH_ROPE, mf_build_shape(b, x), GRAPH_SOURCES(x, b->positions, rope_factors(b)));
}

static graph_tensor with_weight(builder *b, const build_layer *l, block_part part, graph_tensor x)
{
    return mf_build_has(l, part) ? mf_build_in_place(b, x, mf_build_weight(b, l, part)) : x;
}

graph_tensor
mf_build_linear(builder *b, const build_layer *l, block_part w, block_part bias, graph_tensor x)
{
    if (!mf_build_has(l, w)) {
        b->g->status = MF_E_DATA; /* not the tensors that this graph is made for */
        return GRAPH_NONE;
    }
    return with_weight(b, l, bias, mf_build_mul_mat(b, mf_build_weight(b, l, w), x));
}

graph_tensor mf_build_rms(builder *b, graph_tensor x)
{
    return b->traits->layer_norm ? mf_build_own(b, x, GRAPH_NONE)
                                 : mf_build_in_place(b, x, GRAPH_NONE);
}

graph_tensor
mf_build_norm(builder *b, const build_layer *l, block_part w, block_part bias, graph_tensor x)
{
    const graph_tensor y = mf_build_rms(b, x);
    const bool named = mf_build_has(l, w) || mf_build_has(l, bias);
    if (y != GRAPH_NONE && named && b->norms_stay) {
        b->g->nodes[y].runs_at = l->place;
    }
    return with_weight(b, l, bias, with_weight(b, l, w, y));
}

graph_tensor mf_build_loose_norm(builder *b, const build_layer *l, block_part w, graph_tensor x)
{
    return with_weight(b, l, w, mf_build_rms(b, x));
}
