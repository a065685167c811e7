/*
 * gguf_writer.h - GGUF files for tests, from a text.
 *
 *     general.architecture str llama            key, type, value; types u8 i8 u16 i16 u32 i32 u64 i64 f32 bool str
 *     llama.attention.head_count_kv arr_i32 4*8 0      arrays: arr_ and the type, items, N*ITEM repeats one
 *     tensors
 *     token_embd.weight 4096x128256             name, shape, type (f16 if none is named)
 *     blk.{0-31}.attn_norm.weight 4096 f32      one a layer; sets are written {0-2,4-6}
 *
 * Lines with {} stand at the end. Layers are written in order, and in each layer the lines that name it, in file order.
 */
#ifndef MF_TESTS_STUBS_GGUF_WRITER_H
#define MF_TESTS_STUBS_GGUF_WRITER_H

#include "base/str.h"
#include "memfit/model.h"

/* Header of a GGUF file (version 3) up to where tensor data starts; *data_bytes is what would follow. The caller frees
   header with mf_str_free. MF_E_DATA shows the line that is wrong. */
mf_status
test_gguf_build(mf_str *header, uint64_t *data_bytes, const char *manifest, mf_error *err);

/* The same as a file, tensor data being a hole. */
mf_status test_gguf_write(const char *path, const char *manifest, mf_error *err);

/* Text of tests/truth/llamacpp/models/<name>.txt; NULL if there is none. The caller frees it. */
char *test_manifest_text(const char *name);

/* Model of that manifest, written as GGUF and read by mf_gguf_parse. The caller frees *out. */
mf_status test_model_from_manifest(mf_model **out, const char *name, mf_error *err);

#endif
