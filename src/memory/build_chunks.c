/*
 * build_chunks.c - gated delta nets without their fused kernel (src/models/delta-net-base.cpp: build_delta_net_chunking,
 * build_delta_net_autoregressive): the tokens of a sequence in chunks, all heads of all sequences side by side.
 */
#include "memory/build.h"

enum { CHUNK = 64, CHANNEL_CHUNK = 16 };

typedef struct chunks {
    builder *b;
    uint64_t n;     /* of a sequence */
    uint64_t size;  /* tokens of one */
    uint64_t width; /* of a head */
    uint64_t rows;  /* heads of all sequences */
    bool by_channel;
    graph_tensor q, k, v_beta, k_beta;
    graph_tensor decay; /* summed up within a chunk: tokens first */
    graph_tensor solved;
} chunks;

/* What the loop over chunks reads. */
typedef struct chunk_inputs {
    graph_tensor keys, values, scores, queries, gaps, last;
} chunk_inputs;

static graph_tensor plain(builder *b, graph_shape s, graph_tensor x)
{
    return mf_graph_op(b->g, GRAPH_PLAIN, s, GRAPH_SOURCES(x));
}

static graph_tensor own(builder *b, graph_tensor x)
{
    return mf_build_own(b, x, GRAPH_NONE);
}

static graph_tensor each(builder *b, graph_tensor x)
{
    return mf_build_in_place(b, x, GRAPH_NONE);
}

static graph_tensor turned(builder *b, graph_tensor x)
{
    return own(b, mf_build_swap(b, x, 0, 1));
}

/* Tokens before heads, filled up to whole chunks. */
static graph_tensor padded(const chunks *c, graph_tensor x)
{
    builder *b = c->b;
    const graph_tensor t = mf_build_swap(b, x, 1, 2);
    graph_shape s = mf_build_shape(b, t);
    s.ne[1] = c->n * c->size;
    return plain(b, s, t);
}

static graph_tensor chunked(const chunks *c, graph_tensor x)
{
    return mf_build_reshape(c->b, x, mf_build_ne(c->b, x, 0), c->size, c->n, c->rows);
}

static void cut(chunks *c, const delta_parts *in)
{
    builder *b = c->b;
    const graph_tensor q = padded(c, each(b, in->q));
    const graph_tensor k = padded(c, in->k);
    const graph_tensor v = padded(c, in->v);
    const graph_tensor decay = padded(c, in->decay);
    const graph_tensor beta = padded(c, in->beta);
    c->v_beta = chunked(c, mf_build_in_place(b, v, beta));
    c->k_beta = chunked(c, mf_build_in_place(b, k, beta));
    c->q = chunked(c, q);
    c->k = chunked(c, k);
    c->decay = own(b, turned(b, chunked(c, decay))); /* cumsum */
}

/* How much is left of a token at another one: tokens by tokens, for every channel where decay has them. */
static graph_tensor decay_between(const chunks *c)
{
    builder *b = c->b;
    const uint64_t z = c->by_channel ? c->width : c->n;
    const uint64_t w = c->by_channel ? c->n * c->rows : c->rows;
    const graph_tensor i = mf_build_reshape(b, c->decay, c->size, 1, z, w);
    const graph_tensor j = mf_build_reshape(b, c->decay, 1, c->size, z, w);
    const graph_tensor all = plain(b, GRAPH_SHAPE(c->size, c->size, z, w), j);
    return each(b, own(b, mf_build_in_place(b, all, i)));
}

static graph_tensor by_channel_product(const chunks *c, graph_tensor between, graph_tensor x)
{
    builder *b = c->b;
    const uint64_t w = c->n * c->rows;
    const graph_tensor i = mf_build_reshape(b, x, c->width, c->size, 1, w);
    const graph_tensor j = mf_build_reshape(b, c->k, c->width, 1, c->size, w);
    const graph_tensor y = mf_build_mul_mat(b, mf_build_in_place(b, between, i), j);
    return turned(b, mf_build_reshape(b, y, c->size, c->size, c->n, c->rows));
}

static graph_tensor
product(const chunks *c, graph_tensor between, graph_tensor turned_between, graph_tensor x)
{
    return c->by_channel ? by_channel_product(c, turned_between, x)
                         : mf_build_in_place(c->b, mf_build_mul_mat(c->b, c->k, x), between);
}

/* Tokens on tokens: what a chunk's queries score, and the triangular system of its keys, solved. */
static graph_tensor solve(chunks *c)
{
    builder *b = c->b;
    const graph_tensor between = decay_between(c);
    const graph_tensor across =
        c->by_channel ? own(b, mf_build_swap(b, between, 0, 2)) : GRAPH_NONE;
    const graph_tensor keys = own(b, product(c, between, across, c->k_beta));
    const graph_tensor scores = own(b, product(c, between, across, c->q));
    const graph_tensor first = mf_build_reshape(b, keys, c->size, 1, 1, 1);
    const graph_tensor identity = plain(b, GRAPH_SHAPE(c->size, c->size, 1, 1), each(b, first));
    const graph_tensor left = mf_build_in_place(b, keys, identity);
    const graph_tensor right = each(b, keys);
    const graph_tensor x =
        mf_graph_op(b->g, GRAPH_PLAIN, mf_build_shape(b, right), GRAPH_SOURCES(left, right));
    c->solved = mf_build_in_place(b, x, identity);
    return scores;
}

