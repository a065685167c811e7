#include "memfit/quant.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "facts/readers.h"

static const char *const family_names[] = {
    [MF_QUANT_GGUF] = "gguf",
    [MF_QUANT_UD] = "ud",
    [MF_QUANT_MLX] = "mlx",
    [MF_QUANT_TENSOR] = "tensor",
};

const char *const mf_tensor_type_words[MF_TYPE_COUNT] = {
#define TYPE_WORD(suffix, name, gguf_id, elements, bytes) [MF_TYPE_##suffix] = (name),
    MF_TENSOR_TYPE_LIST(TYPE_WORD)
#undef TYPE_WORD
};

static const mf_field quant_fields[] = {
    MF_FIELD(.key = "id",
             .kind = MF_FIELD_TEXT,
             MF_INTO(mf_quant, id),
             .example = "\"Q4_K_M\"",
             .help = "as people write it"),
    MF_FIELD(.key = "family",
             .kind = MF_FIELD_CHOICE,
             MF_INTO(mf_quant, family),
             .words = family_names,
             .n_words = sizeof family_names / sizeof family_names[0],
             .example = "\"gguf\"",
             .help = "whose rules give each tensor its format"),
    MF_FIELD(.key = "base",
             .kind = MF_FIELD_CHOICE,
             MF_INTO(mf_quant, base),
             .words = mf_tensor_type_words,
             .n_words = MF_TYPE_COUNT,
             .example = "\"q4_K\"",
             .help = "format of most weights"),
    MF_FIELD(.key = "mix",
             .kind = MF_FIELD_TEXT,
             MF_INTO(mf_quant, mix),
             .nullable = true,
             .example = "\"Q4_K_M\"",
             .help = "llama-quantize mix whose rules apply; ud: the nearest one; mlx, tensor: "
                     "format of linear layers that are no experts, null: as they"),
    MF_FIELD(.key = "size_low",
             .kind = MF_FIELD_NUMBER,
             MF_INTO(mf_quant, size_low),
             .nullable = true,
             .optional = true,
             .example = "null",
             .help = "ud: bytes of published files over what the mix gives, 90 % of them: from"),
    MF_FIELD(.key = "size_high",
             .kind = MF_FIELD_NUMBER,
             MF_INTO(mf_quant, size_high),
             .nullable = true,
             .optional = true,
             .example = "null",
             .help = "to"),
    MF_ROW_SOURCE_FIELD,
    MF_NOTE_FIELD,
};

#define NUMBER(key_, help_)                                                                        \
    {                                                                                              \
        .key = (key_), .kind = MF_FIELD_NUMBER, .nullable = true, .below_zero = true,              \
        .zero = true, .example = "null", .help = (help_)                                           \
    }
#define NUMBER_INTO(member_, key_, help_)                                                          \
    {                                                                                              \
        .key = (key_), .kind = MF_FIELD_NUMBER, MF_INTO(mf_quality, member_), .nullable = true,    \
        .below_zero = true, .zero = true, .example = "null", .help = (help_)                       \
    }

static const mf_field quality_fields[] = {
    MF_FIELD(.key = "model",
             .kind = MF_FIELD_TEXT,
             MF_INTO(mf_quality, model),
             .example = "\"llama-3-8b\"",
             .help = "what was quantized"),
    MF_FIELD(.key = "quant",
             .kind = MF_FIELD_TEXT,
             MF_INTO(mf_quality, quant),
             .example = "\"Q4_K_M\"",
             .help = "how"),
    MF_FIELD(.key = "imatrix",
             .kind = MF_FIELD_TEXT,
             MF_INTO(mf_quality, imatrix),
             .nullable = true,
             .example = "null",
             .help = "importance matrix; null: none"),
    MF_FIELD(.key = "size",
             .kind = MF_FIELD_QUANTITY,
             .dimension = MF_DIM_CAPACITY,
             .nullable = true,
             .example = "\"4.58 GiB\"",
             .help = "of the file"),
    NUMBER_INTO(perplexity, "perplexity", "lower is better"),
    NUMBER("perplexity_error", "its standard error"),
    NUMBER_INTO(perplexity_rise, "perplexity_rise", "against the 16 bit model"),
    NUMBER_INTO(divergence,
                "divergence",
                "mean Kullback-Leibler divergence from the 16 bit model's tokens"),
    NUMBER("divergence_error", "its standard error"),
    NUMBER("mean_delta_p_percent", "mean change of the right token's probability"),
    NUMBER("rms_delta_p_percent", "root mean square of that change"),
    MF_ROW_SOURCE_FIELD,
    MF_NOTE_FIELD,
};

