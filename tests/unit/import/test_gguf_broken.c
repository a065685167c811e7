/* Files that lie: each row is one fault of an otherwise good file, with the status and the words that must come. */
#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <stdlib.h>
#include <string.h>

#include "memfit/import.h"
#include "small_model.h"
#include "stubs/gguf_writer.h"

/* A fault in the bytes: `size` bytes of `value` are written `shift` behind the start of the first `anchor` (NULL: the
   start of the file). Then the file is cut to `cut` bytes, if that is not 0. */
typedef struct byte_fault {
    const char *name;
    const char *anchor;
    size_t shift;
    size_t size;
    uint64_t value;
    size_t cut;
    mf_status status;
    const char *message;
} byte_fault;

#define KEY(text) (text), sizeof(text) - 1 /* anchor; shift: the value's type, 4 before the value */
#define VALUE(text) (text), sizeof(text) + 3

/* clang-format 14 crashes on rows of unequal length. */
#define ROW(...)                                                                                   \
    {                                                                                              \
        __VA_ARGS__                                                                                \
    }

static const byte_fault byte_faults[] = {
    ROW("empty", NULL, 0, 0, 0, 1, MF_E_DATA, "magic"),
    ROW("bad_magic", NULL, 0, 4, 0x47475546, 0, MF_E_DATA, "not a GGUF file"),
    ROW("magic_of_another_format", NULL, 0, 4, 0x67676a74, 0, MF_E_DATA, "not a GGUF file"),
    ROW("version_0", NULL, 4, 4, 0, 0, MF_E_UNSUPPORTED, "version 0"),
    ROW("version_1", NULL, 4, 4, 1, 0, MF_E_UNSUPPORTED, "convert the model again"),
    ROW("version_4", NULL, 4, 4, 4, 0, MF_E_UNSUPPORTED, "version 4"),
    ROW("version_99", NULL, 4, 4, 99, 0, MF_E_UNSUPPORTED, "only 2 and 3"),
    ROW("big_endian", NULL, 4, 4, 0x03000000, 0, MF_E_UNSUPPORTED, "big-endian"),
    ROW("tensors_2_63", NULL, 8, 8, UINT64_C(1) << 63, 0, MF_E_DATA, "number of tensors"),
    ROW("tensors_too_many_for_the_file", NULL, 8, 8, 1000, 0, MF_E_DATA, "number of tensors"),
    ROW("tensors_one_too_many", NULL, 8, 8, 31, 0, MF_E_DATA, "name of a tensor"),
    ROW("keys_2_63", NULL, 16, 8, UINT64_C(1) << 63, 0, MF_E_DATA, "number of keys"),
    ROW("keys_max", NULL, 16, 8, UINT64_MAX, 0, MF_E_DATA, "number of keys"),
    ROW("keys_too_many_for_the_file", NULL, 16, 8, 500, 0, MF_E_DATA, "number of keys"),
    ROW("keys_one_too_many", NULL, 16, 8, 17, 0, MF_E_DATA, "bytes long"),
    ROW("keys_one_too_few", NULL, 16, 8, 15, 0, MF_E_DATA, "dimensions"),
    ROW("key_of_length_0", NULL, 24, 8, 0, 0, MF_E_DATA, "0 bytes long"),
    ROW("key_of_length_256", NULL, 24, 8, 256, 0, MF_E_DATA, "256 bytes long"),
    ROW("key_of_length_max", NULL, 24, 8, UINT64_MAX, 0, MF_E_DATA, "byte 24: a key"),
    ROW("key_with_control_byte", NULL, 32, 1, 0x1b, 0, MF_E_DATA, "0x1b"),
    ROW("key_with_high_byte", NULL, 33, 1, 0xff, 0, MF_E_DATA, "byte 33"),
    ROW("value_type_13", KEY("general.alignment"), 4, 13, 0, MF_E_DATA, "value type 13"),
    ROW("value_type_max",
        KEY("general.alignment"),
        4,
        UINT32_MAX,
        0,
        MF_E_DATA,
        "general.alignment"),
    ROW("alignment_0", VALUE("general.alignment"), 4, 0, 0, MF_E_DATA, "power of two"),
    ROW("alignment_24",
        VALUE("general.alignment"),
        4,
        24,
        0,
        MF_E_DATA,
        "'general.alignment' is 24"),
    ROW("alignment_float", KEY("general.alignment"), 4, 6, 0, MF_E_DATA, "whole number"),
    ROW("alignment_larger_than_offsets",
        VALUE("general.alignment"),
        4,
        4096,
        0,
        MF_E_DATA,
        "aligned"),
    ROW("string_longer_than_file", VALUE("general.name"), 8, 100000, 0, MF_E_DATA, "general.name"),
    ROW("string_of_length_max", VALUE("general.name"), 8, UINT64_MAX, 0, MF_E_DATA, "general.name"),
    ROW("tokens_array_of_arrays",
        VALUE("tokenizer.ggml.tokens"),
        4,
        9,
        0,
        MF_E_UNSUPPORTED,
        "arrays"),
    ROW("tokens_unknown_item_type", VALUE("tokenizer.ggml.tokens"), 4, 77, 0, MF_E_DATA, "type 77"),
    ROW("tokens_2_40", "tokenizer.ggml.tokens", 29, 8, UINT64_C(1) << 40, 0, MF_E_DATA, "strings"),
    ROW("tokens_longer_than_file",
        "tokenizer.ggml.tokens",
        29,
        8,
        9999,
        0,
        MF_E_DATA,
        "ggml.tokens"),
    ROW("token_that_steps_back",
        "tokenizer.ggml.tokens",
        37,
        8,
        UINT64_MAX - 7,
        0,
        MF_E_DATA,
        "ggml.tokens"),
    ROW("scores_overflow",
        "tokenizer.ggml.scores",
        29,
        8,
        UINT64_C(1) << 62,
        0,
        MF_E_DATA,
        "scores"),
    ROW("scores_longer_than_file", "tokenizer.ggml.scores", 29, 8, 99999, 0, MF_E_DATA, "scores"),
    ROW("architecture_empty", VALUE("general.architecture"), 8, 0, 0, MF_E_DATA, "bytes long"),
    ROW("architecture_not_a_string", KEY("general.architecture"), 4, 10, 0, MF_E_DATA, "a key"),
    ROW("block_count_float",
        KEY("llama.block_count"),
        4,
        6,
        0,
        MF_E_DATA,
        "'llama.block_count' is a float32"),
    ROW("block_count_0",
        VALUE("llama.block_count"),
        4,
        0,
        0,
        MF_E_DATA,
        "'llama.block_count' is 0"),
    ROW("block_count_2",
        VALUE("llama.block_count"),
        4,
        2,
        0,
        MF_E_DATA,
        "behind the last of 2 layers"),
    ROW("block_count_4", VALUE("llama.block_count"), 4, 4, 0, MF_E_DATA, "3 items"),
    ROW("block_count_max", VALUE("llama.block_count"), 4, UINT32_MAX, 0, MF_E_DATA, "block_count"),
    ROW("block_count_negative",
        KEY("llama.block_count"),
        8,
        0xffffffff00000005,
        0,
        MF_E_DATA,
        "negative"),
    ROW("hidden_0", VALUE("llama.embedding_length"), 4, 0, 0, MF_E_DATA, "embedding_length' is 0"),
    ROW("hidden_other", VALUE("llama.embedding_length"), 4, 192, 0, MF_E_DATA, "hidden size"),
    ROW("heads_0", VALUE("llama.attention.head_count"), 4, 0, 0, MF_E_DATA, "head_count' gives"),
    ROW("heads_5", VALUE("llama.attention.head_count"), 4, 5, 0, MF_E_DATA, "head_count_kv' gives"),
    ROW("heads_4", VALUE("llama.attention.head_count"), 4, 4, 0, MF_E_DATA, "attn_output.weight"),
    ROW("kv_heads_too_short", "llama.attention.head_count_kv", 37, 8, 2, 0, MF_E_DATA, "a key"),
    ROW("kv_heads_strings",
        "llama.attention.head_count_kv",
        33,
        4,
        8,
        0,
        MF_E_DATA,
        "head_count_kv"),
    ROW("kv_heads_3", "llama.attention.head_count_kv", 45, 4, 3, 0, MF_E_DATA, "attn_k.weight"),
    ROW("key_width_32", VALUE("llama.attention.key_length"), 4, 32, 0, MF_E_DATA, "attn_k.weight"),
    ROW("value_width_2_40",
        VALUE("llama.attention.value_length"),
        8,
        UINT64_C(1) << 40,
        0,
        MF_E_DATA,
        "absurd"),
    ROW("tensor_name_of_length_0",
        "output_norm.weight",
        (size_t)-8,
        8,
        0,
        0,
        MF_E_DATA,
        "0 bytes long"),
    ROW("tensor_name_of_length_64",
        "output_norm.weight",
        (size_t)-8,
        8,
        64,
        0,
        MF_E_DATA,
        "64 bytes long"),
    ROW("tensor_name_with_newline", "output_norm.weight", 3, 1, '\n', 0, MF_E_DATA, "0x0a"),
    ROW("dims_0", KEY("output_norm.weight"), 4, 0, 0, MF_E_DATA, "0 dimensions"),
    ROW("dims_5", KEY("output_norm.weight"), 4, 5, 0, MF_E_DATA, "5 dimensions"),
    ROW("dims_max", KEY("output_norm.weight"), 4, UINT32_MAX, 0, MF_E_DATA, "dimensions"),
    ROW("dimension_of_0", VALUE("output_norm.weight"), 8, 0, 0, MF_E_DATA, "dimension of 0"),
    ROW("dimension_2_63",
        VALUE("output_norm.weight"),
        8,
        UINT64_C(1) << 63,
        0,
        MF_E_OVERFLOW,
        "output_norm"),
    ROW("elements_overflow",
        "output.weight",
        25,
        8,
        UINT64_C(1) << 60,
        0,
        MF_E_OVERFLOW,
        "output.weight"),
    ROW("row_not_whole_blocks",
        VALUE("token_embd.weight"),
        8,
        170,
        0,
        MF_E_DATA,
        "token_embd.weight"),
    ROW("tensor_type_4", "output_norm.weight", 30, 4, 4, 0, MF_E_DATA, "type 4"),
    ROW("tensor_type_max", "output_norm.weight", 30, 4, UINT32_MAX, 0, MF_E_DATA, "not known"),
    ROW("offset_not_aligned", "output_norm.weight", 34, 8, 16321, 0, MF_E_DATA, "not aligned"),
    ROW("offset_2_63", "output_norm.weight", 34, 8, UINT64_C(1) << 63, 0, MF_E_DATA, "2^63"),
    ROW("offset_wraps", "output_norm.weight", 34, 8, UINT64_MAX - 31, 0, MF_E_DATA, "2^63"),
    ROW("offset_overlaps", "output_norm.weight", 34, 8, 32, 0, MF_E_DATA, "overlaps"),
    ROW("layer_behind_the_last", "blk.2.ffn_up", 4, 1, '7', 0, MF_E_DATA, "behind the last"),
};

