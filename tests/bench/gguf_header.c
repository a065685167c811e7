/*
 * gguf_header write FILE: a sparse GGUF file as large as DeepSeek-V3's with its vocabulary: 129,280 tokens, scores, types
 * and 127,741 merges, 1086 tensors, 1.3 TB of holes.
 * gguf_header read FILE: the reader as a whole process, for bench_process.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "memfit/import.h"
#include "stubs/gguf_writer.h"

/* Token texts average 8 bytes, merges 11: as in the published file. */
static const char vocabulary[] = "tokenizer.ggml.tokens arr_str 60000*ation 69280*integration\n"
                                 "tokenizer.ggml.scores arr_f32 129280*0.5\n"
                                 "tokenizer.ggml.token_type arr_i32 129280*1\n"
                                 "tokenizer.ggml.merges arr_str 127741*integr_ation\n";

static mf_status write_file(const char *path, mf_error *err)
{
    static const char tensors[] = "tensors\n";
    char *text = test_manifest_text("DeepSeek-V3");
    const char *end = text != NULL ? strstr(text, tensors) : NULL;
    mf_str manifest = {0};
    if (end == NULL) {
        free(text);
        return mf_fail(err, MF_E_IO, "there is no manifest of DeepSeek-V3");
    }
    mf_str_add_n(&manifest, text, (size_t)(end - text));
    mf_str_add(&manifest, vocabulary);
    mf_str_add(&manifest, end);
    mf_status status = mf_str_status(&manifest, err);
    if (status == MF_OK) {
        status = test_gguf_write(path, manifest.data, err);
    }
    mf_str_free(&manifest);
    free(text);
    return status;
}

int main(int argc, char **argv)
{
    mf_error err = {0};
    mf_model *model = NULL;
    if (argc != 3) {
        fprintf(stderr, "usage: gguf_header write|read FILE\n");
        return 2;
    }
    const mf_status status = strcmp(argv[1], "write") == 0 ? write_file(argv[2], &err)
                                                           : mf_gguf_read(&model, argv[2], &err);
    if (status != MF_OK) {
        fprintf(stderr, "%s\n", err.message);
        return 2;
    }
    if (model != NULL) {
        printf("%s: %zu tensors, %llu bytes of header\n",
               model->id,
               model->n_tensors,
               (unsigned long long)model->header_bytes);
    }
    mf_model_free(model);
    return 0;
}
