/*
 * build_ffn.c - feed forward, dense and with experts (llama-graph.cpp: build_ffn, build_moe_ffn).
 */
#include "memory/build.h"

enum { I32_BYTES = 4 };

typedef struct ffn_parts {
    block_part gate, gate_bias, up, up_bias, down, down_bias;
} ffn_parts;

static graph_tensor
feed_forward(builder *b, const build_layer *l, const ffn_parts *p, graph_tensor x)
{
    const graph_tensor up = mf_build_linear(b, l, p->up, p->up_bias, x);
    const uint64_t width = mf_build_dim(l, p->down, 0);
    graph_tensor y = GRAPH_NONE;
    if (mf_build_has(l, p->gate)) {
        const graph_tensor gate = mf_build_linear(b, l, p->gate, p->gate_bias, x);
        y = mf_build_own(b, gate, up); /* swiglu and the like */
    } else if (mf_build_ne(b, up, 0) == 2 * width) {
        const uint64_t tokens = mf_build_ne(b, up, 1);
        y = mf_graph_op(b->g, GRAPH_PLAIN, GRAPH_SHAPE(width, tokens, 1, 1), GRAPH_SOURCES(up));
    } else {
        y = mf_build_in_place(b, up, GRAPH_NONE);
        y = b->traits->relu_squared ? mf_build_in_place(b, y, GRAPH_NONE) : y;
    }
    return mf_build_linear(b, l, p->down, p->down_bias, y);
}

graph_tensor mf_build_ffn(builder *b, const build_layer *l, graph_tensor x)
{
    static const ffn_parts dense = {.gate = PART_FFN_GATE,
                                    .gate_bias = PART_FFN_GATE_B,
                                    .up = PART_FFN_UP,
                                    .up_bias = PART_FFN_UP_B,
                                    .down = PART_FFN_DOWN,
                                    .down_bias = PART_FFN_DOWN_B};
    return feed_forward(b, l, &dense, x);
}

graph_tensor mf_build_shared(builder *b, const build_layer *l, graph_tensor x)
{
    static const ffn_parts shared = {.gate = PART_FFN_GATE_SHEXP,
                                     .gate_bias = PART_COUNT,
                                     .up = PART_FFN_UP_SHEXP,
                                     .up_bias = PART_COUNT,
                                     .down = PART_FFN_DOWN_SHEXP,
                                     .down_bias = PART_COUNT};
    graph_tensor y = feed_forward(b, l, &shared, x);
    if (mf_build_has(l, PART_FFN_GATE_INP_SHEXP)) {
        const graph_tensor gate_weight = mf_build_weight(b, l, PART_FFN_GATE_INP_SHEXP);
        graph_tensor gate = mf_graph_op(b->g,
                                        GRAPH_PLAIN,
                                        GRAPH_SHAPE(1, mf_build_ne(b, x, 1), 1, 1),
                                        GRAPH_SOURCES(gate_weight, x));
        gate = mf_build_in_place(b, gate, GRAPH_NONE);
        y = mf_build_in_place(b, y, gate);
    }
    return y;
}

/* ggml_argsort_top_k: everything is sorted, the head of the rows is looked at. Metal sorts into a second buffer. */
static graph_tensor top_k(builder *b, graph_tensor scores, uint64_t k)
{
    const graph_shape s = mf_build_shape(b, scores);
    const graph_tensor sorted = mf_graph_op(b->g, GRAPH_PLAIN, s, GRAPH_SOURCES(scores));
    if (sorted != GRAPH_NONE) {
        b->g->nodes[sorted].scratch_bytes =
            b->scratch == SCRATCH_METAL ? mf_graph_get(b->g, sorted)->bytes : 0;
    }
    return mf_graph_slice(b->g, sorted, s.ne[0], k, GRAPH_SHAPE(k, s.ne[1], s.ne[2], s.ne[3]));
}

/* DeepSeek: only the experts of the best groups stay in the running. */
static graph_tensor limit_to_groups(builder *b, const mf_ffn *ffn, graph_tensor scores)
{
    enum { BEST_OF_GROUP = 2 };
    const uint64_t n_groups = ffn->n_groups;
    const uint64_t n_experts = mf_build_ne(b, scores, 0);
    const uint64_t u = mf_build_ne(b, scores, 1);
    const uint64_t of_group = n_experts / n_groups;
    const graph_tensor groups = mf_build_reshape(b, scores, of_group, n_groups, u, 1);
    graph_tensor best = top_k(b, groups, BEST_OF_GROUP);
    best = mf_build_get_rows(b, mf_build_reshape(b, groups, 1, of_group, n_groups, u), best);
    best = mf_build_reshape(b, best, BEST_OF_GROUP, n_groups, u, 1);
    best = mf_graph_op(b->g, GRAPH_PLAIN, GRAPH_SHAPE(1, n_groups, u, 1), GRAPH_SOURCES(best));
    best = mf_build_reshape(b, best, n_groups, u, 1, 1);
    const graph_tensor chosen = top_k(b, best, ffn->n_groups_used);
    const graph_tensor kept = mf_build_get_rows(b, groups, chosen);
    const graph_tensor filled = mf_build_in_place(b, groups, GRAPH_NONE);
    const graph_tensor limited = mf_graph_store(b->g, filled, kept, chosen);
    return mf_build_reshape(b, limited, n_experts, u, 1, 1);
}