/* A fault in the manifest: the first `from` becomes `to`. */
typedef struct text_fault {
    const char *name;
    const char *from;
    const char *to;
    mf_status status;
    const char *message;
} text_fault;

#define ARCH "general.architecture str llama\n"
#define KV_HEADS "llama.attention.head_count_kv arr_u32 3*2\n"
#define WIDTHS "llama.attention.key_length u32 24\n"
#define FFN "llama.feed_forward_length arr_i32 224 2*288\n"

static const text_fault text_faults[] = {
    ROW("architecture_missing", ARCH, "", MF_E_DATA, "'general.architecture' is missing"),
    ROW("architecture_unknown",
        ARCH,
        "general.architecture str warbler\n",
        MF_E_UNSUPPORTED,
        "'general.architecture' is 'warbler'"),
    ROW("architecture_empty",
        ARCH,
        "general.architecture str \n",
        MF_E_UNSUPPORTED,
        "'general.architecture' is ''"),
    ROW("architecture_number",
        ARCH,
        "general.architecture u32 7\n",
        MF_E_DATA,
        "'general.architecture' is uint32"),
    ROW("architecture_with_escape_codes",
        ARCH,
        "general.architecture str \x1b[31mred\n",
        MF_E_UNSUPPORTED,
        "'?[31mred'"),
    ROW("projector_file",
        ARCH,
        "general.architecture str clip\ngeneral.type str mmproj\n",
        MF_E_UNSUPPORTED,
        "give the file of the model itself"),
    ROW("duplicate_key", ARCH, ARCH ARCH, MF_E_DATA, "is there twice"),
    ROW("block_count_missing", "llama.block_count u32 3\n", "", MF_E_DATA, "'llama.block_count'"),
    ROW("block_count_array",
        "llama.block_count u32 3\n",
        "llama.block_count arr_u32 3\n",
        MF_E_DATA,
        "one number is needed"),
    ROW("hidden_missing",
        "llama.embedding_length u32 160\n",
        "",
        MF_E_DATA,
        "'llama.embedding_length' is missing"),
    ROW("heads_missing",
        "llama.attention.head_count u32 6\n",
        "",
        MF_E_DATA,
        "'llama.attention.head_count' is missing"),
    ROW("kv_heads_0",
        KV_HEADS,
        "llama.attention.head_count_kv u32 0\n",
        MF_E_DATA,
        "head_count_kv"),
    ROW("kv_heads_list_too_short",
        KV_HEADS,
        "llama.attention.head_count_kv arr_u32 2*2\n",
        MF_E_DATA,
        "has 2 items, the model has 3 layers"),
    ROW("kv_heads_list_too_long",
        KV_HEADS,
        "llama.attention.head_count_kv arr_u32 4*2\n",
        MF_E_DATA,
        "has 4 items"),
    ROW("kv_heads_list_empty",
        KV_HEADS,
        "llama.attention.head_count_kv arr_u32\n",
        MF_E_DATA,
        "0 items"),
    ROW("kv_heads_list_of_floats",
        KV_HEADS,
        "llama.attention.head_count_kv arr_f32 3*2\n",
        MF_E_DATA,
        "an array of float32"),
    ROW("kv_heads_list_negative",
        KV_HEADS,
        "llama.attention.head_count_kv arr_i32 2 -2 2\n",
        MF_E_DATA,
        "negative"),
    ROW("key_width_string",
        WIDTHS,
        "llama.attention.key_length str 24\n",
        MF_E_DATA,
        "'llama.attention.key_length' is a string"),
    ROW("ffn_width_differs",
        FFN,
        "llama.feed_forward_length u32 224\n",
        MF_E_DATA,
        "ffn_down.weight"),
    ROW("nextn_all_layers",
        FFN,
        FFN "llama.nextn_predict_layers u32 3\n",
        MF_E_DATA,
        "one ordinary layer at least"),
    ROW("shared_cache_all_layers",
        FFN,
        FFN "llama.attention.shared_kv_layers u32 3\n",
        MF_E_DATA,
        "shared_kv_layers' is 3"),
    ROW("latent_without_rank",
        FFN,
        FFN "llama.attention.key_length_mla u32 32\n",
        MF_E_DATA,
        "kv_lora_rank"),
    ROW("experts_missing",
        FFN,
        FFN "llama.leading_dense_block_count u32 1\nllama.expert_count u32 4\n",
        MF_E_DATA,
        "layer 1 has no experts"),
    ROW("state_in_a_plain_architecture",
        "blk.{0-2}.ffn_norm.weight",
        "blk.{1}.ssm_in.weight 160x160\nblk.{0-2}.ffn_norm.weight",
        MF_E_DATA,
        "recurrent state"),
    ROW("vocabulary_differs", "96*token", "97*token", MF_E_DATA, "vocabulary"),
    ROW("vocabulary_bool",
        "general.alignment u32 32",
        "llama.vocab_size bool 2",
        MF_E_DATA,
        "vocab_size"),
    ROW("embedding_missing", "token_embd.weight 160x96 q8_0\n", "", MF_E_DATA, "token_embd.weight"),
    ROW("layer_without_tensors",
        "llama.block_count u32 3\n",
        "llama.block_count u32 4\nllama.attention.shared_kv_layers u32 0\n",
        MF_E_DATA,
        "has 3 items, the model has 4 layers"),
    ROW("output_missing",
        "blk.{0-2}.attn_output",
        "blk.{0-1}.attn_output",
        MF_E_DATA,
        "layer 2 has no 'attn_output.weight'"),
    ROW("down_missing",
        "blk.{1-2}.ffn_down",
        "blk.{1}.ffn_down",
        MF_E_DATA,
        "layer 2 has neither 'ffn_down.weight'"),
    ROW("duplicate_tensor",
        "output_norm.weight 160 f32\n",
        "output_norm.weight 160 f32\noutput_norm.weight 160 f32\n",
        MF_E_DATA,
        "tensor 'output_norm.weight' is there twice"),
    ROW("split_without_number", FFN, FFN "split.count u16 2\n", MF_E_DATA, "'split.no' is missing"),
    ROW("split_number_behind_the_last",
        FFN,
        FFN "split.count u16 2\nsplit.no u16 2\nsplit.tensors.count i32 9\n",
        MF_E_DATA,
        "'split.no' is 2"),
    ROW("split_in_memory",
        FFN,
        FFN "split.count u16 2\nsplit.no u16 1\nsplit.tensors.count i32 9\n",
        MF_E_UNSUPPORTED,
        "part 2 of 2"),
    ROW("split_count_string",
        FFN,
        FFN "split.count str 2\n",
        MF_E_DATA,
        "'split.count' is a string"),
};

