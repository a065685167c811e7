/* Files on disk: sparse ones of any size, split sets, and everything that can be wrong with them. */
#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "memfit/import.h"
#include "small_model.h"
#include "stubs/gguf_writer.h"

enum { PATH_SIZE = 256 };

static char folder[] = "/tmp/memfit-gguf-XXXXXX";

static void make_folder(void)
{
    cr_assert(mkdtemp(folder) != NULL);
}

static const char *path_of(char path[PATH_SIZE], const char *name)
{
    snprintf(path, PATH_SIZE, "%s/%.200s", folder, name);
    return path;
}

static void remove_folder(void)
{
    static const char *const names[] = {"small-00001-of-00003.gguf",
                                        "small-00002-of-00003.gguf",
                                        "small-00003-of-00003.gguf",
                                        "whole.gguf"};
    char path[PATH_SIZE];
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        unlink(path_of(path, names[i]));
    }
    rmdir(folder);
}

TestSuite(gguf_files, .init = make_folder, .fini = remove_folder);

static void write_file(const char *name, const char *manifest)
{
    char path[PATH_SIZE];
    mf_error err = {0};
    cr_assert(
        eq(int, test_gguf_write(path_of(path, name), manifest, &err), MF_OK), "%s", err.message);
}

static mf_status read_file(mf_model **model, const char *name, mf_error *err)
{
    char path[PATH_SIZE];
    return mf_gguf_read(model, path_of(path, name), err);
}

static void expect_failure(const char *name, mf_status expected, const char *words)
{
    mf_error err = {0};
    mf_model *model = NULL;
    cr_expect(eq(int, read_file(&model, name, &err), expected), "%s", err.message);
    cr_expect(
        strstr(err.message, words) != NULL, "\"%s\" says nothing of '%s'", err.message, words);
    mf_model_free(model);
}

Test(gguf_files, whole_file)
{
    mf_error err = {0};
    mf_model *model = NULL;
    write_file("whole.gguf", SMALL_MODEL);
    cr_assert(eq(int, read_file(&model, "whole.gguf", &err), MF_OK), "%s", err.message);
    cr_expect(eq(str, model->id, "whole"));
    cr_expect(eq(str, model->name, "Small One"));
    cr_expect(eq(str, model->organization, "unknown"));
    cr_expect(eq(str, model->license, "apache-2.0"));
    cr_expect(eq(str, model->architecture, "llama"));
    cr_expect(eq(str, model->quant, "Q4_0"));
    cr_expect(eq(str, model->sources.items[0].title, "header of whole.gguf"));
    cr_expect(eq(int, model->origin, MF_ORIGIN_GGUF));
    cr_expect(eq(u64, model->context_max, 4096));
    cr_expect(eq(u64, model->vocabulary, 96));
    cr_expect(model->vocabulary_listed);
    cr_expect(eq(u64, model->vocabulary_pairs, 131));
    cr_expect(eq(u64, model->hidden, 160));
    cr_expect(not(model->tied_embeddings));
    cr_expect(eq(sz, model->n_layers, 3));
    cr_expect(eq(sz, model->n_tensors, 30));
    cr_expect(eq(str, model->tensors[0].name, "token_embd.weight"));
    cr_expect(eq(int, model->tensors[0].type, MF_TYPE_Q8_0));
    cr_expect(eq(u32, model->layers[1].attention.n_heads, 6));
    cr_expect(eq(u32, model->layers[1].attention.n_kv_heads, 2));
    cr_expect(eq(u32, model->layers[1].attention.key_dim, 24));
    cr_expect(eq(u32, model->layers[1].attention.value_dim, 40));
    cr_expect(eq(u32, model->layers[0].ffn.width, 224));
    cr_expect(eq(u32, model->layers[2].ffn.width, 288));
    mf_model_free(model);
}

/* Tensor bytes without padding, from the shapes by hand: 34 bytes for 32 weights in q8_0, 18 in q4_0, 24 in q5_1. */
Test(gguf_files, stored_bytes)
{
    const uint64_t embeddings = 160 * 96 / 32 * 34 + 160 * 96 * 2 + 160 * 4;
    const uint64_t attention = 2 * 160 * 4 + 160 * (144 + 48 + 80) / 32 * 18 + 240 * 160 * 2;
    const uint64_t ffn = 3 * 224 * 160 * 2 + 2 * (2 * 288 * 160 * 2 + 288 * 160 / 32 * 24);
    mf_error err = {0};
    mf_model *model = NULL;
    write_file("whole.gguf", SMALL_MODEL);
    cr_assert(eq(int, read_file(&model, "whole.gguf", &err), MF_OK), "%s", err.message);
    cr_expect(eq(u64, model->stored_bytes, embeddings + 3 * attention + ffn));
    mf_model_free(model);
}

Test(gguf_files, cut_short_in_the_data)
{
    char path[PATH_SIZE];
    struct stat about;
    write_file("whole.gguf", SMALL_MODEL);
    cr_assert(eq(int, stat(path_of(path, "whole.gguf"), &about), 0));
    cr_assert(eq(int, truncate(path, about.st_size - 32), 0));
    expect_failure("whole.gguf", MF_E_DATA, "blk.2.ffn_down.weight");
}

Test(gguf_files, missing_file)
{
    expect_failure("whole.gguf", MF_E_IO, "whole.gguf': No such file");
}

