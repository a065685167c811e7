/*
 * test_modeldb.c - every model of modeldb against what is published of it: its parameter count, and for those that
 * llama.cpp's own accounting knows, every tensor and every layer of the GGUF file.
 */
#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "facts/json.h"
#include "memfit/memfit.h"
#include "speed/csv.h"
#include "truth/table.h"

static mf_database *opened(void)
{
    static const char *const folders[] = {MF_SOURCE_DIR};
    mf_database *database = NULL;
    mf_error err = {0};
    cr_assert(mf_database_open(&database, folders, 1, &err) == MF_OK, "%s", err.message);
    return database;
}

static mf_model *model_of(const mf_database *database, const char *id)
{
    mf_model *model = NULL;
    mf_error err = {0};
    cr_assert(mf_database_model(&model, database, id, &err) == MF_OK, "%s", err.message);
    return model;
}

/* Parameters of the parts that one letter stands for: text, multi-token prediction, vision, duplicates of embedding and
   head in it, a head stored beside the table it is tied to, rope factors. */
typedef struct parts {
    double text, prediction, vision, duplicates, untied, factors;
} parts;

static parts parts_of(const mf_model *model)
{
    mf_model_counts counts = {0};
    mf_error err = {0};
    cr_assert(mf_model_count(&counts, model, &err) == MF_OK, "%s", err.message);
    const double table = (double)model->vocabulary * (double)model->hidden;
    parts p = {.text = (double)counts.parameters,
               .prediction = (double)counts.nextn_parameters + (double)model->mtp_parameters,
               .vision = (double)model->vision_parameters,
               .untied = model->tied_embeddings ? table : 0};
    for (size_t i = 0; i < model->n_tensors; i++) {
        const mf_tensor *tensor = &model->tensors[i];
        uint64_t n = 0;
        cr_assert(mf_tensor_elements(&n, tensor, &err) == MF_OK);
        if (strncmp(tensor->name, "rope_", 5) == 0) {
            p.factors += (double)n;
        }
        if (strstr(tensor->name, "nextn.embed") != NULL ||
            strstr(tensor->name, "nextn.shared_head_head") != NULL) {
            p.prediction -= (double)n;
        }
    }
    /* One copy of each per file, however many blocks there are; Step keeps a head in every block. */
    p.duplicates = strcmp(model->architecture, "step35") == 0 ? 3 * table : 2 * table;
    return p;
}

static double scope_of(const parts *p, const char *scope)
{
    double sum = 0;
    for (const char *c = scope; *c != '\0'; c++) {
        sum += *c == 't'   ? p->text
               : *c == 'm' ? p->prediction
               : *c == 'v' ? p->vision
               : *c == 'd' ? p->duplicates
               : *c == 'u' ? p->untied
                           : p->factors;
    }
    return sum;
}

/* The best published figure of a model: an exact count before a rounded one, then the nearer. */
typedef struct verdict {
    char id[80];
    bool rounded;
    double difference; /* share of the published count */
} verdict;

enum { MAX_MODELS = 256, COLUMNS = 8 };

static verdict *verdict_of(verdict *all, size_t *n, const char *id)
{
    for (size_t i = 0; i < *n; i++) {
        if (strcmp(all[i].id, id) == 0) {
            return &all[i];
        }
    }
    cr_assert(lt(sz, *n, MAX_MODELS));
    verdict *v = &all[(*n)++];
    (void)snprintf(v->id, sizeof v->id, "%s", id);
    v->rounded = true;
    v->difference = 1e9;
    return v;
}

static char *text_of(const char *path)
{
    FILE *file = fopen(path, "rb");
    cr_assert(file != NULL, "%s", path);
    cr_assert(fseek(file, 0, SEEK_END) == 0);
    const long size = ftell(file);
    rewind(file);
    char *text = calloc((size_t)size + 1, 1);
    cr_assert(fread(text, 1, (size_t)size, file) == (size_t)size);
    fclose(file);
    return text;
}

