#include <criterion/criterion.h>
#include <criterion/new/assert.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "memfit/memfit.h"
#include "memfit/runs.h"

static mf_database *database;

static void set_up(void)
{
    const char *const folders[] = {MF_SOURCE_DIR};
    mf_init();
    cr_assert(eq(int, mf_database_open(&database, folders, 1, NULL), MF_OK));
}

static void tear_down(void)
{
    mf_database_close(database);
}

TestSuite(runs, .init = set_up, .fini = tear_down);

static const mf_runs_options on_m4 = {.device_id = "apple-m4-max-40c", .date = "2026-11-28"};

#define BENCH(file, prompt, gen, depth, speed)                                                     \
    "{\"model_filename\": \"/models/" file "\", \"model_type\": \"llama 8B Q4_K - Medium\", "      \
    "\"backends\": \"Metal\", \"n_ubatch\": 512, \"type_k\": \"f16\", \"flash_attn\": true, "      \
    "\"n_prompt\": " prompt ", \"n_gen\": " gen ", \"n_depth\": " depth ", \"avg_ts\": " speed     \
    ", \"test_time\": \"2026-10-01T08:00:00Z\"}"

static char *read_runs(const char *text, const mf_runs_options *options, mf_runs_count *count)
{
    char *csv = NULL;
    mf_error err = {0};
    const mf_status status =
        mf_runs_read(&csv, count, text, strlen(text), "runs.json", options, database, &err);
    cr_assert(eq(int, status, MF_OK), "%s", err.message);
    return csv;
}

Test(runs, llama_bench_json)
{
    mf_runs_count count = {0};
    char *csv = read_runs(
        "[" BENCH("Meta-Llama-3.1-8B-Instruct-Q4_K_M.gguf", "512", "0", "0", "800.5") "," BENCH(
            "Meta-Llama-3.1-8B-Instruct-Q4_K_M.gguf", "0", "128", "4096", "70.25") "]",
        &on_m4,
        &count);
    cr_assert(eq(sz, count.n_rows, 2));
    cr_assert(eq(
        str,
        csv,
        "device,engine,model,quant,kv_type,test,n_tokens,depth,tok_s,trust,date,source_url,notes\n"
        "apple-m4-max-40c,llama.cpp,llama-3.1-8b,Q4_K_M,f16,pp,512,0,800.5,high,2026-10-01,own run,"
        "Metal; FA on; ubatch 512\n"
        "apple-m4-max-40c,llama.cpp,llama-3.1-8b,Q4_K_M,f16,tg,128,4096,70.25,high,2026-10-01,own "
        "run,"
        "Metal; FA on; ubatch 512\n"));
    free(csv);
}

Test(runs, what_is_written_reads_as_measurements)
{
    mf_runs_count count = {0};
    mf_measurements rows = {0};
    char *csv = read_runs(BENCH("Qwen3-4B-Q8_0.gguf", "0", "64", "0", "90"), &on_m4, &count);
    cr_assert(eq(int, mf_measurements_parse(&rows, csv, strlen(csv), "x.csv", NULL), MF_OK));
    cr_assert(eq(sz, rows.n_items, 1));
    cr_assert(eq(str, rows.items[0].model, "qwen3-4b"));
    cr_assert(eq(int, rows.items[0].runtime, MF_RUNTIME_METAL));
    cr_assert(rows.items[0].flash_attention);
    cr_assert(eq(int, rows.items[0].test, MF_TEST_DECODE));
    mf_measurements_free(&rows);
    free(csv);
}

