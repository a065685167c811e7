#include "import/gguf_layers.h"

#include <stdlib.h>

#include "base/checked.h"
#include "import/compressor.h"
#include "import/gguf_seen.h"

/* What the metadata says for all layers at once, read before the layers. */
typedef struct plan {
    mf_gguf_per_layer n_heads;
    mf_gguf_per_layer n_kv_heads;
    mf_gguf_per_layer ffn_width;
    mf_gguf_per_layer expert_width;
    mf_gguf_per_layer windows; /* pattern: sliding or not */
    mf_gguf_per_layer recurs;  /* pattern: with a state or not */
    mf_gguf_per_layer ratios;  /* DeepSeek V4: tokens for one compressed entry; 0: none */
    uint32_t key_dim;          /* 0: hidden / heads */
    uint32_t value_dim;
    uint32_t key_dim_swa; /* 0: as in the other layers */
    uint32_t value_dim_swa;
    uint32_t key_dim_mla; /* 0: no latent attention */
    uint32_t value_dim_mla;
    uint32_t kv_rank;
    uint32_t rope_dim;
    uint32_t window;
    uint32_t window_period;
    uint32_t full_interval; /* every so many layers attend, others have a state; 0: not stated */
    uint32_t n_shared_kv;
    uint32_t index_dim;
    uint32_t n_index_heads;
    uint32_t index_top_k;
    uint32_t index_block;
    uint32_t conv_kernel;
    uint32_t state_inner;
    uint32_t state_size;
    uint32_t state_groups;
    uint32_t kda_dim;
    uint32_t conv_cache;
    uint32_t n_experts;
    uint32_t n_experts_used;
    uint32_t n_groups;
    uint32_t n_groups_used;
    mf_routing norm_weights;
    mf_routing scale_weights;
    uint32_t shared_width;
    uint32_t n_shared;
    uint32_t n_dense_first;
    uint32_t moe_step; /* every so many layers have experts; 0: not stated */
} plan;

typedef struct plan_key {
    const char *key;
    size_t offset;
} plan_key;

#define INTO(key_, member)                                                                         \
    {                                                                                              \
        .key = (key_), .offset = offsetof(plan, member)                                            \
    }

static const plan_key number_keys[] = {
    INTO("attention.key_length", key_dim),
    INTO("attention.value_length", value_dim),
    INTO("attention.key_length_swa", key_dim_swa),
    INTO("attention.value_length_swa", value_dim_swa),
    INTO("attention.key_length_mla", key_dim_mla),
    INTO("attention.value_length_mla", value_dim_mla),
    INTO("attention.kv_lora_rank", kv_rank),
    INTO("rope.dimension_count", rope_dim),
    INTO("attention.indexer.key_length", index_dim),
    INTO("attention.indexer.head_count", n_index_heads),
    INTO("attention.indexer.top_k", index_top_k),
    INTO("attention.indexer.block_size", index_block),
    INTO("full_attention_interval", full_interval),
    INTO("ssm.conv_kernel", conv_kernel),
    INTO("ssm.inner_size", state_inner),
    INTO("ssm.state_size", state_size),
    INTO("ssm.group_count", state_groups),
    INTO("kda.head_dim", kda_dim),
    INTO("shortconv.l_cache", conv_cache),
    INTO("expert_count", n_experts),
    INTO("expert_used_count", n_experts_used),
    INTO("expert_group_count", n_groups),
    INTO("expert_group_used_count", n_groups_used),
    INTO("expert_shared_feed_forward_length", shared_width),
    INTO("expert_shared_count", n_shared),
    INTO("leading_dense_block_count", n_dense_first),
    INTO("interleave_moe_layer_step", moe_step),
};

static const plan_key layer_keys[] = {
    INTO("attention.head_count", n_heads),
    INTO("attention.head_count_kv", n_kv_heads),
    INTO("feed_forward_length", ffn_width),
    INTO("expert_feed_forward_length", expert_width),
    INTO("attention.recurrent_layers", recurs),
    INTO("attention.compress_ratios", ratios),
};