static const mf_table quant_table = MF_TABLE("quant", quant_fields, sizeof(mf_quant));
static const mf_table quality_table = MF_TABLE("quality", quality_fields, sizeof(mf_quality));

static const mf_field quants_fields[] = {
    MF_SCHEMA_FIELD,
    MF_FIELD(.key = "rows", .kind = MF_FIELD_LIST, .table = &quant_table, .help = "one a scheme"),
    MF_FIELD(.key = "quality",
             .kind = MF_FIELD_LIST,
             .table = &quality_table,
             .help = "what schemes cost models in quality"),
    MF_SOURCES_FIELD,
};

const mf_table mf_quants_table = MF_TABLE("quants", quants_fields, 0);

mf_status mf_quant_read(mf_quant **out, const mf_json *json, mf_row row, mf_error *err)
{
    mf_quant *quant = calloc(1, sizeof *quant);
    if (quant == NULL) {
        return mf_fail(err, MF_E_NOMEM, "out of memory for a quantization scheme");
    }
    const mf_status status = mf_row_read(&quant_table, json, row, quant, &quant->sources, err);
    if (status != MF_OK) {
        mf_quant_free(quant);
        return status;
    }
    *out = quant;
    return MF_OK;
}

double mf_quant_size_share(const mf_quant *quant)
{
    const bool known = quant != NULL && quant->size_low.known && quant->size_high.known;
    return known ? (quant->size_low.value + quant->size_high.value) / 2 : 1;
}

double mf_quant_size_spread(const mf_quant *quant)
{
    static const double unknown = 0.06;
    const bool known = quant != NULL && quant->size_low.known && quant->size_high.known;
    return known ? (quant->size_high.value - quant->size_low.value) / 2 / mf_quant_size_share(quant)
                 : unknown;
}

void mf_quant_free(mf_quant *quant)
{
    if (quant == NULL) {
        return;
    }
    mf_fields_free(&quant_table, quant);
    mf_sources_free(&quant->sources);
    free(quant);
}

void mf_quants_free(mf_quants *quants)
{
    for (size_t i = 0; i < quants->n_items; i++) {
        mf_quant_free(quants->items[i]);
    }
    free(quants->items);
    *quants = (mf_quants){0};
}

const char *mf_quant_family_name(mf_quant_family family)
{
    return family_names[family];
}

mf_status mf_qualities_read(mf_qualities *out, const mf_json *json, mf_error *err)
{
    const mf_node *list = mf_node_get(mf_json_root(json), "quality");
    mf_qualities all = {.items = calloc(mf_node_count(list) + 1, sizeof *all.items)};
    if (all.items == NULL) {
        return mf_fail(err, MF_E_NOMEM, "out of memory for qualities");
    }
    bool more = true;
    mf_status status = MF_OK;
    for (const mf_node *row = mf_node_first(list); more && row != NULL; row = mf_node_next(row)) {
        mf_quality *quality = &all.items[all.n_items];
        mf_reader reader = {.json = json, .err = err, .sources = &quality->sources};
        (void)mf_reader_enter(&reader, "quality");
        (void)mf_reader_enter_index(&reader, all.n_items);
        more = mf_fields_read(&reader, &quality_table, row, quality);
        status = reader.status;
        all.n_items++;
    }
    if (status != MF_OK) {
        mf_qualities_free(&all);
        return status;
    }
    *out = all;
    return MF_OK;
}

const mf_quality *
mf_quality_find(const mf_qualities *qualities, const char *model, const char *quant)
{
    const mf_quality *found = NULL;
    for (size_t i = 0; i < qualities->n_items; i++) {
        const mf_quality *row = &qualities->items[i];
        if (strcmp(row->model, model) != 0 || strcasecmp(row->quant, quant) != 0) {
            continue;
        }
        if (row->imatrix == NULL) {
            return row;
        }
        found = found == NULL ? row : found;
    }
    return found;
}

bool mf_quality_rise(double *fraction, const mf_quality *quality)
{
    if (!quality->perplexity.known || !quality->perplexity_rise.known) {
        return false;
    }
    const double base = quality->perplexity.value - quality->perplexity_rise.value;
    if (base <= 0) {
        return false;
    }
    *fraction = quality->perplexity_rise.value / base;
    return true;
}

void mf_qualities_free(mf_qualities *qualities)
{
    for (size_t i = 0; i < qualities->n_items; i++) {
        mf_fields_free(&quality_table, &qualities->items[i]);
        mf_sources_free(&qualities->items[i].sources);
    }
    free(qualities->items);
    *qualities = (mf_qualities){0};
}