static chunk_inputs prepare(chunks *c)
{
    builder *b = c->b;
    chunk_inputs in = {.scores = solve(c)};
    const graph_tensor values = mf_build_mul_mat(b, turned(b, c->v_beta), c->solved);
    const graph_tensor grown = each(b, c->decay);
    const graph_tensor keys = mf_build_in_place(b, turned(b, c->k_beta), grown);
    in.keys = mf_build_mul_mat(b, keys, c->solved);
    in.queries = mf_build_in_place(b, c->q, turned(b, grown));
    graph_shape s = mf_build_shape(b, c->decay);
    s.ne[0] = 1;
    const graph_tensor last = own(b, mf_graph_slice(b->g, c->decay, c->size, 1, s));
    in.last = mf_build_swap(b, each(b, last), 0, 1);
    const graph_tensor gaps = each(b, each(b, mf_build_in_place(b, c->decay, last)));
    in.gaps = turned(b, mf_build_in_place(b, c->k, turned(b, gaps)));
    in.values = values;
    return in;
}

static graph_tensor one_of(const chunks *c, graph_tensor x)
{
    const graph_shape s = mf_build_shape(c->b, x);
    const uint64_t each_bytes = s.ne[0] * s.ne[1];
    return mf_graph_slice(
        c->b->g, x, each_bytes * c->n, each_bytes, GRAPH_SHAPE(s.ne[0], s.ne[1], 1, s.ne[3]));
}

/* One chunk after the other: its result goes over the values, the state on to the next. */
static delta_result run_chunks(const chunks *c, const chunk_inputs *in, graph_tensor state)
{
    builder *b = c->b;
    const graph_tensor turned_values = turned(b, in->values);
    delta_result out = {.y = in->values,
                        .state = mf_build_reshape(b, state, c->width, c->width, 1, c->rows)};
    for (uint64_t i = 0; i < c->n; i++) {
        const graph_tensor known = mf_build_mul_mat(b, one_of(c, in->keys), out.state);
        const graph_tensor fresh = mf_build_in_place(b, one_of(c, turned_values), known);
        const graph_tensor within = mf_build_mul_mat(b, fresh, one_of(c, in->scores));
        const graph_tensor across = mf_build_mul_mat(b, out.state, one_of(c, in->queries));
        const graph_tensor y = mf_build_in_place(b, across, within);
        out.y = mf_graph_overwrite(b->g, out.y, y);
        const graph_tensor added = mf_build_mul_mat(b, one_of(c, in->gaps), fresh);
        out.state = mf_build_in_place(b, out.state, one_of(c, in->last));
        out.state = mf_build_in_place(b, out.state, added);
    }
    return out;
}

static delta_result in_chunks(builder *b, const delta_parts *in)
{
    const graph_shape s = mf_build_shape(b, in->v); /* width, heads, tokens, sequences */
    chunks c = {.b = b,
                .width = s.ne[0],
                .rows = s.ne[1] * s.ne[3],
                .by_channel = mf_build_ne(b, in->decay, 0) > 1};
    c.size = c.by_channel ? CHANNEL_CHUNK : CHUNK;
    c.n = (s.ne[2] + c.size - 1) / c.size;
    cut(&c, in);
    const chunk_inputs inputs = prepare(&c);
    delta_result out = run_chunks(&c, &inputs, in->state);
    const graph_tensor y = mf_graph_slice(b->g,
                                          out.y,
                                          c.width * c.size * c.n,
                                          c.width * s.ne[2],
                                          GRAPH_SHAPE(c.width, s.ne[2], s.ne[1], s.ne[3]));
    out.y = mf_build_swap(b, y, 1, 2);
    out.state = mf_build_reshape(b, out.state, c.width, c.width, s.ne[1], s.ne[3]);
    return out;
}

static graph_tensor row_sums(builder *b, graph_tensor x)
{
    graph_shape s = mf_build_shape(b, x);
    s.ne[0] = 1;
    return plain(b, s, x);
}

static delta_result one_token(builder *b, const delta_parts *in)
{
    const graph_shape s = mf_build_shape(b, in->v);
    const uint64_t heads = s.ne[1];
    const uint64_t n = s.ne[3];
    const graph_tensor q = mf_build_swap(b, each(b, in->q), 1, 2);
    const graph_tensor k = mf_build_swap(b, in->k, 1, 2);
    const graph_tensor v = mf_build_swap(b, in->v, 1, 2);
    const graph_tensor beta = mf_build_reshape(b, in->beta, 1, 1, heads, n);
    const graph_tensor decay =
        each(b, mf_build_reshape(b, in->decay, 1, mf_build_ne(b, in->decay, 0), heads, n));
    graph_tensor state = mf_build_in_place(b, in->state, decay);
    const graph_tensor known = row_sums(b, mf_build_in_place(b, state, k));
    graph_tensor fresh = mf_build_in_place(b, v, mf_build_swap(b, known, 0, 1));
    fresh = mf_build_swap(b, mf_build_in_place(b, fresh, beta), 0, 1);
    const graph_tensor wide = plain(b, mf_build_shape(b, state), k);
    state = mf_build_in_place(b, state, mf_build_in_place(b, wide, fresh));
    const graph_tensor y = row_sums(b, mf_build_in_place(b, state, q));
    return (delta_result){.y = mf_graph_view(b->g, y, GRAPH_SHAPE(s.ne[0], heads, 1, n)),
                          .state = state};
}

delta_result mf_build_unfused_delta(builder *b, const delta_parts *in)
{
    return mf_build_ne(b, in->v, 2) == 1 ? one_token(b, in) : in_chunks(b, in);
}