Test(runs, releases_are_told_from_what_they_are_named_after)
{
    mf_runs_count count = {0};
    char *csv = read_runs(
        "[" BENCH("DeepSeek-R1-0528-Qwen3-8B-Q4_K_M.gguf", "512", "0", "0", "800.5") "," BENCH(
            "Qwen3-Coder-30B-A3B-Instruct-Q4_K_M.gguf", "0", "128", "0", "70.25") "]",
        &on_m4,
        &count);
    cr_assert(eq(sz, count.n_rows, 2));
    cr_expect(ne(ptr, strstr(csv, ",deepseek-r1-0528-qwen3-8b,Q4_K_M,"), NULL), "%s", csv);
    cr_expect(ne(ptr, strstr(csv, ",qwen3-coder-30b-a3b,Q4_K_M,"), NULL), "%s", csv);
    free(csv);
}

Test(runs, llama_bench_lines_and_csv)
{
    mf_runs_count count = {0};
    free(read_runs(BENCH("Qwen3-8B-Q4_0.gguf", "0", "64", "0", "50") "\n" BENCH(
                       "Qwen3-8B-Q4_0.gguf", "512", "0", "0", "500") "\n",
                   &on_m4,
                   &count));
    cr_assert(eq(sz, count.n_rows, 2));
    char *csv = read_runs(
        "\"build_commit\",\"model_filename\",\"model_type\",\"backends\",\"n_ubatch\",\"type_k\","
        "\"flash_attn\",\"n_prompt\",\"n_gen\",\"n_depth\",\"avg_ts\",\"test_time\"\n"
        "\"abc\",\"m/gemma-3-12b-it-Q6_K.gguf\",\"gemma3 12B Q6_K\",\"CUDA\",\"512\",\"f16\",\"1\","
        "\"0\",\"32\",\"0\",\"44.5\",\"2026-10-02T00:00:00Z\"\n",
        &on_m4,
        &count);
    cr_assert(ne(ptr, strstr(csv, ",gemma-3-12b,Q6_K,f16,tg,32,0,44.5,"), NULL), "%s", csv);
    free(csv);
}

Test(runs, mlx_and_ollama)
{
    mf_runs_count count = {0};
    char *csv =
        read_runs("{\"model\": \"mlx-community/Qwen3-4B-4bit\", \"prompt_tokens\": 2048, "
                  "\"prompt_tps\": 1500, \"generation_tokens\": 256, \"generation_tps\": 140}",
                  &on_m4,
                  &count);
    cr_assert(ne(ptr, strstr(csv, "mlx,qwen3-4b,mlx-4bit,,pp,2048,0,1500,"), NULL), "%s", csv);
    cr_assert(ne(ptr, strstr(csv, "mlx,qwen3-4b,mlx-4bit,,tg,256,2048,140,"), NULL), "%s", csv);
    free(csv);
    csv = read_runs(
        "{\"model\": \"llama3.1:8b-instruct-q4_K_M\", \"created_at\": \"2026-09-09T01:02:03Z\", "
        "\"prompt_eval_count\": 100, \"prompt_eval_duration\": 200000000, "
        "\"eval_count\": 60, \"eval_duration\": 1000000000}",
        &on_m4,
        &count);
    cr_assert(
        ne(ptr, strstr(csv, "ollama,llama-3.1-8b,Q4_K_M,,tg,60,100,60,high,2026-09-09"), NULL),
        "%s",
        csv);
    free(csv);
}

Test(runs, the_caller_may_name_the_model)
{
    mf_runs_count count = {0};
    const mf_runs_options named = {
        .device_id = "apple-m1-8c", .model_id = "llama-2-7b", .quant_id = "Q4_0"};
    char *csv = read_runs(BENCH("my-file.gguf", "0", "64", "0", "14"), &named, &count);
    cr_assert(ne(ptr, strstr(csv, "apple-m1-8c,llama.cpp,llama-2-7b,Q4_0,"), NULL));
    free(csv);
}

