/*
 * hf_vision.c - the vision tower of a config: its parameters, and what llama.cpp's clip.cpp holds while it looks at a picture.
 *
 * Each form says how many floats stand for a patch at the graph's peak. They are those of clip.cpp's own reservation (b10361)
 * for towers of several widths, and never below it: the residual, what a block makes of it, and the picture where the
 * graph keeps it until the end.
 */
#include <math.h>
#include <string.h>

#include "import/hf_family.h"

typedef struct tower {
    double width;
    double ff;
    double layers;
    double patch;   /* pixels */
    double picture; /* values of a patch: three colours */
    double text;    /* width of the tokens that come out */
    double block;   /* matrices of attention */
} tower;

static const mf_node *vision_node(const mf_hf *hf, const char *key)
{
    return mf_node_get(mf_node_get(hf->root, "vision_config"), key);
}

/* A key that is missing, or no count, leaves the tower unknown: the text model is what was asked for. */
typedef struct reader {
    mf_hf *hf;
    bool known;
} reader;

static double vision(reader *r, const char *key)
{
    uint64_t value = 0;
    if (!mf_node_uint(&value, vision_node(r->hf, key)) || value == 0 || value > MF_HF_MAX_COUNT) {
        r->known = false;
        return 0;
    }
    return (double)value;
}

/* Keys of a tower's width, feed-forward width and number of blocks. */
typedef struct tower_keys {
    const char *width, *ff, *layers;
} tower_keys;

static const tower_keys usual_keys = {"hidden_size", "intermediate_size", "num_hidden_layers"};

static tower tower_of(reader *r, const tower_keys *keys)
{
    tower t = {.width = vision(r, keys->width),
               .ff = vision(r, keys->ff),
               .layers = vision(r, keys->layers),
               .patch = vision(r, "patch_size"),
               .text = (double)r->hf->hidden};
    t.picture = 3 * t.patch * t.patch;
    t.block = 4 * t.width * t.width;
    return t;
}

/* Two norms with biases, biases of q, k, v, the output and both matrices of the feed-forward part. */
static double biases_of(const tower *t)
{
    return 9 * t->width + t->ff;
}

typedef struct sizes {
    double parameters, f32, patches, first_patches, tokens, patch_floats;
} sizes;

/* clip.cpp: pictures of up to 4096 tokens, buffers for 46 x 46 of them at first. */
static sizes qwen(reader *r)
{
    enum { MOST_TOKENS = 4096, FIRST_TOKENS = 46 * 46 };
    static const tower_keys keys = {"hidden_size", "intermediate_size", "depth"};
    const tower t = tower_of(r, &keys);
    const double merge = vision(r, "spatial_merge_size");
    const double out = vision(r, "out_hidden_size");
    const double m = t.width * merge * merge;
    const double merger = m * m + m + m * out + out;
    const double deep = (double)mf_node_count(vision_node(r->hf, "deepstack_visual_indexes"));
    const double positions = vision(r, "num_position_embeddings") * t.width;
    const double frames = vision(r, "temporal_patch_size");
    const double stacked = deep > 0 ? t.width + deep * out / (merge * merge) : 0;
    return (sizes){
        .parameters = frames * t.picture * t.width + t.width + positions +
                      t.layers * (t.block + 2 * t.width * t.ff + biases_of(&t)) + 2 * t.width +
                      merger + deep * (2 * m + merger),
        .f32 = positions + t.layers * biases_of(&t) + 3 * t.width + m + out + deep * (3 * m + out),
        .patches = MOST_TOKENS * merge * merge,
        .first_patches = FIRST_TOKENS * merge * merge,
        .tokens = MOST_TOKENS,
        .patch_floats = fmax(t.ff, 4 * t.width) + 3 * t.width + 4 + stacked,
    };
}

/* SigLIP with a projector: pictures of one size. */
static sizes gemma3(reader *r)
{
    const tower t = tower_of(r, &usual_keys);
    const double side = floor(vision(r, "image_size") / fmax(t.patch, 1));
    const double positions = side * side * t.width;
    return (sizes){
        .parameters = t.picture * t.width + t.width + positions +
                      t.layers * (t.block + 2 * t.width * t.ff + biases_of(&t)) + 2 * t.width +
                      t.width * t.text + t.width,
        .f32 = positions + t.layers * biases_of(&t) + 4 * t.width,
        .patches = side * side,
        .first_patches = side * side,
        .tokens = mf_hf_count_or(r->hf, "mm_tokens_per_image", 256),
        .patch_floats = fmax(t.ff, 2 * t.width) + 3 * t.width,
    };
}