/* Pattern key: an array says it layer by layer, a scalar is the period. */
static mf_status plan_windows(plan *p, const mf_gguf_meta *meta, mf_error *err)
{
    static const char window_key[] = "attention.sliding_window";
    const mf_gguf_arch *arch = meta->arch;
    const mf_gguf_value *pattern = mf_gguf_meta_find(meta, "attention.sliding_window_pattern");
    mf_status status = MF_OK;
    if (arch->window_depth > 0 && arch->window_depth != meta->n_layers - meta->n_nextn) {
        return MF_OK;
    }
    switch (arch->windows) {
    case MF_WINDOW_IGNORED:
        return MF_OK;
    case MF_WINDOW_REQUIRED:
        status = mf_gguf_meta_need(&p->window, meta, window_key, err);
        break;
    case MF_WINDOW_OPTIONAL:
    case MF_WINDOW_CHUNKED:
        status = mf_gguf_meta_u32(&p->window, meta, window_key, arch->window, err);
        if (p->window > 0 && arch->windows == MF_WINDOW_CHUNKED) {
            p->window = arch->window;
        }
        break;
    }
    if (status != MF_OK || p->window == 0) {
        return status;
    }
    p->window_period = arch->window_period;
    if (pattern != NULL && pattern->type == MF_GGUF_ARRAY) {
        p->windows = pattern;
    } else if (pattern != NULL) {
        status =
            mf_gguf_meta_u32(&p->window_period, meta, "attention.sliding_window_pattern", 0, err);
    } else if (p->window_period == 0 && !arch->compresses) {
        status = mf_fail(err,
                         MF_E_DATA,
                         "%s: the key '%s.attention.sliding_window_pattern' is missing",
                         meta->file->bytes.name,
                         arch->name);
    }
    return status;
}

/* A factor of 1 is none (llama-graph.cpp: build_moe_ffn). */
static mf_status plan_routing(plan *p, const mf_gguf_meta *meta, mf_error *err)
{
    static const uint32_t one = 0x3f800000; /* 1.0 as float32 */
    const mf_gguf_value *norm = mf_gguf_meta_find(meta, "expert_weights_norm");
    const mf_gguf_value *scale = mf_gguf_meta_find(meta, "expert_weights_scale");
    uint32_t value = 0;
    mf_status status = MF_OK;
    if (norm != NULL) {
        status = mf_gguf_meta_u32(&value, meta, "expert_weights_norm", 0, err);
        p->norm_weights = value != 0 ? MF_ROUTING_YES : MF_ROUTING_NO;
    }
    if (status == MF_OK && scale != NULL) {
        status = mf_gguf_f32_bits(&value, meta->file, scale, err);
        p->scale_weights = value != 0 && value != one ? MF_ROUTING_YES : MF_ROUTING_NO;
    }
    return status;
}

static mf_status read_plan(plan *p, const mf_gguf_meta *meta, mf_error *err)
{
    mf_status status = MF_OK;
    for (size_t i = 0; i < sizeof layer_keys / sizeof layer_keys[0]; i++) {
        mf_gguf_per_layer *to = (mf_gguf_per_layer *)(void *)((char *)p + layer_keys[i].offset);
        *to = mf_gguf_meta_find(meta, layer_keys[i].key);
    }
    for (size_t i = 0; status == MF_OK && i < sizeof number_keys / sizeof number_keys[0]; i++) {
        uint32_t *to = (uint32_t *)(void *)((char *)p + number_keys[i].offset);
        status = mf_gguf_meta_u32(to, meta, number_keys[i].key, 0, err);
    }
    const uint32_t own = meta->arch->layers_with_own_cache;
    const uint32_t shared = own > 0 && meta->n_layers > own ? meta->n_layers - own : 0;
    if (status == MF_OK) {
        status = mf_gguf_meta_u32(&p->n_shared_kv, meta, "attention.shared_kv_layers", shared, err);
    }
    if (status == MF_OK && p->n_shared_kv >= meta->n_layers) {
        const mf_gguf_value *value = mf_gguf_meta_find(meta, "attention.shared_kv_layers");
        return mf_gguf_meta_fail(
            meta, value, err, "is %u, the model has %u layers", p->n_shared_kv, meta->n_layers);
    }
    status = status == MF_OK ? plan_routing(p, meta, err) : status;
    return status == MF_OK ? plan_windows(p, meta, err) : status;
}

/* One layer while it is being filled. */
typedef struct site {
    const plan *plan;
    const mf_gguf_meta *meta;
    const mf_seen *seen;
    uint64_t hidden;
    uint32_t layer;
    bool is_nextn;
} site;

static mf_status site_fail(const site *at, mf_error *err, const char *what)
{
    return mf_fail(err, MF_E_DATA, "%s: layer %u %s", at->meta->file->bytes.name, at->layer, what);
}