Test(runs, other_texts_are_refused_with_a_cure)
{
    static const struct {
        const char *text, *part;
    } rows[] = {
        {"[]",                     "no runs of llama-bench"},
        {"a,b\n1,2\n",             "no runs of llama-bench"},
        {"{\"x\": 1}",             "no runs of llama-bench"},
        {"[{\"model_filename\": ", "runs.json:1"           },
        {BENCH("my-file.gguf",     "0",                      "64", "0", "14"),
         "which model is 'my-file.gguf'? Give --model ID"},
        {"[" BENCH("Qwen3-8B-Q4_0.gguf",                     "0",                                        "64", "0", "0") "]", "no run with a speed"},
        {"",                        "no runs of llama-bench"                  },
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        char *csv = NULL;
        mf_runs_count count = {0};
        mf_error err = {0};
        const mf_status status = mf_runs_read(
            &csv, &count, rows[i].text, strlen(rows[i].text), "runs.json", &on_m4, database, &err);
        cr_assert(eq(int, status, MF_E_DATA), "row %zu", i);
        cr_assert(ne(ptr, strstr(err.message, rows[i].part), NULL), "%zu: %s", i, err.message);
    }
}

static mf_status update(mf_calibration *c, mf_runs_use *use, const char *rows, mf_error *err)
{
    char text[4096];
    mf_measurements m = {0};
    (void)snprintf(text,
                   sizeof text,
                   "device,engine,model,quant,test,n_tokens,depth,tok_s,date,notes\n%s",
                   rows);
    cr_assert(eq(int, mf_measurements_parse(&m, text, strlen(text), "x.csv", err), MF_OK),
              "%s",
              err->message);
    const mf_status status = mf_calibration_update(c, use, &m, database, err);
    mf_measurements_free(&m);
    return status;
}

Test(runs, a_slower_machine_than_its_class_gets_slower)
{
    mf_calibration *c = NULL;
    mf_runs_use use = {0};
    mf_error err = {0};
    cr_assert(eq(int, mf_calibration_new(&c, "llama.cpp", &err), MF_OK));
    const mf_setting setting = {.chip = "apple-m4-max-40c",
                                .chip_class = MF_CLASS_APPLE_M3_M4,
                                .runtime = MF_RUNTIME_METAL,
                                .flash_attention = true};
    /* A calibration without rows knows less of what a layer costs than of how near a stream comes to its peak. */
    const double layer = mf_calibration_value(c, MF_KNOB_LAYER, &setting, MF_FORMAT_Q8_0);
    const double eta = mf_calibration_value(c, MF_KNOB_ETA, &setting, MF_FORMAT_Q8_0);
    cr_assert(
        eq(int,
           update(c,
                  &use,
                  "apple-m4-max-40c,llama.cpp,llama-3.1-8b,Q8_0,tg,128,0,30,2026-10,FA on\n"
                  "apple-m4-max-40c,llama.cpp,llama-3.2-1b,Q8_0,tg,128,4096,120,2026-10,FA on\n"
                  "apple-m4-max-40c,mlx,llama-3.2-1b,mlx-4bit,tg,128,0,1,2026-10,\n",
                  &err),
           MF_OK),
        "%s",
        err.message);
    cr_assert(
        gt(dbl, mf_calibration_value(c, MF_KNOB_LAYER, &setting, MF_FORMAT_Q8_0), 1.2 * layer));
    cr_assert(lt(dbl, mf_calibration_value(c, MF_KNOB_ETA, &setting, MF_FORMAT_Q8_0), eta));
    cr_assert(eq(sz, use.n_decode, 2), "the run of another engine does not count");
    cr_assert(eq(sz, use.n_models, 2));
    cr_assert(eq(sz, use.n_depths, 2));
    const mf_chip_effects *chip = mf_calibration_chip(c, "apple-m4-max-40c");
    cr_assert(chip->calibrated[MF_TEST_DECODE]);
    cr_assert(not(chip->calibrated[MF_TEST_PREFILL]));
    mf_calibration_free(c);
}

