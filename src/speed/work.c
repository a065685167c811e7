#include "speed/work.h"

#include <math.h>
#include <string.h>

#define PRODUCTS_OF_EXPERTS 3.0
#define PAIR_S 6e-9 /* 7 on the desktops that ran gpt-oss-20b, 5 on a Strix Halo (docs/speed.md) */
#define STATE_ELEMENT_BYTES 4.0 /* llama.cpp keeps recurrent state in f32 */
#define F16_BYTES 2.0

static bool same_group(const mf_attention_group *a, const mf_attention_group *b)
{
    const double apart =
        fabs(a->window - b->window) + fabs(a->top_k - b->top_k) + fabs(a->ratio - b->ratio);
    return a->latent == b->latent && a->wide == b->wide && apart < 0.5;
}

/* How often a KV head is read where tiles of query heads read it; one head alone has a kernel of its own, which reads it once. */
static double readings_by_tile(const mf_attention *a)
{
    static const uint32_t tiles[] = {8, 4, 2};
    const uint32_t n_queries = a->n_kv_heads > 0 ? a->n_heads / a->n_kv_heads : 1;
    for (size_t i = 0; i < sizeof tiles / sizeof tiles[0]; i++) {
        if (n_queries % tiles[i] == 0) {
            return (double)n_queries / tiles[i];
        }
    }
    return fmax(1, n_queries);
}

/* FLOP: QK^T and the weighted sum of V, 2 each per multiply-add. Absorbed MLA attends in the latent space: keys of
   rank + rope, values of rank (science: 2 h (2 r + p)); llama.cpp and mlx-lm both run it so. */
static mf_attention_group group_of(const mf_attention *a)
{
    mf_attention_group group = {.latent = a->kind == MF_ATTENTION_MLA,
                                .wide = a->kind != MF_ATTENTION_MLA &&
                                        a->key_dim > MF_WIDEST_NARROW_HEAD,
                                .window = a->window,
                                .top_k = a->index_top_k,
                                .ratio = a->compress_ratio,
                                .index = a->index_dim};
    if (group.latent) {
        group.keys = (double)a->kv_rank + a->rope_dim;
        group.flop = 2.0 * a->n_heads * (2.0 * a->kv_rank + a->rope_dim);
        return group;
    }
    group.keys = (double)a->n_kv_heads * a->key_dim;
    group.values = a->value_is_key ? 0 : (double)a->n_kv_heads * a->value_dim;
    group.again = (readings_by_tile(a) - 1) * (group.keys + group.values);
    group.flop = 2.0 * a->n_heads * ((double)a->key_dim + a->value_dim);
    return group;
}

static mf_status add_group(mf_work *work, const mf_attention_group *group, mf_error *err)
{
    size_t i = 0;
    while (i < work->n_groups && !same_group(&work->groups[i], group)) {
        i++;
    }
    if (i == MF_MAX_ATTENTION_GROUPS) {
        return mf_fail(err,
                       MF_E_UNSUPPORTED,
                       "more than %d kinds of attention windows in one model",
                       MF_MAX_ATTENTION_GROUPS);
    }
    if (i == work->n_groups) {
        work->groups[i] = *group;
        work->n_groups++;
        return MF_OK;
    }
    work->groups[i].keys += group->keys;
    work->groups[i].values += group->values;
    work->groups[i].again += group->again;
    work->groups[i].index += group->index;
    work->groups[i].flop += group->flop;
    return MF_OK;
}

static mf_status
add_layer(mf_work *work, const mf_layer *layer, bool here, bool attention_here, mf_error *err)
{
    if (layer->is_nextn) {
        return MF_OK;
    }
    if (here) {
        work->n_layers += 1;
        work->n_moe_layers += layer->ffn.kind == MF_FFN_MOE ? 1 : 0;
        work->n_linear_layers += layer->recurrent.kind != MF_RECURRENT_NONE ? 1 : 0;
        work->state_bytes += STATE_ELEMENT_BYTES * ((double)layer->recurrent.conv_elements +
                                                    (double)layer->recurrent.state_elements);
    }
    if (!attention_here || layer->attention.kind == MF_ATTENTION_NONE) {
        return MF_OK;
    }
    const mf_attention_group group = group_of(&layer->attention);
    return add_group(work, &group, err);
}

/* A table that the head shares is read where the head runs. */
static bool on_host(const mf_model *model, size_t index, const mf_tensor_map *map)
{
    const mf_tensor *tensor = &model->tensors[index];
    if (map == NULL) {
        return false;
    }
    const bool head = tensor->role == MF_ROLE_OUTPUT || tensor->role == MF_ROLE_TOKEN_EMBEDDING;
    return (head ? map->layers[model->n_layers] : map->tensors[index]) == map->host;
}