static mf_status slides(bool *out, const site *at, mf_error *err)
{
    const plan *p = at->plan;
    if (p->window == 0) {
        *out = false;
        return MF_OK;
    }
    if (p->windows != NULL) {
        uint32_t flag = 0;
        const mf_status status = mf_gguf_meta_layer(&flag, at->meta, p->windows, at->layer, 0, err);
        *out = flag != 0;
        return status;
    }
    /* llama.cpp's set_swa_pattern: a period of 0 makes every layer slide */
    const uint32_t place = p->window_period > 0 ? at->layer % p->window_period : 0;
    *out = p->window_period == 0 ||
           (at->meta->arch->full_first ? place != 0 : place + 1 < p->window_period);
    return MF_OK;
}

static uint32_t head_width(const site *at, uint32_t stated, uint32_t stated_swa, uint32_t n_heads)
{
    if (stated_swa > 0) {
        return stated_swa;
    }
    return stated > 0 ? stated : (uint32_t)(at->hidden / n_heads);
}

static mf_status fill_latent(mf_attention *a, const site *at, mf_error *err)
{
    const plan *p = at->plan;
    if (p->kv_rank == 0 || p->rope_dim == 0 || p->value_dim_mla == 0 ||
        p->key_dim_mla <= p->rope_dim) {
        return site_fail(at,
                         err,
                         "has latent attention, but 'attention.kv_lora_rank', "
                         "'rope.dimension_count', 'attention.key_length_mla' and "
                         "'attention.value_length_mla' do not fit together");
    }
    a->kind = MF_ATTENTION_MLA;
    a->key_dim = p->key_dim_mla;
    a->value_dim = p->value_dim_mla;
    a->kv_rank = p->kv_rank;
    a->rope_dim = p->rope_dim;
    a->n_kv_heads = 1;
    return MF_OK;
}

/* Fused or not, the projections must have the widths that the metadata gives. */
static mf_status check_projections(const mf_attention *a, const site *at, mf_error *err)
{
    const mf_tensor *qkv = at->seen->of[MF_SEEN_ATTN_QKV];
    const mf_tensor *output = at->seen->of[MF_SEEN_ATTN_OUTPUT];
    if (output == NULL) {
        return MF_OK; /* in two parts: read_heads */
    }
    const uint64_t q = (uint64_t)a->n_heads * a->key_dim;
    const uint64_t kv = (uint64_t)a->n_kv_heads * ((uint64_t)a->key_dim + a->value_dim);
    if (output->dims[0] != (uint64_t)a->n_heads * a->value_dim) {
        return site_fail(at,
                         err,
                         "has an 'attn_output.weight' that is not as wide as heads times value "
                         "width, the file contradicts itself");
    }
    if (a->kind == MF_ATTENTION_GQA && qkv != NULL && qkv->dims[1] != q + kv) {
        return site_fail(at,
                         err,
                         "has an 'attn_qkv.weight' that is not as wide as its heads, the file "
                         "contradicts itself");
    }
    return MF_OK;
}

static mf_status bad_heads(const site *at, const char *key, mf_error *err)
{
    const mf_gguf_value *value = mf_gguf_meta_find(at->meta, key);
    if (value == NULL) {
        return mf_fail(err,
                       MF_E_DATA,
                       "%s: the key '%s.%s' is missing",
                       at->meta->file->bytes.name,
                       at->meta->arch->name,
                       key);
    }
    return mf_gguf_meta_fail(at->meta,
                             value,
                             err,
                             "gives layer %u no heads, or query heads that are not a multiple of "
                             "the key heads",
                             at->layer);
}

/* Heads of a layer that attends; *attends is false for the others. */
static mf_status
read_heads(bool *attends, uint32_t *n_heads, uint32_t *n_kv_heads, const site *at, mf_error *err)
{
    const plan *p = at->plan;
    const mf_gguf_meta *meta = at->meta;
    mf_status status = mf_gguf_meta_layer(n_heads, meta, p->n_heads, at->layer, 0, err);
    if (status == MF_OK) {
        status = mf_gguf_meta_layer(n_kv_heads, meta, p->n_kv_heads, at->layer, *n_heads, err);
    }
    /* A list with a 0 says that this layer does something else; a scalar 0 says nothing sensible. */
    const bool listed = p->n_kv_heads != NULL && p->n_kv_heads->type == MF_GGUF_ARRAY;
    *attends = !(at->seen->has_state && !meta->arch->attention_beside_state) &&
               !(listed && *n_kv_heads == 0);
    if (status != MF_OK || !*attends) {
        return status;
    }
    if (*n_heads == 0) {
        return bad_heads(at, "attention.head_count", err);
    }
    if (*n_kv_heads == 0 || *n_heads % *n_kv_heads != 0) {
        return bad_heads(at, "attention.head_count_kv", err);
    }
    const mf_seen_tensor output =
        meta->arch->compresses ? MF_SEEN_ATTN_OUTPUT_B : MF_SEEN_ATTN_OUTPUT;
    return at->seen->of[output] != NULL
               ? MF_OK
               : site_fail(at, err, "has no 'attn_output.weight', but attends by its metadata");
}

