/*
 * gguf_layers.h - geometry of every layer from metadata, with the layer's tensors as witnesses.
 */
#ifndef MF_IMPORT_GGUF_LAYERS_H
#define MF_IMPORT_GGUF_LAYERS_H

#include "import/gguf_meta.h"

/* Fills model->layers (allocated, meta->n_layers of them) from metadata and model->tensors. model->hidden is set. */
mf_status mf_gguf_fill_layers(mf_model *model, const mf_gguf_meta *meta, mf_error *err);

#endif