static mf_str file_of(const char *manifest)
{
    mf_str file = {0};
    uint64_t data_bytes = 0;
    mf_error err = {0};
    cr_assert(
        eq(int, test_gguf_build(&file, &data_bytes, manifest, &err), MF_OK), "%s", err.message);
    return file;
}

static char *find_bytes(const mf_str *file, const char *text)
{
    const size_t n = strlen(text);
    for (size_t i = 0; i + n <= file->size; i++) {
        if (memcmp(file->data + i, text, n) == 0) {
            return file->data + i;
        }
    }
    return NULL;
}

static void expect_failure(const char *name,
                           mf_status status,
                           const mf_status expected,
                           const mf_error *err,
                           const char *message)
{
    cr_expect(eq(int, status, expected), "%s: %d, %s", name, status, err->message);
    cr_expect(strstr(err->message, message) != NULL,
              "%s: \"%s\" says nothing of '%s'",
              name,
              err->message,
              message);
}

static void try_byte_fault(const byte_fault *fault)
{
    mf_str file = file_of(SMALL_MODEL);
    char *at = fault->anchor != NULL ? find_bytes(&file, fault->anchor) : file.data;
    cr_assert(at != NULL, "%s", fault->name);
    for (size_t i = 0; i < fault->size; i++) {
        at[fault->shift + i] = (char)(fault->value >> (8 * i));
    }
    mf_error err = {0};
    mf_model *model = NULL;
    const size_t size = fault->cut > 0 ? fault->cut : file.size;
    char *exact = malloc(size); /* so that reading behind the end is seen */
    memcpy(exact, file.data, size);
    const mf_status status = mf_gguf_parse(&model, exact, size, "x.gguf", &err);
    expect_failure(fault->name, status, fault->status, &err, fault->message);
    mf_model_free(model);
    free(exact);
    mf_str_free(&file);
}