static void fill_index(mf_attention *a, const plan *p)
{
    a->index_dim = p->index_dim;
    a->n_index_heads = p->n_index_heads;
    a->index_top_k = p->index_top_k * (p->index_block > 0 ? p->index_block : 1);
    a->index_block = p->index_block;
}

/* One vector is key and value; entries for several tokens, if the layer has them, follow from its ratio. */
static mf_status fill_compressed(mf_layer *layer, const site *at, mf_error *err)
{
    const plan *p = at->plan;
    mf_attention *a = &layer->attention;
    uint32_t ratio = 0;
    const mf_status status = mf_gguf_meta_item(&ratio, at->meta, p->ratios, at->layer, err);
    if (status != MF_OK) {
        return status;
    }
    if (a->n_kv_heads != 1 || p->rope_dim == 0 || p->rope_dim >= a->key_dim) {
        return site_fail(at, err, "has heads or a 'rope.dimension_count' that can't be compressed");
    }
    a->value_is_key = true;
    a->rope_dim = p->rope_dim;
    a->compress_ratio = ratio;
    if (ratio == MF_OVERLAPPING_RATIO) {
        fill_index(a, p);
    }
    if (ratio > 0) {
        layer->recurrent = mf_compressor_state(ratio, a->key_dim, p->index_dim);
    }
    return MF_OK;
}

static mf_status fill_attention(mf_attention *a, const site *at, mf_error *err)
{
    const plan *p = at->plan;
    uint32_t n_heads = 0;
    uint32_t n_kv_heads = 0;
    bool attends = false;
    bool windowed = false;
    mf_status status = read_heads(&attends, &n_heads, &n_kv_heads, at, err);
    if (status == MF_OK && attends) {
        status = slides(&windowed, at, err);
    }
    if (status != MF_OK || !attends) {
        return status;
    }
    a->kind = MF_ATTENTION_GQA;
    a->n_heads = n_heads;
    a->n_kv_heads = n_kv_heads;
    a->window = windowed ? p->window : 0;
    a->chunked = windowed && at->meta->arch->windows == MF_WINDOW_CHUNKED;
    a->shares_kv = at->layer >= at->meta->n_layers - p->n_shared_kv;
    a->key_dim = head_width(at, p->key_dim, windowed ? p->key_dim_swa : 0, n_heads);
    a->value_dim = head_width(at, p->value_dim, windowed ? p->value_dim_swa : 0, n_heads);
    if (at->seen->of[MF_SEEN_INDEXER] != NULL || at->seen->of[MF_SEEN_BLOCK_INDEXER] != NULL) {
        fill_index(a, p);
    }
    if (p->key_dim_mla > 0) {
        status = fill_latent(a, at, err);
    }
    return status == MF_OK ? check_projections(a, at, err) : status;
}

/* Elements per sequence: llama.cpp, src/llama-hparams.cpp, n_embd_r and n_embd_s. */
static mf_status state_sizes(mf_recurrent *r, const site *at, uint32_t n_heads, mf_error *err)
{
    enum { KDA_CONVOLUTIONS = 3 }; /* of queries, keys and values */
    const plan *p = at->plan;
    const uint64_t taps = p->conv_kernel > 0 ? p->conv_kernel - 1 : 0;
    uint64_t wide = 0;
    bool fine = true;
    if (r->kind == MF_RECURRENT_CONV) {
        const uint64_t kept = p->conv_cache > 0 ? p->conv_cache - 1 : 0;
        fine = p->conv_cache > 0 && mf_mul(&r->conv_elements, at->hidden, kept);
    } else if (p->kda_dim > 0) {
        fine = taps > 0 && n_heads > 0 &&
               mf_mul(&wide, (uint64_t)n_heads * p->kda_dim, p->kda_dim) &&
               mf_mul(&r->conv_elements, taps * KDA_CONVOLUTIONS, (uint64_t)n_heads * p->kda_dim);
        r->state_elements = wide;
    } else {
        fine = taps > 0 && p->state_inner > 0 && p->state_size > 0 &&
               mf_mul(&wide, (uint64_t)p->state_groups * p->state_size, 2) &&
               mf_add(&wide, wide, p->state_inner) && mf_mul(&r->conv_elements, taps, wide);
        r->state_elements = (uint64_t)p->state_inner * p->state_size;
    }
    return fine ? MF_OK
                : site_fail(at,
                            err,
                            "keeps a state, but its size ('ssm.conv_kernel', 'ssm.inner_size', "
                            "'ssm.state_size', 'kda.head_dim' or 'shortconv.l_cache') is missing");
}