/* Scores of every expert and the ones that are chosen. */
typedef struct routing {
    graph_tensor chosen;
    graph_tensor weights;
} routing;

static graph_tensor norm_weights(builder *b, graph_tensor weights, uint64_t n_used, uint64_t u)
{
    weights = mf_build_reshape(b, weights, n_used, u, 1, 1);
    graph_tensor sum =
        mf_graph_op(b->g, GRAPH_PLAIN, GRAPH_SHAPE(1, u, 1, 1), GRAPH_SOURCES(weights));
    sum = mf_graph_overwrite(b->g, sum, GRAPH_NONE); /* clamped */
    weights = mf_build_in_place(b, weights, sum);
    return mf_build_reshape(b, weights, 1, n_used, u, 1);
}

static routing route(builder *b, const moe_case *c, graph_tensor x)
{
    const build_layer *l = c->layer;
    const mf_ffn *ffn = &l->shape->ffn;
    const uint64_t n_used = ffn->n_experts_used;
    const uint64_t u = mf_build_ne(b, x, 1);
    const graph_tensor logits =
        c->logits != GRAPH_NONE ? c->logits
                                : mf_build_linear(b, l, PART_FFN_GATE_INP, PART_FFN_GATE_INP_B, x);
    graph_tensor probabilities =
        c->gating == GATE_SOFTMAX_CHOSEN ? logits : mf_build_in_place(b, logits, GRAPH_NONE);
    probabilities = c->gating == GATE_SOFTPLUS ? mf_build_in_place(b, probabilities, GRAPH_NONE)
                                               : probabilities;
    graph_tensor choice = probabilities;
    if (mf_build_has(l, PART_FFN_EXP_PROBS_B)) {
        choice = mf_build_in_place(b, choice, mf_build_weight(b, l, PART_FFN_EXP_PROBS_B));
    }
    choice = c->weight_first ? logits : choice;
    if (ffn->n_groups > 1 && ffn->n_experts % ffn->n_groups == 0) {
        choice = limit_to_groups(b, ffn, choice);
    }
    routing r = {.chosen = c->chosen != GRAPH_NONE ? c->chosen : top_k(b, choice, n_used)};
    const uint64_t n_experts = mf_build_ne(b, probabilities, 0);
    r.weights =
        mf_build_get_rows(b, mf_build_reshape(b, probabilities, 1, n_experts, u, 1), r.chosen);
    if (c->gating == GATE_SOFTMAX_CHOSEN) {
        r.weights = mf_build_reshape(b, r.weights, n_used, u, 1, 1);
        r.weights = mf_build_in_place(b, r.weights, GRAPH_NONE);
        r.weights = mf_build_reshape(b, r.weights, 1, n_used, u, 1);
    }
    if (c->norm_weights) {
        r.weights = norm_weights(b, r.weights, n_used, u);
    }
    if (c->scale_weights) {
        r.weights = mf_build_in_place(b, r.weights, GRAPH_NONE);
    }
    mf_graph_expand(b->g, r.weights);
    return r;
}

/* Metal keeps a list of rows for every expert (ggml-metal-ops.cpp: ggml_metal_op_mul_mat_id_extra_tpe, _ids). */
static graph_tensor experts_times(builder *b,
                                  const build_layer *l,
                                  block_part w,
                                  block_part bias,
                                  graph_tensor x,
                                  graph_tensor ids)
{
    const graph_tensor weight = mf_build_weight(b, l, w);
    if (!mf_build_has(l, w)) {
        b->g->status = MF_E_DATA;
        return GRAPH_NONE;
    }
    const uint64_t n_experts = mf_build_ne(b, weight, 2);
    const uint64_t u = mf_build_ne(b, x, 2);
    graph_tensor y =
        mf_graph_op(b->g,
                    GRAPH_PLAIN,
                    GRAPH_SHAPE(mf_build_ne(b, weight, 1), mf_build_ne(b, ids, 0), u, 1),
                    GRAPH_SOURCES(weight, x, ids));
    if (y != GRAPH_NONE) {
        b->g->nodes[y].scratch_bytes =
            b->scratch == SCRATCH_METAL ? I32_BYTES * n_experts * (1 + u) : 0;
    }
    if (mf_build_has(l, bias)) {
        y = mf_graph_op(b->g,
                        GRAPH_IN_PLACE,
                        mf_build_shape(b, y),
                        GRAPH_SOURCES(y, mf_build_weight(b, l, bias), ids));
    }
    return y;
}

