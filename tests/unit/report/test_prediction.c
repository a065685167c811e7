#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <string.h>

#include "facts/json.h"
#include "report/prediction.h"
#include "report/wording.h"

typedef struct fixture {
    mf_model model;
    mf_machine machine;
    mf_engine engine;
    mf_case run;
    mf_prediction prediction;
    mf_shown shown;
} fixture;

static void build(fixture *f)
{
    *f = (fixture){
        .model = {.id = "m,1",              .name = "m",         .architecture = "llama"},
        .machine = {.id = "box",              .name = "A box",     .n_nodes = 1           },
        .engine = {.id = MF_ENGINE_LLAMACPP, .name = "llama.cpp", .version = "b1"        }
    };
    f->run = (mf_case){
        .model = &f->model,
        .machine = &f->machine,
        .engine = &f->engine,
        .backend = MF_BACKEND_CUDA,
        .workload = {.n_ctx = 8192,
                     .n_prompt = 2048,
                     .n_output = 512,
                     .n_parallel = 4,
                     .n_ubatch = 512,
                     .kv_type_k = MF_TYPE_F16,
                     .kv_type_v = MF_TYPE_Q8_0}
    };
    mf_memory *m = &f->prediction.memory;
    m->n_places = 1;
    m->places[0] = (mf_place){.name = "gpu0",
                              .terms = {[MF_TERM_WEIGHTS] = 7ULL << 30},
                              .need_bytes = 7ULL << 30,
                              .limit_bytes = 10ULL << 30,
                              .raised_limit_bytes = 12ULL << 30,
                              .limit_known = true};
    m->terms[MF_TERM_WEIGHTS] = 7ULL << 30;
    m->total_bytes = 7ULL << 30;
    m->ranges[MF_TERM_WEIGHTS] = (mf_memory_range){.below = 0.25, .above = 0.5};
    m->limit_bytes = 10ULL << 30;
    m->fits = true;
    m->fits_probability = 0.97;
    f->prediction.memory_known = true;
    f->prediction.decode = (mf_rate){.known = true,
                                     .tok_s = 30.123456,
                                     .low_tok_s = 26.4,
                                     .high_tok_s = 34.2,
                                     .ceiling_tok_s = 40,
                                     .bound = MF_BOUND_BANDWIDTH,
                                     .basis = MF_BASIS_CHIP};
    f->prediction.prefill = (mf_rate){.reason = "no measurement of this chip"};
    f->shown = (mf_shown){.run = &f->run, .prediction = &f->prediction, .quant_name = "Q4_K_M"};
}

Test(prediction, json_has_every_key_and_null_for_what_is_not_known)
{
    fixture f;
    mf_str out = {0};
    mf_json *json = NULL;
    mf_error err = {0};
    build(&f);
    cr_assert(eq(int, mf_write_prediction_json(&out, &f.shown, &err), MF_OK));
    cr_assert(
        eq(int, mf_json_parse(&json, out.data, out.size, "out", &err), MF_OK), "%s", err.message);
    const mf_node *root = mf_json_root(json);
    static const char *const keys[] = {"schema",
                                       "model",
                                       "machine",
                                       "quant",
                                       "engine",
                                       "backend",
                                       "workload",
                                       "memory",
                                       "placement",
                                       "decode",
                                       "together",
                                       "prefill",
                                       "ttft",
                                       "depth_curve",
                                       "sources",
                                       "warnings"};
    const mf_node *member = mf_node_first(root);
    for (size_t i = 0; i < sizeof keys / sizeof keys[0]; i++) {
        cr_assert(member != NULL);
        cr_expect(eq(str, (char *)mf_node_key(member), (char *)keys[i]));
        member = mf_node_next(member);
    }
    cr_expect(eq(ptr, (void *)member, NULL));
    double rate = 0;
    cr_assert(mf_node_double(&rate, mf_node_get(mf_node_get(root, "decode"), "tok_s")));
    cr_expect(epsilon_eq(dbl, rate, 30.1235, 1e-9));
    const mf_node *prefill = mf_node_get(mf_node_get(root, "prefill"), "tok_s");
    cr_expect(eq(int, (int)mf_node_kind_of(prefill), MF_NODE_NULL));
    const mf_node *terms = mf_node_get(mf_node_get(root, "memory"), "terms");
    cr_expect(eq(sz, mf_node_count(terms), (size_t)MF_TERM_COUNT));
    const mf_node *weights = mf_node_first(terms);
    uint64_t bytes = 0;
    uint64_t low = 0;
    uint64_t high = 0;
    cr_assert(mf_node_uint(&bytes, mf_node_get(weights, "bytes")));
    cr_assert(mf_node_uint(&low, mf_node_get(weights, "low_bytes")));
    cr_assert(mf_node_uint(&high, mf_node_get(weights, "high_bytes")));
    cr_expect(eq(u64, low, bytes - bytes / 4));
    cr_expect(eq(u64, high, bytes + bytes / 2));
    mf_json_free(json);
    mf_str_free(&out);
}

