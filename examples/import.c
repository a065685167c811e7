/* import.h: a model from a Hugging Face configuration; mf_gguf_read and mf_hf_read do the same from files. */
#include <stdio.h>
#include <string.h>

#include <memfit/import.h>

int main(void)
{
    static const char config[] =
        "{\"model_type\": \"llama\", \"hidden_size\": 2048, \"intermediate_size\": 5632,"
        " \"num_hidden_layers\": 22, \"num_attention_heads\": 32, \"num_key_value_heads\": 4,"
        " \"vocab_size\": 32000, \"max_position_embeddings\": 2048}";
    mf_error err = {0};
    mf_model *model = NULL;
    mf_model_counts counts;
    mf_status status = mf_hf_parse(&model, config, strlen(config), "config.json", &err);
    if (status == MF_OK) {
        status = mf_model_count(&counts, model, &err);
    }
    if (status == MF_OK) {
        printf("%s, %zu tensors, %llu parameters\n",
               model->architecture,
               model->n_tensors,
               (unsigned long long)counts.parameters);
    } else {
        fprintf(stderr, "%s\n", err.message);
    }
    mf_model_free(model);
    return mf_status_exit_code(status);
}