static double used_share(const mf_model *model, const mf_tensor *tensor)
{
    if (tensor->role != MF_ROLE_EXPERT || tensor->layer < 0 ||
        (size_t)tensor->layer >= model->n_layers) {
        return 1;
    }
    const mf_ffn *ffn = &model->layers[tensor->layer].ffn;
    return ffn->n_experts > 0 ? (double)ffn->n_experts_used / ffn->n_experts : 1;
}

/* A product's inputs and outputs for one token, of all experts that it picks; a vector multiplies nothing. */
static double passed_elements(const mf_model *model, const mf_tensor *tensor)
{
    if (tensor->n_dims < 2) {
        return 0;
    }
    const bool expert = tensor->role == MF_ROLE_EXPERT && tensor->n_dims > 2;
    const double times = expert ? model->layers[tensor->layer].ffn.n_experts_used : 1;
    return ((double)tensor->dims[0] + (double)tensor->dims[1]) * times;
}

typedef struct tensor_load {
    double bytes;
    double weights;
    double share;
    double passed; /* inputs and outputs of its product for one token */
    mf_format format;
    bool tail;
} tensor_load;

/* Layers from here on read caches that earlier ones fill (Gemma 3n and 4 E): a prompt's last tokens alone need them. */
static size_t tail_start(const mf_model *model)
{
    size_t end = model->n_layers;
    while (end > 0 &&
           (model->layers[end - 1].is_nextn || model->layers[end - 1].attention.shares_kv)) {
        end--;
    }
    return end > 0 ? end : model->n_layers;
}

/* Adds a tensor of a layer: everything but the tables that are looked up. */
static void add_tensor(mf_work *work, const mf_tensor *tensor, tensor_load load)
{
    const double weights = load.weights * load.share;
    work->read_bytes += load.bytes * load.share;
    work->read_weights[load.format] += weights;
    if (tensor->role == MF_ROLE_EXPERT) {
        work->expert_weights[load.format] += weights;
        work->expert_bytes += load.bytes;
        work->expert_share = load.share;
    } else {
        work->dense_weights[load.format] += weights;
        work->tail_weights[load.format] += load.tail ? weights : 0;
        work->dense_bytes += load.bytes;
    }
    work->passed_elements += load.passed;
    work->tail_passed_elements += load.tail ? load.passed : 0;
}

/* The head: read for every decoded token, but for one row only of a prompt. */
static void add_head(mf_work *work, tensor_load load)
{
    work->read_bytes += load.bytes;
    work->read_weights[load.format] += load.weights;
}

static bool is_looked_up(const mf_model *model, const mf_tensor *tensor)
{
    return tensor->role == MF_ROLE_PER_LAYER_EMBEDDING ||
           (tensor->role == MF_ROLE_TOKEN_EMBEDDING && !model->tied_embeddings);
}

/* Of blocks that only speculation runs. */
static bool is_nextn(const mf_model *model, const mf_tensor *tensor)
{
    return tensor->role == MF_ROLE_NEXTN ||
           (tensor->layer >= 0 && (size_t)tensor->layer < model->n_layers &&
            model->layers[tensor->layer].is_nextn);
}

/* One tensor of each expert layer stands for the layer: the last that its experts multiply with. */
static bool stands_for_layer(const mf_tensor *tensor)
{
    return tensor->role == MF_ROLE_EXPERT && tensor->n_dims == 3 &&
           strstr(tensor->name, "ffn_down_exps") != NULL;
}

static mf_status add_tensors(mf_work *work,
                             const mf_model *model,
                             const mf_tensor_type *types,
                             const mf_work_part *part,
                             mf_error *err)
{
    const size_t tail = tail_start(model);
    for (size_t i = 0; i < model->n_tensors; i++) {
        const mf_tensor *tensor = &model->tensors[i];
        if (is_nextn(model, tensor) || on_host(model, i, part->map) != part->host) {
            continue;
        }
        uint64_t bytes = 0;
        uint64_t elements = 0;
        mf_status status = mf_tensor_bytes(&bytes, tensor, types[i], err);
        if (status == MF_OK) {
            status = mf_tensor_elements(&elements, tensor, err);
        }
        if (status != MF_OK) {
            return status;
        }
        work->mapped_bytes += (double)bytes;
        if (is_looked_up(model, tensor)) {
            continue;
        }
        const tensor_load load = {.bytes = (double)bytes,
                                  .weights = (double)elements,
                                  .share = used_share(model, tensor),
                                  .passed = passed_elements(model, tensor),
                                  .format = mf_format_of(types[i]),
                                  .tail = tensor->layer >= 0 && (size_t)tensor->layer >= tail};
        if (tensor->role == MF_ROLE_OUTPUT || tensor->role == MF_ROLE_TOKEN_EMBEDDING) {
            add_head(work, load);
        } else {
            add_tensor(work, tensor, load);
        }
        if (stands_for_layer(tensor)) {
            const double n = (double)model->layers[tensor->layer].ffn.n_experts;
            work->bf16_experts += types[i] == MF_TYPE_BF16 ? n : 0;
            work->wide_experts += types[i] == MF_TYPE_BF16 || types[i] == MF_TYPE_F16 ? n : 0;
            work->expert_pairs += n * n * load.share;
        }
    }
    return MF_OK;
}