Test(modeldb, parameters_agree_with_published_totals)
{
    static verdict all[MAX_MODELS];
    size_t n = 0;
    size_t exact = 0;
    size_t near = 0;
    size_t within_rounding = 0;
    char *fields[COLUMNS];
    size_t n_fields = 0;
    mf_database *database = opened();
    char *text = text_of(MF_SOURCE_DIR "/tests/truth/model_totals.csv");
    mf_csv csv = {.next = text, .next_line = 1};
    cr_assert(mf_csv_row(&csv, fields, COLUMNS, &n_fields));
    while (mf_csv_row(&csv, fields, COLUMNS, &n_fields)) {
        mf_model *model = model_of(database, fields[0]);
        const parts p = parts_of(model);
        const double published = strtod(fields[2], NULL);
        const bool rounded = strcmp(fields[3], "0") != 0;
        const double off = scope_of(&p, fields[1]) / published - 1;
        verdict *v = verdict_of(all, &n, fields[0]);
        const double distance = off < 0 ? -off : off;
        const double best = v->difference < 0 ? -v->difference : v->difference;
        if ((v->rounded && !rounded) || (v->rounded == rounded && distance < best)) {
            v->rounded = rounded;
            v->difference = off;
        }
        mf_model_free(model);
    }
    for (size_t i = 0; i < n; i++) {
        const double distance = all[i].difference < 0 ? -all[i].difference : all[i].difference;
        exact += !all[i].rounded && distance < 1e-12 ? 1 : 0;
        near += distance <= 0.005 ? 1 : 0;
        within_rounding += all[i].rounded ? 1 : 0;
        if (distance > 0.005) {
            printf("  %-40s %+.2f %% of a %s total\n",
                   all[i].id,
                   100 * all[i].difference,
                   all[i].rounded ? "rounded" : "counted");
            cr_expect(all[i].rounded, "%s", all[i].id);
        }
    }
    printf("parameters: %zu models, %zu exact, %zu within 0.5 %%, %zu have only a rounded claim\n",
           n,
           exact,
           near,
           within_rounding);
    cr_expect(ge(sz, n, 186));
    cr_expect(ge(sz, near, 177));
    free(text);
    mf_database_close(database);
}

/* Models whose GGUF file's header is known: manifest, id in modeldb. */
static const char *const twins[][2] = {
    {"Llama-2-7B",          "llama-2-7b"           },
    {"Llama-3-8B",          "llama-3-8b"           },
    {"Llama-3.1-8B",        "llama-3.1-8b"         },
    {"Llama-3.3-70B",       "llama-3.3-70b"        },
    {"Llama-3.2-1B",        "llama-3.2-1b"         },
    {"Mistral-7B-v0.3",     "mistral-7b"           },
    {"Mistral-Small-24B",   "mistral-small-3.1-24b"},
    {"Mixtral-8x7B",        "mixtral-8x7b-v0.1"    },
    {"Qwen2.5-7B",          "qwen2.5-7b"           },
    {"Qwen3-0.6B",          "qwen3-0.6b"           },
    {"Qwen3-8B",            "qwen3-8b"             },
    {"Qwen3-32B",           "qwen3-32b"            },
    {"Qwen3-30B-A3B",       "qwen3-30b-a3b"        },
    {"Qwen3-235B-A22B",     "qwen3-235b-a22b"      },
    {"Gemma-3-27B",         "gemma-3-27b"          },
    {"Gemma-3-4B",          "gemma-3-4b"           },
    {"gpt-oss-20b",         "gpt-oss-20b"          },
    {"gpt-oss-120b",        "gpt-oss-120b"         },
    {"DeepSeek-V3",         "deepseek-v3"          },
    {"DeepSeek-V2-Lite",    "deepseek-v2-lite"     },
    {"Kimi-K2",             "kimi-k2"              },
    {"GLM-4.5-Air",         "glm-4.5-air"          },
    {"Qwen3-Next-80B-A3B",  "qwen3-next-80b-a3b"   },
    {"Qwen3.5-27B",         "qwen3.5-27b"          },
    {"Qwen3.5-35B-A3B",     "qwen3.5-35b-a3b"      },
    {"Llama-4-Scout",       "llama-4-scout-17b-16e"},
    {"Gemma-4-31B",         "gemma-4-31b"          },
    {"Gemma-4-26B-A4B",     "gemma-4-26b-a4b"      },
    {"Falcon-H1-7B",        "falcon-h1-7b"         },
    {"Granite-4.0-H-Small", "granite-4.0-h-small"  },
    {"Phi-4",               "phi-4-14b"            },
    {"Mamba-2.8B",          "mamba-2.8b"           },
};

