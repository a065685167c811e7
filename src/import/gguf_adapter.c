/*
 * gguf_adapter.c - LoRA adapters as llama.cpp reads them (src/llama-adapter.cpp: llama_adapter_lora_init_impl).
 */
#include <stdlib.h>
#include <string.h>

#include "import/gguf_file.h"
#include "memfit/adapter.h"

static mf_status
expect_text(mf_gguf_file *file, const char *key, const char *expected, mf_error *err)
{
    char *text = NULL;
    const mf_gguf_value *value = mf_gguf_find(file, key);
    mf_status status = MF_OK;
    if (value != NULL) {
        status = mf_gguf_string(&text, file, value, err);
    }
    if (status == MF_OK && (text == NULL || strcmp(text, expected) != 0)) {
        status = mf_fail(
            err,
            MF_E_DATA,
            "%s: is no LoRA adapter: '%s' is %s%s%s, not '%s'; convert_lora_to_gguf.py makes one",
            file->bytes.name,
            key,
            text != NULL ? "'" : "",
            text != NULL ? text : "missing",
            text != NULL ? "'" : "",
            expected);
    }
    free(text);
    return status;
}

static bool cut_tail(char *name, const char *tail)
{
    const size_t n = strlen(name);
    const size_t n_tail = strlen(tail);
    if (n <= n_tail || strcmp(name + n - n_tail, tail) != 0) {
        return false;
    }
    name[n - n_tail] = '\0';
    return true;
}

static mf_status take_part(mf_adapter_part *part, const mf_gguf_file *file, size_t i, mf_error *err)
{
    const mf_gguf_tensor *t = &file->tensors[i];
    memcpy(part->target, t->tensor.name, sizeof part->target);
    part->bytes = t->bytes;
    if (cut_tail(part->target, ".lora_b")) {
        part->width = t->tensor.dims[1];
        return MF_OK;
    }
    part->input = t->tensor.dims[0];
    return cut_tail(part->target, ".lora_a")
               ? MF_OK
               : mf_fail(err,
                         MF_E_DATA,
                         "%s:byte %llu: tensor '%s' is neither '.lora_a' nor '.lora_b'",
                         file->bytes.name,
                         (unsigned long long)t->at,
                         t->tensor.name);
}

static mf_status fill(mf_adapter *adapter, mf_gguf_file *file, mf_error *err)
{
    const mf_gguf_value *architecture = mf_gguf_find(file, "general.architecture");
    mf_status status = expect_text(file, "general.type", "adapter", err);
    status = status == MF_OK ? expect_text(file, "adapter.type", "lora", err) : status;
    if (status == MF_OK && architecture == NULL) {
        status = mf_fail(
            err, MF_E_DATA, "%s: the key 'general.architecture' is missing", file->bytes.name);
    }
    if (status == MF_OK) {
        status = mf_gguf_string(&adapter->architecture, file, architecture, err);
    }
    if (status != MF_OK) {
        return status;
    }
    adapter->parts = calloc(file->n_tensors + 1, sizeof *adapter->parts);
    if (adapter->parts == NULL) {
        return mf_fail(err, MF_E_NOMEM, "out of memory for %zu tensors", file->n_tensors);
    }
    for (size_t i = 0; status == MF_OK && i < file->n_tensors; i++) {
        status = take_part(&adapter->parts[i], file, i, err);
        adapter->n_parts++;
    }
    return status;
}

static mf_status from_bytes(mf_adapter **out, mf_gguf_bytes bytes, bool whole, mf_error *err)
{
    mf_gguf_file file = {0};
    mf_status status = mf_gguf_file_read(&file, bytes, err);
    if (status != MF_OK) {
        return status;
    }
    mf_adapter *adapter = calloc(1, sizeof *adapter);
    if (adapter == NULL) {
        status = mf_fail(err, MF_E_NOMEM, "out of memory for an adapter");
    } else {
        status = whole ? mf_gguf_file_check_size(&file, err) : MF_OK;
        status = status == MF_OK ? fill(adapter, &file, err) : status;
    }
    mf_gguf_file_free(&file);
    if (status != MF_OK) {
        mf_adapter_free(adapter);
        return status;
    }
    *out = adapter;
    return MF_OK;
}

mf_status mf_adapter_read(mf_adapter **out, const char *path, mf_error *err)
{
    mf_gguf_bytes bytes = {0};
    const mf_status status = mf_gguf_open(&bytes, path, err);
    return status == MF_OK ? from_bytes(out, bytes, true, err) : status;
}

mf_status
mf_adapter_parse(mf_adapter **out, const void *data, size_t size, const char *name, mf_error *err)
{
    return from_bytes(out, mf_gguf_memory(data, size, name), false, err);
}

void mf_adapter_free(mf_adapter *adapter)
{
    if (adapter == NULL) {
        return;
    }
    free(adapter->architecture);
    free(adapter->parts);
    free(adapter);
}