mf_status mf_work_build(mf_work *work,
                        const mf_model *model,
                        const mf_tensor_type *types,
                        const mf_work_part *part,
                        mf_error *err)
{
    mf_work sum = {0};
    mf_status status = add_tensors(&sum, model, types, part, err);
    for (size_t i = 0; status == MF_OK && i < model->n_layers; i++) {
        const bool layer_on_host = part->map != NULL && part->map->layers[i] == part->map->host;
        const bool attention_on_host =
            layer_on_host || (part->map != NULL && part->map->attention_on_host);
        status = add_layer(&sum,
                           &model->layers[i],
                           layer_on_host == part->host,
                           attention_on_host == part->host,
                           err);
    }
    if (status == MF_OK) {
        *work = sum;
    }
    return status;
}

mf_work mf_work_scaled(const mf_work *work, double share)
{
    mf_work scaled = *work;
    scaled.read_bytes *= share;
    scaled.dense_bytes *= share;
    scaled.expert_bytes *= share;
    scaled.mapped_bytes *= share;
    scaled.state_bytes *= share;
    scaled.passed_elements *= share;
    scaled.tail_passed_elements *= share;
    scaled.n_layers *= share;
    scaled.n_moe_layers *= share;
    scaled.n_linear_layers *= share;
    scaled.bf16_experts *= share;
    scaled.wide_experts *= share;
    scaled.expert_pairs *= share;
    scaled.sorting_s *= share;
    for (size_t f = 0; f < MF_FORMAT_COUNT; f++) {
        scaled.read_weights[f] *= share;
        scaled.dense_weights[f] *= share;
        scaled.tail_weights[f] *= share;
        scaled.expert_weights[f] *= share;
    }
    for (size_t g = 0; g < scaled.n_groups; g++) {
        scaled.groups[g].keys *= share;
        scaled.groups[g].values *= share;
        scaled.groups[g].again *= share;
        scaled.groups[g].index *= share;
        scaled.groups[g].flop *= share;
    }
    return scaled;
}

mf_work mf_work_unpacked(const mf_work *work)
{
    const double moved = 2 * F16_BYTES;
    mf_work unpacked = *work;
    for (size_t f = 0; f < MF_FORMAT_COUNT; f++) {
        if (f == MF_FORMAT_F16 || f == MF_FORMAT_BF16) {
            continue;
        }
        const double experts = work->expert_weights[f];
        unpacked.dense_weights[MF_FORMAT_F16] += work->dense_weights[f];
        unpacked.tail_weights[MF_FORMAT_F16] += work->tail_weights[f];
        unpacked.expert_weights[MF_FORMAT_F16] += experts;
        unpacked.dense_bytes += moved * work->dense_weights[f];
        unpacked.expert_bytes += experts > 0 ? moved * experts / work->expert_share : 0;
        unpacked.dense_weights[f] = unpacked.tail_weights[f] = unpacked.expert_weights[f] = 0;
    }
    return unpacked;
}

mf_work mf_work_sorted(const mf_work *work)
{
    mf_work sorted = *work;
    sorted.sorting_s = PRODUCTS_OF_EXPERTS * work->expert_pairs * PAIR_S;
    return sorted;
}

static double element_bytes(mf_tensor_type type)
{
    const mf_tensor_type_info *info = mf_tensor_type_get(type);
    return (double)info->block_bytes / info->block_elements;
}

mf_cache_width mf_cache_width_of(const mf_workload *workload)
{
    return (mf_cache_width){.key_bytes = element_bytes(workload->kv_type_k),
                            .value_bytes = element_bytes(workload->kv_type_v)};
}

/* Tokens that a query sees with n in the context. A chunk (Llama 4) is taken as full: never too fast. */
static double visible(const mf_attention_group *group, double n)
{
    double seen = n;
    if (group->window > 0 && n > group->window) {
        seen = group->window;
    }
    if (group->ratio > 0) {
        seen += n / group->ratio;
    }
    if (group->top_k > 0 && seen > group->top_k) {
        seen = group->top_k;
    }
    return seen;
}

