/*
 * gguf_model.h - the model that one or more headers describe.
 */
#ifndef MF_IMPORT_GGUF_MODEL_H
#define MF_IMPORT_GGUF_MODEL_H

#include "import/gguf_file.h"

/* Builds the model of a whole set: metadata from files[0], tensors from all. The caller frees *out. MF_E_DATA,
   MF_E_UNSUPPORTED, MF_E_OVERFLOW, MF_E_NOMEM. */
mf_status mf_gguf_model(mf_model **out, mf_gguf_file *files, size_t n_files, mf_error *err);

#endif