static mf_status fill_recurrent(mf_recurrent *r, const site *at, mf_error *err)
{
    const plan *p = at->plan;
    const mf_gguf_meta *meta = at->meta;
    const bool has_state = at->seen->has_state;
    if (!at->is_nextn && p->recurs != NULL) {
        uint32_t flag = 0;
        const mf_status status = mf_gguf_meta_layer(&flag, meta, p->recurs, at->layer, 0, err);
        if (status != MF_OK) {
            return status;
        }
        if ((flag != 0) != has_state) {
            return site_fail(at, err, "contradicts 'attention.recurrent_layers' by its tensors");
        }
    } else if (!at->is_nextn && p->full_interval > 0 &&
               ((at->layer + 1) % p->full_interval != 0) != has_state) {
        return site_fail(at, err, "contradicts 'full_attention_interval' by its tensors");
    }
    if (!has_state) {
        return MF_OK;
    }
    if (meta->arch->recurrent == MF_RECURRENT_NONE) {
        return site_fail(at, err, "has tensors of a recurrent state, which its architecture lacks");
    }
    uint32_t n_heads = 0;
    const mf_status status = mf_gguf_meta_layer(&n_heads, meta, p->n_heads, at->layer, 0, err);
    r->kind = meta->arch->recurrent;
    return status == MF_OK ? state_sizes(r, at, n_heads, err) : status;
}

static bool has_experts(const mf_seen *seen)
{
    return seen->of[MF_SEEN_DOWN_EXPS] != NULL;
}

/* leading_dense_block_count and interleave_moe_layer_step say which layers have experts; so do the tensors. */
static mf_status check_experts_place(const site *at, mf_error *err)
{
    const plan *p = at->plan;
    const bool has_ffn = has_experts(at->seen) || at->seen->of[MF_SEEN_FFN_DOWN] != NULL;
    if (at->is_nextn || !has_ffn || (p->n_dense_first == 0 && p->moe_step == 0)) {
        return MF_OK;
    }
    const uint32_t step = p->moe_step > 0 ? p->moe_step : 1;
    const bool expected =
        p->n_experts > 0 && at->layer >= p->n_dense_first && (at->layer + 1) % step == 0;
    if (expected == has_experts(at->seen)) {
        return MF_OK;
    }
    return site_fail(at,
                     err,
                     expected ? "has no experts, against 'leading_dense_block_count' or "
                                "'interleave_moe_layer_step'"
                              : "has experts, against 'leading_dense_block_count' or "
                                "'interleave_moe_layer_step'");
}

static mf_status fill_experts(mf_ffn *f, const site *at, mf_error *err)
{
    const plan *p = at->plan;
    const mf_seen *seen = at->seen;
    const mf_tensor *shared = seen->of[MF_SEEN_DOWN_SHEXP];
    const mf_tensor *beside = seen->of[MF_SEEN_FFN_DOWN];
    if (p->n_experts == 0 || p->n_experts_used == 0 || p->n_experts_used > p->n_experts) {
        return site_fail(at,
                         err,
                         "has experts, but 'expert_count' and 'expert_used_count' are missing or "
                         "do not fit together");
    }
    if (shared == NULL && (p->shared_width > 0 || p->n_shared > 0)) {
        return site_fail(at, err, "has no 'ffn_down_shexp.weight' for its shared experts");
    }
    /* A dense part beside the experts (Gemma 4, Arctic) is used by every token, as a shared expert is. */
    const uint64_t shared_width =
        (shared != NULL ? shared->dims[0] : 0) + (beside != NULL ? beside->dims[0] : 0);
    if (shared_width > UINT32_MAX || seen->of[MF_SEEN_DOWN_EXPS]->dims[0] > UINT32_MAX) {
        return site_fail(at, err, "has experts of absurd width");
    }
    const bool gated =
        seen->of[MF_SEEN_GATE_EXPS] != NULL || seen->of[MF_SEEN_GATE_UP_EXPS] != NULL;
    f->kind = MF_FFN_MOE;
    f->n_experts = p->n_experts;
    f->n_experts_used = p->n_experts_used;
    f->n_groups = p->n_groups;
    f->n_groups_used = p->n_groups_used;
    f->norm_weights = p->norm_weights;
    f->scale_weights = p->scale_weights;
    f->shared_width = (uint32_t)shared_width;
    f->n_matrices = gated ? 3 : 2;
    /* Without a width of their own experts are as the tensors say (Mixtral, early Qwen2-MoE). */
    return mf_gguf_meta_layer(&f->width,
                              at->meta,
                              p->expert_width,
                              at->layer,
                              (uint32_t)seen->of[MF_SEEN_DOWN_EXPS]->dims[0],
                              err);
}