Test(prediction, csv_quotes_names_and_leaves_unknown_blank)
{
    fixture f;
    mf_str out = {0};
    build(&f);
    cr_assert(eq(int, mf_write_prediction_csv(&out, &f.shown, 1, NULL), MF_OK));
    cr_expect(ne(ptr, strstr(out.data, "\n\"m,1\",box,Q4_K_M,llama.cpp,cuda,8192,"), NULL));
    cr_expect(ne(ptr, strstr(out.data, "30.1235,26.4,34.2,chip,,,,,,,\n"), NULL), "%s", out.data);
    mf_str_free(&out);
}

Test(prediction, csv_leaves_memory_blank_where_it_is_not_known)
{
    fixture f;
    mf_str out = {0};
    build(&f);
    f.prediction.memory_known = false;
    cr_assert(eq(int, mf_write_prediction_csv(&out, &f.shown, 1, NULL), MF_OK));
    cr_expect(ne(ptr, strstr(out.data, ",512,4,,,,,,,,,,,,,,,,,,30.1235,"), NULL), "%s", out.data);
    mf_str_free(&out);
}

Test(prediction, the_verdict_names_room_and_probability_and_the_raised_limit)
{
    fixture f;
    char text[MF_WORDING_SIZE];
    build(&f);
    cr_expect(eq(str,
                 (char *)mf_verdict_text(text, &f.prediction.memory),
                 "3 GiB to spare on gpu0, probability of fitting 97 %"));
    f.prediction.memory.places[0].need_bytes = 13ULL << 30;
    f.prediction.memory.fits_probability = 0;
    cr_expect(eq(str,
                 (char *)mf_verdict_text(text, &f.prediction.memory),
                 "3 GiB missing on gpu0, probability of fitting under 1 %; with the GPU limit "
                 "raised (sudo sysctl iogpu.wired_limit_mb=12288, until the next restart) it "
                 "does not fit either"));
    f.prediction.memory.places[0].need_bytes = 11ULL << 30;
    cr_expect(strstr(mf_verdict_text(text, &f.prediction.memory), "it fits") != NULL);
}

Test(prediction, a_raised_limit_must_hold_every_place_and_the_memory_that_they_share)
{
    fixture f;
    mf_raised raised;
    build(&f);
    mf_memory *m = &f.prediction.memory;
    m->places[0].need_bytes = 11ULL << 30;
    m->total_bytes = 11ULL << 30;
    m->shared_limit_bytes = 14ULL << 30;
    cr_assert(mf_raised_of(&raised, m, &m->places[0]));
    cr_expect(raised.fits);
    cr_expect(raised.may_swap, "3 GiB are left, less than a desktop holds");
    cr_expect(eq(u64, raised.left_bytes, 3ULL << 30));
    m->places[1] =
        (mf_place){.name = "host", .need_bytes = 2, .limit_bytes = 1, .raised_limit_bytes = 1};
    m->n_places = 2;
    cr_assert(mf_raised_of(&raised, m, &m->places[0]));
    cr_expect(not(raised.fits));
    cr_expect(not(mf_raised_of(&raised, m, &m->places[1])), "nothing raises a host's");
}

Test(prediction, words_keep_to_what_the_interval_supports)
{
    char text[MF_WORDING_SIZE];
    fixture f;
    build(&f);
    cr_expect(eq(str, (char *)mf_rate_text(text, &f.prediction.decode), "30"));
    const mf_rate close = {.known = true, .tok_s = 30.1235, .low_tok_s = 29, .high_tok_s = 31};
    cr_expect(eq(str, (char *)mf_rate_text(text, &close), "30.1"));
    cr_expect(eq(str, (char *)mf_range_text(text, &f.prediction.decode), "26 - 34"));
    cr_expect(eq(str, (char *)mf_rate_text(text, &f.prediction.prefill), "-"));
    cr_expect(eq(
        str, (char *)mf_sequences_text(text, &f.run.workload), ", 2048 for each of 4 sequences"));
    f.run.workload.kv_unified = true;
    cr_expect(eq(str, (char *)mf_sequences_text(text, &f.run.workload), " shared by 4 sequences"));
    const mf_duration ttft = {.known = true, .s = 2.44, .low_s = 2.04, .high_s = 2.9};
    cr_expect(eq(str, (char *)mf_duration_text(text, &ttft), "2.4 s (90 %: 2 s to 2.9 s)"));
}

Test(prediction, a_span_is_told_in_years_months_or_weeks)
{
    static const struct {
        double years;
        const char *text;
    } spans[] = {
        {3,    "3 years"  },
        {1,    "1 year"   },
        {0.25, "3 months" },
        {0.04, "2.1 weeks"}
    };
    for (size_t i = 0; i < sizeof spans / sizeof spans[0]; i++) {
        char text[MF_WORDING_SIZE];
        cr_expect(eq(str, (char *)mf_span_text(text, spans[i].years), (char *)spans[i].text));
    }
}
