/*
 * import.h - foreign files turned into facts.
 *
 * Both readers treat the file as hostile: every count is bounded by the bytes left, arithmetic is checked, nesting does
 * not recurse, and a file that contradicts itself is refused with the place and the cure.
 */
#ifndef MF_MEMFIT_IMPORT_H
#define MF_MEMFIT_IMPORT_H

#include "memfit/model.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Reads the header of a GGUF file, version 2 or 3, little endian; of a split set, give any shard: its siblings
   (name-00001-of-00003.gguf) are found beside it. Tensor data is never touched, vocabularies are skipped. The caller
   frees *out. MF_E_IO, MF_E_DATA (byte offset and key in the message), MF_E_UNSUPPORTED (architecture without rules). */
MF_API mf_status mf_gguf_read(mf_model **out, const char *path, mf_error *err);

/* Same from memory: one file of size bytes, of which only the header needs to be there. name is used in messages. */
MF_API mf_status
mf_gguf_parse(mf_model **out, const void *data, size_t size, const char *name, mf_error *err);

/* Reads a Hugging Face config.json, or a folder that has one. With model.safetensors.index.json beside it, the total
   size there is compared with the parameters. MF_E_UNSUPPORTED names the model_type that has no rules. */
MF_API mf_status mf_hf_read(mf_model **out, const char *path, mf_error *err);

/* Same from memory. */
MF_API mf_status
mf_hf_parse(mf_model **out, const char *text, size_t size, const char *name, mf_error *err);

#ifdef __cplusplus
}
#endif

#endif