double mf_work_kv_bytes(const mf_work *work, mf_cache_width width, double n_tokens)
{
    double bytes = 0;
    for (size_t g = 0; g < work->n_groups; g++) {
        const mf_attention_group *group = &work->groups[g];
        const double per_token = group->keys * width.key_bytes + group->values * width.value_bytes;
        bytes += per_token * visible(group, n_tokens) + group->index * width.key_bytes * n_tokens;
    }
    return bytes;
}

/* Bytes a visible token that a kernel reads beyond reading each cache once. */
static double
read_more(const mf_attention_group *group, mf_cache_width width, mf_cache_reading reading)
{
    const double once = group->keys * width.key_bytes + group->values * width.value_bytes;
    const double element_bytes = (width.key_bytes + width.value_bytes) / 2;
    switch (reading) {
    case MF_READ_BY_TILE:
        return group->again * element_bytes;
    case MF_READ_BY_HEAD:
        return group->latent
                   ? 0
                   : fmax(0,
                          group->flop / MF_FLOP_PER_CACHED_BYTE * element_bytes / F16_BYTES - once);
    case MF_READ_ONCE:
        break;
    }
    return 0;
}

double mf_work_kv_time_bytes(const mf_work *work,
                             mf_cache_width width,
                             mf_cache_reading reading,
                             double n_tokens)
{
    const mf_cache_width unpacked = {.key_bytes = fmax(F16_BYTES, width.key_bytes),
                                     .value_bytes = fmax(F16_BYTES, width.value_bytes)};
    double bytes = mf_work_kv_bytes(work, unpacked, n_tokens);
    for (size_t g = 0; reading != MF_READ_ONCE && g < work->n_groups; g++) {
        const mf_attention_group *group = &work->groups[g];
        bytes += read_more(group, unpacked, reading) * visible(group, n_tokens);
    }
    return bytes;
}

double mf_work_attention_flop(const mf_work *work, double n_tokens, bool latent)
{
    double flop = 0;
    for (size_t g = 0; g < work->n_groups; g++) {
        if (work->groups[g].latent == latent) {
            flop += work->groups[g].flop * visible(&work->groups[g], n_tokens);
        }
    }
    return flop;
}

/* Sum of min(k, limit) for k from begin to end, as an integral. */
static double capped_sum(double begin, double end, double limit)
{
    if (limit <= 0 || end <= limit) {
        return (end * end - begin * begin) / 2;
    }
    if (begin >= limit) {
        return limit * (end - begin);
    }
    return (limit * limit - begin * begin) / 2 + limit * (end - limit);
}

/* Pairs of a query in depth .. depth + n_tokens and a token that it sees. */
static double prompt_pairs(const mf_attention_group *group, double depth, double n_tokens)
{
    const double end = depth + n_tokens;
    double pairs = capped_sum(depth, end, group->window);
    if (group->ratio > 0) {
        pairs += capped_sum(depth, end, 0) / group->ratio;
    }
    if (group->top_k > 0) {
        pairs = fmin(pairs, capped_sum(depth, end, group->top_k));
    }
    return pairs;
}

double
mf_work_prompt_cache_bytes(const mf_work *work, mf_cache_width width, double depth, double n_tokens)
{
    double bytes = 0;
    for (size_t g = 0; g < work->n_groups; g++) {
        const mf_attention_group *group = &work->groups[g];
        const double per_token = group->keys * width.key_bytes + group->values * width.value_bytes;
        bytes += per_token * prompt_pairs(group, depth, n_tokens);
    }
    return bytes;
}

double
mf_work_prompt_attention_flop(const mf_work *work, double depth, double n_tokens, bool latent)
{
    double flop = 0;
    for (size_t g = 0; g < work->n_groups; g++) {
        const mf_attention_group *group = &work->groups[g];
        flop += group->latent == latent ? group->flop * prompt_pairs(group, depth, n_tokens) : 0;
    }
    return flop;
}

double mf_work_prompt_wide_flop(const mf_work *work, double depth, double n_tokens)
{
    double flop = 0;
    for (size_t g = 0; g < work->n_groups; g++) {
        const mf_attention_group *group = &work->groups[g];
        flop += group->wide ? group->flop * prompt_pairs(group, depth, n_tokens) : 0;
    }
    return flop;
}

double mf_work_touched_bytes(const mf_work *work, double n_tokens)
{
    const double untouched = pow(1 - work->expert_share, n_tokens);
    return work->dense_bytes + work->expert_bytes * (1 - untouched);
}
