#include <stdlib.h>
#include <string.h>

#include "cli/cli.h"
#include "facts/model_json.h"
#include "memfit/import.h"

/* What was said replaces what the file says. */
static mf_status replace(char **text, const char *said, mf_error *err)
{
    char *copy = mf_strdup(said);
    if (said == NULL) {
        return MF_OK;
    }
    if (copy == NULL) {
        return mf_fail(err, MF_E_NOMEM, "out of memory for '%.80s'", said);
    }
    free(*text);
    *text = copy;
    return MF_OK;
}

static mf_status name_model(mf_model *model, const mf_arguments *a, mf_error *err)
{
    mf_source *source = model->sources.n_items > 0 ? &model->sources.items[0] : NULL;
    const struct {
        char **text;
        const char *said;
    } texts[] = {
        {&model->id,                                     a->id                            },
        {&model->name,                                   a->name                          },
        {&model->organization,                           a->organization                  },
        {&model->license,                                a->license                       },
        {&model->released,                               a->released                      },
        {source != NULL ? &source->title : &model->name, source != NULL ? a->source : NULL},
        {source != NULL ? &source->url : &model->name,   source != NULL ? a->url : NULL   },
        {source != NULL ? &source->seen : &model->name,  source != NULL ? a->seen : NULL  },
    };
    for (int kind = MF_SOURCE_VENDOR; a->kind != NULL && kind <= MF_SOURCE_ASSUMED; kind++) {
        if (source != NULL && strcmp(mf_source_kind_name((mf_source_kind)kind), a->kind) == 0) {
            source->kind = (mf_source_kind)kind;
        }
    }
    mf_status status = MF_OK;
    for (size_t i = 0; status == MF_OK && i < sizeof texts / sizeof texts[0]; i++) {
        status = replace(texts[i].text, texts[i].said, err);
    }
    return status;
}

static mf_status import(mf_str *text, const mf_arguments *a, mf_error *err)
{
    mf_model *model = NULL;
    const char *path = a->positional[0];
    const size_t n = strlen(path);
    const bool gguf = n > 5 && strcmp(path + n - 5, ".gguf") == 0;
    mf_status status = gguf ? mf_gguf_read(&model, path, err) : mf_hf_read(&model, path, err);
    status = status == MF_OK ? mf_model_check(model, err) : status;
    status = status == MF_OK ? name_model(model, a, err) : status;
    status = status == MF_OK ? mf_model_write(text, model, err) : status;
    mf_model_free(model);
    return status;
}

int mf_cmd_import(int n_words, char **words)
{
    mf_error err = {0};
    mf_arguments a;
    mf_str text = {0};
    mf_status status = mf_parse_arguments(&a, MF_FOR_IMPORT, n_words, words, &err);
    if (status == MF_OK && a.help) {
        return mf_cli_help(mf_cli_command("import"), MF_FOR_IMPORT);
    }
    if (status == MF_OK && a.n_positional != 1) {
        status = mf_fail(&err, MF_E_USAGE, "import takes one .gguf file, config.json or folder");
    }
    status = status == MF_OK ? import(&text, &a, &err) : status;
    status = status == MF_OK ? mf_cli_write(&text, a.output_file, &err) : status;
    mf_str_free(&text);
    return status == MF_OK ? MF_EXIT_YES : mf_cli_fail(status, &err);
}