static graph_tensor activate(builder *b, const build_layer *l, graph_tensor x, graph_tensor chosen)
{
    if (mf_build_has(l, PART_FFN_GATE_UP_EXPS)) {
        const graph_tensor both = experts_times(b, l, PART_FFN_GATE_UP_EXPS, PART_COUNT, x, chosen);
        const graph_shape s = mf_build_shape(b, both);
        const uint64_t width = s.ne[0] / 2;
        const graph_shape half = GRAPH_SHAPE(width, s.ne[1], s.ne[2], 1);
        const graph_tensor gate = mf_graph_slice(b->g, both, s.ne[0], width, half);
        return mf_build_own(b, gate, mf_graph_slice(b->g, both, s.ne[0], width, half));
    }
    const graph_tensor up = experts_times(b, l, PART_FFN_UP_EXPS, PART_FFN_UP_EXPS_B, x, chosen);
    if (mf_build_has(l, PART_FFN_GATE_EXPS)) {
        const graph_tensor gate =
            experts_times(b, l, PART_FFN_GATE_EXPS, PART_FFN_GATE_EXPS_B, x, chosen);
        return mf_build_own(b, gate, up);
    }
    const graph_tensor y = mf_build_in_place(b, up, GRAPH_NONE);
    return b->traits->relu_squared ? mf_build_in_place(b, y, GRAPH_NONE) : y;
}

/* The outputs of the experts in use, looked at one by one and added. */
static graph_tensor sum_experts(builder *b, graph_tensor experts)
{
    const graph_shape s = mf_build_shape(b, experts);
    const graph_shape one = GRAPH_SHAPE(s.ne[0], s.ne[2], 1, 1);
    const graph_tensor first = mf_graph_slice(b->g, experts, s.ne[0] * s.ne[1], s.ne[0], one);
    mf_graph_expand(b->g, first);
    for (uint64_t i = 1; i < s.ne[1]; i++) {
        mf_graph_expand(b->g, mf_graph_slice(b->g, experts, s.ne[0] * s.ne[1], s.ne[0], one));
    }
    if (s.ne[1] == 1) {
        return mf_build_own(b, first, GRAPH_NONE);
    }
    graph_tensor sum = first;
    for (uint64_t i = 1; i < s.ne[1]; i++) {
        sum = mf_build_in_place(b, sum, first + (graph_tensor)i); /* created one after the other */
        mf_graph_expand(b->g, sum);
    }
    return sum;
}

graph_tensor mf_build_moe(builder *b, const moe_case *c, graph_tensor x)
{
    const build_layer *l = c->layer;
    const graph_shape s = mf_build_shape(b, x);
    const uint64_t n_used = l->shape->ffn.n_experts_used;
    const routing r = route(b, c, x);
    x = mf_build_reshape(b, x, s.ne[0], 1, s.ne[1], 1);
    if (c->weight_first) {
        x = mf_graph_op(
            b->g, GRAPH_PLAIN, GRAPH_SHAPE(s.ne[0], n_used, s.ne[1], 1), GRAPH_SOURCES(x));
        x = mf_build_in_place(b, x, r.weights);
    }
    const graph_tensor y = activate(b, l, x, r.chosen);
    mf_graph_expand(b->g, y);
    graph_tensor experts =
        experts_times(b, l, PART_FFN_DOWN_EXPS, PART_FFN_DOWN_EXPS_B, y, r.chosen);
    if (mf_build_has(l, PART_FFN_DOWN_EXPS_S)) {
        const uint64_t n_experts = mf_build_dim(l, PART_FFN_DOWN_EXPS_S, 0);
        graph_tensor scale =
            mf_build_reshape(b, mf_build_weight(b, l, PART_FFN_DOWN_EXPS_S), 1, n_experts, 1, 1);
        scale = mf_graph_op(
            b->g, GRAPH_PLAIN, GRAPH_SHAPE(1, n_experts, s.ne[1], 1), GRAPH_SOURCES(scale));
        experts = mf_build_in_place(b, experts, mf_build_get_rows(b, scale, r.chosen));
    }
    if (!c->weight_first) {
        experts = mf_build_in_place(b, experts, r.weights);
    }
    mf_graph_expand(b->g, experts);
    return sum_experts(b, experts);
}