Test(runs, runs_that_the_law_explains_change_little)
{
    mf_calibration *c = NULL;
    mf_calibration *again = NULL;
    mf_runs_use use = {0};
    mf_error err = {0};
    cr_assert(eq(int, mf_calibration_new(&c, "llama.cpp", &err), MF_OK));
    cr_assert(eq(int, mf_calibration_new(&again, "llama.cpp", &err), MF_OK));
    static const char run[] = "apple-m1-8c,llama.cpp,llama-2-7b,Q4_0,tg,128,0,%s,2026-10,FA on\n";
    char text[256];
    /* Half, and twice as fast: the same distance in opposite directions. */
    (void)snprintf(text, sizeof text, run, "7");
    cr_assert(eq(int, update(c, &use, text, &err), MF_OK));
    (void)snprintf(text, sizeof text, run, "28");
    cr_assert(eq(int, update(again, &use, text, &err), MF_OK));
    const mf_chip_effects *slow = mf_calibration_chip(c, "apple-m1-8c");
    const mf_chip_effects *fast = mf_calibration_chip(again, "apple-m1-8c");
    cr_assert(lt(dbl, slow->knobs[MF_KNOB_ETA].log_value, fast->knobs[MF_KNOB_ETA].log_value));
    mf_calibration_free(c);
    mf_calibration_free(again);
}

static double prefill_width_after(const char *row)
{
    mf_calibration *c = NULL;
    mf_runs_use use = {0};
    mf_error err = {0};
    cr_assert(eq(int, mf_calibration_new(&c, "llama.cpp", &err), MF_OK));
    cr_assert(eq(int, update(c, &use, row, &err), MF_OK), "%s", err.message);
    cr_assert(eq(sz, c->n_chips, 1));
    const double width = c->chips[0].half_width_log[MF_TEST_PREFILL];
    mf_calibration_free(c);
    return width;
}

Test(runs, a_run_tells_less_where_backends_differ_more)
{
    const double apple =
        prefill_width_after("apple-m1-8c,llama.cpp,llama-2-7b,Q4_0,pp,512,0,120,2026-10,FA on\n");
    const double nvidia = prefill_width_after(
        "nvidia-rtx-4090,llama.cpp,llama-2-7b,Q4_0,pp,512,0,12000,2026-10,FA on\n");
    const double amd =
        prefill_width_after("amd-r9700,llama.cpp,llama-2-7b,Q4_0,pp,512,0,4500,2026-10,FA on\n");
    const double intel = prefill_width_after(
        "intel-arc-b580,llama.cpp,llama-2-7b,Q4_0,pp,512,0,600,2026-10,FA on\n");
    cr_assert(lt(dbl, apple, nvidia));
    cr_assert(lt(dbl, nvidia, amd));
    cr_assert(lt(dbl, amd, intel), "nothing is known of one row of these");
}

Test(runs, two_machines_or_none_are_refused)
{
    mf_calibration *c = NULL;
    mf_runs_use use = {0};
    mf_error err = {0};
    cr_assert(eq(int, mf_calibration_new(&c, "llama.cpp", &err), MF_OK));
    cr_assert(eq(int,
                 update(c,
                        &use,
                        "apple-m1-8c,llama.cpp,llama-2-7b,Q4_0,tg,128,0,14,2026-10,\n"
                        "apple-m2-10c,llama.cpp,llama-2-7b,Q4_0,tg,128,0,20,2026-10,\n",
                        &err),
                 MF_E_DATA));
    cr_assert(ne(ptr, strstr(err.message, "can't calibrate one machine"), NULL), "%s", err.message);
    cr_assert(
        eq(int,
           update(c, &use, "apple-m1-8c,mlx,llama-2-7b,mlx-4bit,tg,128,0,14,2026-10,\n", &err),
           MF_E_DATA));
    mf_calibration_free(c);
}