Test(gguf_broken, bytes)
{
    for (size_t i = 0; i < sizeof byte_faults / sizeof byte_faults[0]; i++) {
        try_byte_fault(&byte_faults[i]);
    }
}

static void try_text_fault(const text_fault *fault)
{
    mf_str text = {0};
    const char *at = strstr(SMALL_MODEL, fault->from);
    cr_assert(at != NULL, "%s", fault->name);
    mf_str_add_n(&text, SMALL_MODEL, (size_t)(at - SMALL_MODEL));
    mf_str_add(&text, fault->to);
    mf_str_add(&text, at + strlen(fault->from));
    mf_str file = file_of(text.data);
    mf_error err = {0};
    mf_model *model = NULL;
    const mf_status status = mf_gguf_parse(&model, file.data, file.size, "x.gguf", &err);
    expect_failure(fault->name, status, fault->status, &err, fault->message);
    mf_model_free(model);
    mf_str_free(&file);
    mf_str_free(&text);
}

Test(gguf_broken, text)
{
    for (size_t i = 0; i < sizeof text_faults / sizeof text_faults[0]; i++) {
        try_text_fault(&text_faults[i]);
    }
}

/* Every file that is cut short somewhere in its header is refused; the first whole header is read. */
Test(gguf_broken, every_prefix)
{
    mf_str file = file_of(SMALL_MODEL);
    size_t n_read = 0;
    for (size_t size = 0; size <= file.size; size++) {
        mf_error err = {0};
        mf_model *model = NULL;
        char *exact = malloc(size + 1);
        memcpy(exact, file.data, size);
        const mf_status status = mf_gguf_parse(&model, exact, size, "x.gguf", &err);
        cr_expect(status == MF_OK ||
                      (status == MF_E_DATA && strstr(err.message, "x.gguf:byte ") != NULL),
                  "%zu bytes: %d, %s",
                  size,
                  status,
                  err.message);
        n_read += status == MF_OK;
        mf_model_free(model);
        free(exact);
    }
    cr_expect(lt(sz, n_read, 32)); /* only the padding behind the header may be missing */
    cr_expect(gt(sz, n_read, 0));
    mf_str_free(&file);
}

/* Whatever single byte is damaged, the answer is a model or a clean refusal (the sanitizers watch). */
Test(gguf_broken, every_byte_flipped)
{
    mf_str file = file_of(SMALL_MODEL);
    for (size_t i = 0; i < file.size; i++) {
        for (unsigned flip = 1; flip <= 255; flip = flip * 3 + 2) {
            mf_error err = {0};
            mf_model *model = NULL;
            file.data[i] = (char)(file.data[i] ^ (char)flip);
            const mf_status status = mf_gguf_parse(&model, file.data, file.size, "x.gguf", &err);
            cr_expect(eq(int, status == MF_OK, model != NULL));
            cr_expect(eq(int, status == MF_OK, err.message[0] == 0), "%s", err.message);
            mf_model_free(model);
            file.data[i] = (char)(file.data[i] ^ (char)flip);
        }
    }
    mf_str_free(&file);
}