/* Gated, four norms a block, positions of rows and columns; up to 280 tokens, 256 at first. */
static sizes gemma4(reader *r)
{
    enum { MOST_TOKENS = 280, FIRST_TOKENS = 256 };
    const tower t = tower_of(r, &usual_keys);
    const double pooled = pow(vision(r, "pooling_kernel_size"), 2);
    const double positions = 2 * vision(r, "position_embedding_size") * t.width;
    const double norms = t.layers * (4 * t.width + 2 * vision(r, "head_dim"));
    bool standard = false;
    bool hears = false; /* E2B and E4B, whose file has a tower for sounds too */
    r->known &= !(mf_node_bool(&hears, vision_node(r->hf, "use_clipped_linears")) && hears);
    const bool stated = mf_node_bool(&standard, vision_node(r->hf, "standardize"));
    const double ends = stated && standard ? 2 * t.width : 0;
    return (sizes){
        .parameters = t.picture * t.width + positions + norms + ends + t.width * t.text +
                      t.layers * (t.block + 3 * t.width * t.ff),
        .f32 = positions + norms + ends,
        .patches = MOST_TOKENS * pooled,
        .first_patches = FIRST_TOKENS * pooled,
        .tokens = MOST_TOKENS,
        .patch_floats = 3 * t.ff + 2 * t.width + t.picture + 2,
    };
}

/* Mistral 3: gated, patches merged before the projector; a token closes each row of the picture. */
static sizes pixtral(reader *r)
{
    enum { MOST_TOKENS = 1024, FIRST_TOKENS = 256, MOST_ROWS = 128, AROUND = 82 };
    const tower t = tower_of(r, &usual_keys);
    const double merged = pow(mf_hf_count_or(r->hf, "spatial_merge_size", 2), 2);
    const double norms = (2 * t.layers + 2) * t.width;
    return (sizes){
        .parameters = t.picture * t.width + norms + t.layers * (t.block + 3 * t.width * t.ff) +
                      merged * t.width * t.width + t.width * t.text + t.text * t.text + t.text,
        .f32 = norms + t.text,
        .patches = MOST_TOKENS * merged,
        .first_patches = FIRST_TOKENS * merged,
        .tokens = MOST_TOKENS + MOST_ROWS,
        .patch_floats = 3 * t.ff + 3 * t.width + t.picture + AROUND,
    };
}

/* Tiles of one size, one after the other, a class token each; four patches become a token. A picture has up to 16 tiles and
   itself made small. */
static sizes llama4(reader *r)
{
    enum { MOST_TILES = 17, SHUFFLED = 4 };
    const tower t = tower_of(r, &usual_keys);
    const double out = vision(r, "vision_output_dim");
    const double side = floor(vision(r, "image_size") / fmax(t.patch, 1));
    const double patches = side * side + 1;
    const double ends = (patches + 5) * t.width;
    return (sizes){
        .parameters = t.picture * t.width + ends +
                      t.layers * (t.block + 2 * t.width * t.ff + biases_of(&t)) +
                      SHUFFLED * t.width * out + out * out + out * t.text,
        .f32 = ends + t.layers * biases_of(&t),
        .patches = patches,
        .first_patches = patches,
        .tokens = MOST_TILES * side * side / SHUFFLED,
        .patch_floats = fmax(t.ff, 2 * t.width) + 3 * t.width + t.picture + 2,
    };
}