Test(runs, two_backends_are_refused)
{
    mf_calibration *c = NULL;
    mf_runs_use use = {0};
    mf_error err = {0};
    cr_assert(eq(int, mf_calibration_new(&c, "llama.cpp", &err), MF_OK));
    static const char one[] =
        "amd-r9700,llama.cpp,llama-2-7b,Q4_0,pp,512,0,4500,2026-10,ROCm; FA on\n";
    static const char other[] =
        "amd-r9700,llama.cpp,llama-2-7b,Q4_0,pp,512,0,2400,2026-10,Vulkan; FA on\n";
    char both[256];
    (void)snprintf(both, sizeof both, "%s%s", one, other);
    cr_assert(eq(int, update(c, &use, both, &err), MF_E_DATA));
    cr_assert(ne(ptr, strstr(err.message, "rocm and with vulkan"), NULL), "%s", err.message);
    cr_assert(eq(int, update(c, &use, one, &err), MF_OK), "%s", err.message);
    mf_calibration_free(c);
}

#define SQL_COLUMNS                                                                                \
    "INSERT INTO llama_bench (model_filename, backends, n_ubatch, type_k, flash_attn, n_prompt, "  \
    "n_gen, n_depth, avg_ts, test_time) VALUES ("

Test(runs, llama_bench_sql)
{
    mf_runs_count count = {0};
    char *csv = read_runs(
        "CREATE TABLE IF NOT EXISTS llama_bench (\n  model_filename TEXT\n);\n\n" SQL_COLUMNS
        "'/it''s, mine/Meta-Llama-3.1-8B-Instruct-Q4_K_M.gguf', 'Metal', '512', "
        "'f16', '1', '512', '0', '0', '800.5', '2026-10-01T08:00:00Z');\n",
        &on_m4,
        &count);
    cr_assert(eq(sz, count.n_rows, 1));
    cr_assert(ne(ptr,
                 strstr(csv,
                        "apple-m4-max-40c,llama.cpp,llama-3.1-8b,Q4_K_M,f16,pp,512,0,800.5,"
                        "high,2026-10-01,own run,Metal; FA on; ubatch 512\n"),
                 NULL));
    free(csv);
}

Test(runs, the_gpu_of_the_runs_in_every_form)
{
    static const char *const named[] = {
        "{\"model_filename\": \"a.gguf\", \"gpu_info\": \"GPU, 1\"}\n{\"gpu_info\": \"GPU 2\"}",
        "model_filename,gpu_info\n\"a.gguf\",\"GPU, 1\"\n",
        "INSERT INTO llama_bench (model_filename, gpu_info) VALUES ('a.gguf', 'GPU, 1');\n",
    };
    char gpu[MF_RUNS_GPU_SIZE];
    mf_error err = {0};
    for (size_t i = 0; i < sizeof named / sizeof named[0]; i++) {
        cr_assert(eq(int, mf_runs_gpu(gpu, named[i], strlen(named[i]), "runs", &err), MF_OK),
                  "%s",
                  err.message);
        cr_assert(eq(str, gpu, "GPU, 1"), "%s", named[i]);
    }
    cr_assert(eq(int, mf_runs_gpu(gpu, "[{\"eval_duration\": 1}]", 22, "runs", NULL), MF_OK));
    cr_assert(eq(str, gpu, ""));
    cr_assert(eq(int, mf_runs_gpu(gpu, "[{", 2, "runs", NULL), MF_E_DATA));
}

Test(runs, sql_without_values_is_refused_with_its_line)
{
    static const char *const bad[] = {
        "-- llama-bench\n" SQL_COLUMNS "'a', 'b",
        "-- llama-bench\nINSERT INTO llama_bench",
        "-- llama-bench\n" SQL_COLUMNS,
        SQL_COLUMNS "'a');\nINSERT INTO llama_bench (avg_ts) VALUES ('1');",
    };
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        char *csv = NULL;
        mf_error err = {0};
        mf_runs_count count = {0};
        const mf_status status =
            mf_runs_read(&csv, &count, bad[i], strlen(bad[i]), "runs.sql", &on_m4, database, &err);
        cr_assert(eq(int, status, MF_E_DATA));
        cr_assert(ne(ptr, strstr(err.message, "runs.sql:2: "), NULL), "%s", err.message);
    }
}
