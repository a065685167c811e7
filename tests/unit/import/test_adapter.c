#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <string.h>

#include "base/str.h"
#include "memfit/adapter.h"

static void put(mf_str *to, uint64_t value, size_t n_bytes)
{
    for (size_t i = 0; i < n_bytes; i++) {
        const char byte = (char)(value >> (8 * i));
        mf_str_add_n(to, &byte, 1);
    }
}

static void put_text(mf_str *to, const char *text)
{
    put(to, strlen(text), sizeof(uint64_t));
    mf_str_add(to, text);
}

static void put_pair(mf_str *to, const char *key, const char *value)
{
    enum { STRING = 8 };
    put_text(to, key);
    put(to, STRING, sizeof(uint32_t));
    put_text(to, value);
}

static void put_tensor(mf_str *to, const char *name, uint64_t ne0, uint64_t ne1, uint64_t offset)
{
    enum { F16 = 1 };
    put_text(to, name);
    put(to, 2, sizeof(uint32_t));
    put(to, ne0, sizeof(uint64_t));
    put(to, ne1, sizeof(uint64_t));
    put(to, F16, sizeof(uint32_t));
    put(to, offset, sizeof(uint64_t));
}

/* An adapter of rank 3 for one tensor of 96 x 160. */
static mf_str adapter_file(const char *kind, const char *second)
{
    mf_str file = {0};
    mf_str_add(&file, "GGUF");
    put(&file, 3, sizeof(uint32_t));
    put(&file, 2, sizeof(uint64_t));
    put(&file, 3, sizeof(uint64_t));
    put_pair(&file, "general.architecture", "llama");
    put_pair(&file, "general.type", kind);
    put_pair(&file, "adapter.type", "lora");
    put_tensor(&file, "blk.0.ffn_up.weight.lora_a", 96, 3, 0);
    put_tensor(&file, second, 3, 160, 576);
    return file;
}

Test(adapter, both_matrices_belong_to_their_tensor)
{
    mf_adapter *adapter = NULL;
    mf_error err = {0};
    mf_str file = adapter_file("adapter", "blk.0.ffn_up.weight.lora_b");
    cr_assert(eq(int, mf_adapter_parse(&adapter, file.data, file.size, "a.gguf", &err), MF_OK),
              "%s",
              err.message);
    cr_expect(eq(str, adapter->architecture, "llama"));
    cr_assert(eq(sz, adapter->n_parts, 2));
    cr_expect(eq(str, adapter->parts[0].target, "blk.0.ffn_up.weight"));
    cr_expect(eq(str, adapter->parts[1].target, "blk.0.ffn_up.weight"));
    cr_expect(eq(u64, adapter->parts[0].bytes, (uint64_t)96 * 3 * 2));
    cr_expect(eq(u64, adapter->parts[0].input, (uint64_t)96));
    cr_expect(eq(u64, adapter->parts[1].width, (uint64_t)160));
    mf_adapter_free(adapter);
    mf_str_free(&file);
}

static void expect_refused(const char *kind, const char *second, const char *why)
{
    mf_adapter *adapter = NULL;
    mf_error err = {0};
    mf_str file = adapter_file(kind, second);
    cr_expect(eq(int, mf_adapter_parse(&adapter, file.data, file.size, "a.gguf", &err), MF_E_DATA));
    cr_expect(strstr(err.message, why) != NULL, "%s", err.message);
    mf_str_free(&file);
}

Test(adapter, other_files_are_refused)
{
    expect_refused("model", "blk.0.ffn_up.weight.lora_b", "'general.type' is 'model'");
    expect_refused("adapter", "blk.0.ffn_up.weight", "neither '.lora_a' nor '.lora_b'");
}