/* SigLIP 2: tiles of one size and the picture made small, one after the other; patches are merged before the projector. */
static sizes lfm2(reader *r)
{
    enum { MOST_TOKENS = 256, MOST_TILES = 11, MERGE = 2 };
    const tower t = tower_of(r, &usual_keys);
    const double merge = (double)mf_hf_count_or(r->hf, "downsample_factor", MERGE);
    const double m = t.width * merge * merge;
    const double middle = (double)mf_hf_count_or(r->hf, "projector_hidden_size", 0);
    const double positions = vision(r, "num_patches") * t.width;
    r->known &= middle > 0;
    bool normed = true;
    (void)mf_node_bool(&normed, mf_hf_find(r->hf, "projector_use_layernorm"));
    const double ends = positions + 3 * t.width + (normed ? 2 * m : 0) + middle + t.text;
    return (sizes){
        .parameters = t.picture * t.width + ends + m * middle + middle * t.text +
                      t.layers * (t.block + 2 * t.width * t.ff + biases_of(&t)),
        .f32 = ends + t.layers * biases_of(&t),
        .patches = MOST_TOKENS * merge * merge,
        .first_patches = MOST_TOKENS * merge * merge,
        .tokens = MOST_TILES * MOST_TOKENS,
        .patch_floats = fmax(t.ff, 2 * t.width) + 3 * t.width,
    };
}

/* Kimi K2.5's MoonViT: up to 16 384 patches, which it reserves for at once; four become a token. */
static sizes kimi(reader *r)
{
    enum { MOST_PATCHES = 16384, MERGED = 4 };
    static const tower_keys keys = {
        "vt_hidden_size", "vt_intermediate_size", "vt_num_hidden_layers"};
    const tower t = tower_of(r, &keys);
    const char *projector = mf_node_string(vision_node(r->hf, "mm_projector_type"));
    const double m = MERGED * t.width;
    const double positions =
        vision(r, "init_pos_emb_height") * vision(r, "init_pos_emb_width") * t.width;
    const double ends = positions + 5 * t.width + m + t.text;
    r->known &= projector != NULL && strcmp(projector, "patchmerger") == 0;
    return (sizes){
        .parameters = t.picture * t.width + ends + m * m + m * t.text +
                      t.layers * (t.block + 2 * t.width * t.ff + biases_of(&t)),
        .f32 = ends + t.layers * biases_of(&t),
        .patches = MOST_PATCHES,
        .first_patches = MOST_PATCHES,
        .tokens = (double)MOST_PATCHES / MERGED,
        .patch_floats = fmax(t.ff, 3.5 * t.width) + 3.5 * t.width + t.picture + 2,
    };
}

/* A form is told by the architecture and a key that only it has; a tower without blocks or with an ear beside it is none
   of them. */
static const struct {
    const char *arch;
    const char *key;
    sizes (*measure)(reader *);
} forms[] = {
    {"qwen",     "num_position_embeddings", qwen   },
    {"gemma3",   "image_size",              gemma3 },
    {"gemma4",   "position_embedding_size", gemma4 },
    {"mistral3", "image_size",              pixtral},
    {"llama4",   "vision_output_dim",       llama4 },
    {"lfm2",     "num_patches",             lfm2   },
    {"deepseek", "vt_hidden_size",          kimi   },
};

static bool in_range(double value)
{
    static const double most = 1e12;
    return value >= 1 && value < most;
}

static bool makes_sense(const sizes *s)
{
    return in_range(s->parameters) && in_range(s->f32) && in_range(s->patches) &&
           in_range(s->first_patches) && in_range(s->tokens) && in_range(s->patch_floats);
}

void mf_hf_measure_tower(mf_hf *hf, const char *arch)
{
    const bool ear = mf_node_count(mf_node_get(hf->root, "audio_config")) > 0;
    for (size_t i = 0; hf->status == MF_OK && !ear && i < sizeof forms / sizeof forms[0]; i++) {
        if (strncmp(arch, forms[i].arch, strlen(forms[i].arch)) == 0 &&
            vision_node(hf, forms[i].key) != NULL) {
            reader r = {hf, true};
            const sizes s = forms[i].measure(&r);
            if (hf->status == MF_OK && r.known && makes_sense(&s)) {
                hf->model->vision_parameters = (uint64_t)s.parameters;
                hf->model->vision = (mf_vision){.f32_parameters = (uint64_t)s.f32,
                                                .patches = (uint64_t)s.patches,
                                                .first_patches = (uint64_t)s.first_patches,
                                                .tokens = (uint64_t)s.tokens,
                                                .patch_floats = (uint64_t)s.patch_floats};
            }
            return;
        }
    }
}