static mf_status fill_ffn(mf_ffn *f, const site *at, mf_error *err)
{
    const mf_tensor *down = at->seen->of[MF_SEEN_FFN_DOWN];
    const mf_tensor *up = at->seen->of[MF_SEEN_FFN_UP];
    uint32_t width = 0;
    mf_status status = mf_gguf_meta_layer(&width, at->meta, at->plan->ffn_width, at->layer, 0, err);
    if (status == MF_OK) {
        status = check_experts_place(at, err);
    }
    if (status != MF_OK) {
        return status;
    }
    if (has_experts(at->seen)) {
        return fill_experts(f, at, err);
    }
    if (down == NULL) {
        return !at->seen->has_ffn
                   ? MF_OK
                   : site_fail(at,
                               err,
                               "has neither 'ffn_down.weight' nor 'ffn_down_exps.weight', but "
                               "other parts of a feed forward; convert the model again with a "
                               "recent llama.cpp");
    }
    if (down->dims[0] > UINT32_MAX || (at->plan->ffn_width != NULL && down->dims[0] != width)) {
        return site_fail(
            at, err, "has an 'ffn_down.weight' that is not as wide as 'feed_forward_length'");
    }
    const bool fused = up != NULL && up->dims[1] == 2 * down->dims[0];
    f->kind = MF_FFN_DENSE;
    f->width = (uint32_t)down->dims[0];
    f->n_matrices = fused || at->seen->of[MF_SEEN_FFN_GATE] != NULL ? 3 : 2;
    return MF_OK;
}

static mf_status fill_layer(mf_layer *layer, const site *at, mf_error *err)
{
    if (!at->seen->has_any) {
        return site_fail(at, err, "has no tensors, 'block_count' and the tensors contradict");
    }
    layer->is_nextn = at->is_nextn;
    layer->nextn_has_cache = at->is_nextn && at->meta->arch->nextn_has_cache;
    mf_status status = fill_attention(&layer->attention, at, err);
    if (status == MF_OK) {
        status = at->meta->arch->compresses ? fill_compressed(layer, at, err)
                                            : fill_recurrent(&layer->recurrent, at, err);
    }
    return status == MF_OK ? fill_ffn(&layer->ffn, at, err) : status;
}

mf_status mf_gguf_fill_layers(mf_model *model, const mf_gguf_meta *meta, mf_error *err)
{
    plan p = {0};
    mf_status status = read_plan(&p, meta, err);
    mf_seen *seen = calloc(meta->n_layers, sizeof *seen);
    if (seen == NULL) {
        return mf_fail(err, MF_E_NOMEM, "no memory for %u layers", meta->n_layers);
    }
    for (size_t i = 0; status == MF_OK && i < model->n_tensors; i++) {
        const mf_tensor *tensor = &model->tensors[i];
        if (tensor->layer >= (int64_t)meta->n_layers) {
            status = mf_fail(err,
                             MF_E_DATA,
                             "%s: tensor '%s' lies behind the last of %u layers",
                             meta->file->bytes.name,
                             tensor->name,
                             meta->n_layers);
        } else if (tensor->layer >= 0) {
            mf_seen_note(&seen[tensor->layer], tensor);
        }
    }
    for (uint32_t i = 0; status == MF_OK && i < meta->n_layers; i++) {
        const site at = {.plan = &p,
                         .meta = meta,
                         .seen = &seen[i],
                         .hidden = model->hidden,
                         .layer = i,
                         .is_nextn = i >= meta->n_layers - meta->n_nextn};
        status = fill_layer(&model->layers[i], &at, err);
    }
    free(seen);
    return status;
}