static const mf_tensor *find_tensor(const mf_model *model, const char *name)
{
    for (size_t i = 0; i < model->n_tensors; i++) {
        if (strcmp(model->tensors[i].name, name) == 0) {
            return &model->tensors[i];
        }
    }
    return NULL;
}

static void expect_same_tensors(const mf_model *ours, const mf_model *gguf)
{
    size_t n_shown = 0;
    for (size_t i = 0; i < gguf->n_tensors && n_shown < 4; i++) {
        const mf_tensor *want = &gguf->tensors[i];
        const mf_tensor *have = find_tensor(ours, want->name);
        const bool same = have != NULL && memcmp(have->dims, want->dims, sizeof want->dims) == 0;
        n_shown += same ? 0 : 1;
        cr_expect(same, "%s: %s %s", ours->id, want->name, have != NULL ? "differs" : "is missing");
    }
    /* Falcon-H1's manifest was made without the norm that its config asks for. */
    size_t n_extra = 0;
    for (size_t i = 0; i < ours->n_tensors; i++) {
        n_extra += strcmp(ours->architecture, "falcon-h1") == 0 &&
                   strstr(ours->tensors[i].name, "ssm_norm") != NULL;
    }
    cr_expect(eq(sz, ours->n_tensors - n_extra, gguf->n_tensors), "%s", ours->id);
}

static void expect_same_layers(const mf_model *ours, const mf_model *gguf)
{
    cr_assert(eq(sz, ours->n_layers, gguf->n_layers), "%s", ours->id);
    for (size_t i = 0; i < gguf->n_layers; i++) {
        const mf_layer *have = &ours->layers[i];
        const mf_layer *want = &gguf->layers[i];
        const mf_attention *a = &have->attention;
        const mf_attention *b = &want->attention;
        const bool same =
            a->kind == b->kind && a->n_heads == b->n_heads && a->n_kv_heads == b->n_kv_heads &&
            a->key_dim == b->key_dim && a->value_dim == b->value_dim && a->window == b->window &&
            a->chunked == b->chunked && a->shares_kv == b->shares_kv && a->kv_rank == b->kv_rank &&
            a->rope_dim == b->rope_dim && have->recurrent.kind == want->recurrent.kind &&
            have->recurrent.conv_elements == want->recurrent.conv_elements &&
            have->recurrent.state_elements == want->recurrent.state_elements &&
            have->ffn.kind == want->ffn.kind && have->ffn.width == want->ffn.width &&
            have->ffn.n_experts == want->ffn.n_experts &&
            have->ffn.n_experts_used == want->ffn.n_experts_used &&
            have->ffn.shared_width == want->ffn.shared_width &&
            have->ffn.n_matrices == want->ffn.n_matrices && have->is_nextn == want->is_nextn &&
            have->nextn_has_cache == want->nextn_has_cache;
        cr_assert(same, "%s: layer %zu differs", ours->id, i);
    }
}

Test(modeldb, configs_give_what_gguf_files_hold)
{
    mf_database *database = opened();
    for (size_t i = 0; i < sizeof twins / sizeof twins[0]; i++) {
        const mf_model *gguf = truth_model(twins[i][0]);
        mf_model *ours = model_of(database, twins[i][1]);
        cr_expect(eq(str, ours->architecture, gguf->architecture), "%s", ours->id);
        cr_expect(eq(u64, ours->vocabulary, gguf->vocabulary), "%s", ours->id);
        cr_expect(ours->tied_embeddings == gguf->tied_embeddings, "%s", ours->id);
        expect_same_tensors(ours, gguf);
        expect_same_layers(ours, gguf);
        mf_model_free(ours);
    }
    truth_models_free();
    mf_database_close(database);
}