Test(gguf_files, folder_instead_of_file)
{
    expect_failure("", MF_E_IO, "is not a file");
}

#define SHARD(number, n_tensors)                                                                   \
    "split.no u16 " #number "\nsplit.count u16 3\nsplit.tensors.count i32 " #n_tensors "\n"

static const char *const good_keys[] = {SHARD(0, 30), SHARD(1, 30), SHARD(2, 30)};

/* The small model in three files; what is added to the third stands before its tensors. */
static void write_set(const char *const keys[3], const char *third_tensors)
{
    const char *layers = strstr(SMALL_MODEL, "blk.");
    const char *down = strstr(SMALL_MODEL, "blk.{0}.ffn_gate");
    mf_str first = {0};
    mf_str second = {0};
    mf_str third = {0};
    mf_str_add(&first, keys[0]);
    mf_str_add_n(&first, SMALL_MODEL, (size_t)(layers - SMALL_MODEL));
    mf_str_add(&second, keys[1]);
    mf_str_add(&second, "tensors\n");
    mf_str_add_n(&second, layers, (size_t)(down - layers));
    mf_str_add(&third, keys[2]);
    mf_str_add(&third, "tensors\n");
    mf_str_add(&third, third_tensors);
    mf_str_add(&third, down);
    write_file("small-00001-of-00003.gguf", first.data);
    write_file("small-00002-of-00003.gguf", second.data);
    write_file("small-00003-of-00003.gguf", third.data);
    mf_str_free(&first);
    mf_str_free(&second);
    mf_str_free(&third);
}

Test(gguf_files, split_set_from_any_shard)
{
    mf_error err = {0};
    mf_model *whole = NULL;
    write_set(good_keys, "");
    write_file("whole.gguf", SMALL_MODEL);
    cr_assert(eq(int, read_file(&whole, "whole.gguf", &err), MF_OK), "%s", err.message);
    for (int i = 1; i <= 3; i++) {
        char name[PATH_SIZE];
        mf_model *model = NULL;
        snprintf(name, sizeof name, "small-%05d-of-00003.gguf", i);
        cr_assert(eq(int, read_file(&model, name, &err), MF_OK), "%s", err.message);
        cr_expect(eq(str, model->id, "small"));
        cr_expect(eq(sz, model->n_tensors, 30));
        cr_expect(eq(u64, model->stored_bytes, whole->stored_bytes));
        cr_expect(gt(u64, model->header_bytes, whole->header_bytes));
        cr_expect(eq(int, memcmp(model->layers, whole->layers, 3 * sizeof(mf_layer)), 0));
        mf_model_free(model);
    }
    mf_model_free(whole);
}

Test(gguf_files, missing_shards_are_named)
{
    char path[PATH_SIZE];
    write_set(good_keys, "");
    unlink(path_of(path, "small-00001-of-00003.gguf"));
    unlink(path_of(path, "small-00003-of-00003.gguf"));
    expect_failure("small-00002-of-00003.gguf", MF_E_IO, "2 of 3 files");
    expect_failure("small-00002-of-00003.gguf", MF_E_IO, "small-00001-of-00003.gguf'");
    expect_failure("small-00002-of-00003.gguf", MF_E_IO, "small-00003-of-00003.gguf'");
}

Test(gguf_files, shard_with_another_name)
{
    char from[PATH_SIZE];
    char to[PATH_SIZE];
    write_set(good_keys, "");
    cr_assert(
        eq(int, rename(path_of(from, "small-00002-of-00003.gguf"), path_of(to, "whole.gguf")), 0));
    expect_failure("whole.gguf", MF_E_DATA, "NAME-00002-of-00003.gguf");
}

Test(gguf_files, shard_in_the_place_of_another)
{
    const char *const keys[] = {SHARD(0, 30), SHARD(2, 30), SHARD(2, 30)};
    write_set(keys, "");
    expect_failure(
        "small-00001-of-00003.gguf", MF_E_DATA, "small-00002-of-00003.gguf: says it is part 3");
}

Test(gguf_files, shard_without_split_keys)
{
    const char *const keys[] = {SHARD(0, 30), "general.alignment u32 32\n", SHARD(2, 30)};
    write_set(keys, "");
    expect_failure("small-00001-of-00003.gguf", MF_E_DATA, "files of two sets are mixed");
}

Test(gguf_files, shard_of_a_set_with_another_tensor_count)
{
    const char *const keys[] = {SHARD(0, 30), SHARD(1, 31), SHARD(2, 30)};
    write_set(keys, "");
    expect_failure("small-00003-of-00003.gguf", MF_E_DATA, "with 31 tensors in all");
}

Test(gguf_files, shards_with_too_many_tensors)
{
    write_set(good_keys, "extra.weight 32\n");
    expect_failure(
        "small-00001-of-00003.gguf", MF_E_DATA, "'split.tensors.count' is 30, the 3 files have 31");
}

Test(gguf_files, tensor_in_two_shards)
{
    const char *const keys[] = {SHARD(0, 31), SHARD(1, 31), SHARD(2, 31)};
    write_set(keys, "output_norm.weight 160 f32\n");
    expect_failure("small-00001-of-00003.gguf", MF_E_DATA, "'output_norm.weight' is in two files");
}
