/*
 * model_json.h - models as files of modeldb.
 */
#ifndef MF_FACTS_MODEL_JSON_H
#define MF_FACTS_MODEL_JSON_H

#include "base/str.h"
#include "memfit/model.h"

/* How files name the kinds; "none" is left out of them. Indexed by mf_attention_kind, mf_recurrent_kind, mf_ffn_kind. */
extern const char *const mf_attention_words[MF_ATTENTION_MLA + 1];
extern const char *const mf_recurrent_words[MF_RECURRENT_COMPRESSOR + 1];
extern const char *const mf_ffn_words[MF_FFN_MOE + 1];

/* Appends the model as a file of modeldb; reading it back gives the same model, tensors outside the blocks first. Equal
   layers become one block. MF_E_NOMEM; MF_E_DATA if a tensor's name does not fit its layer. */
mf_status mf_model_write(mf_str *out, const mf_model *model, mf_error *err);

#endif
