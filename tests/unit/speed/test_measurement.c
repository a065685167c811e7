#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <stdio.h>
#include <string.h>

#include "memfit/measurement.h"

#define HEADER "device,engine,model,quant,test,tok_s,n_tokens,depth,trust,date,notes\n"

static mf_measurements parse(const char *text)
{
    mf_measurements all = {0};
    mf_error err = {0};
    cr_assert(eq(int, mf_measurements_parse(&all, text, strlen(text), "x.csv", &err), MF_OK),
              "%s",
              err.message);
    return all;
}

static mf_measurement only(mf_measurements *all, const char *text)
{
    *all = parse(text);
    cr_assert(eq(sz, all->n_items, 1));
    return all->items[0];
}

Test(measurement, a_row_is_read_with_its_place)
{
    mf_measurements all;
    const mf_measurement m = only(
        &all, HEADER "apple-m4-10c,mlx,qwen3-4b,mlx-4bit,pp,512.5,256,1024,medium,2026-01,x\n");
    cr_assert(eq(str, m.device, "apple-m4-10c"));
    cr_assert(eq(int, m.test, MF_TEST_PREFILL));
    cr_assert(epsilon_eq(dbl, m.tok_s, 512.5, 1e-12));
    cr_assert(epsilon_eq(dbl, m.depth_tokens, 1024, 1e-12));
    cr_assert(eq(int, m.runtime, MF_RUNTIME_MLX));
    cr_assert(eq(int, m.trust, MF_TRUST_MEDIUM));
    cr_assert(epsilon_eq(dbl, m.ubatch_tokens, 2048, 1e-12));
    cr_assert(eq(sz, m.line, 2));
    mf_measurements_free(&all);
}

Test(measurement, quoted_fields_hold_commas_quotes_and_line_ends)
{
    mf_measurements all =
        parse(HEADER "a,mlx,m,q,tg,1,1,0,high,2026,\"one, \"\"two\"\"\nthree\"\r\n"
                     "b,mlx,m,q,tg,1,1,0,high,2026,last");
    cr_assert(eq(sz, all.n_items, 2));
    cr_assert(eq(str, all.items[0].notes, "one, \"two\"\nthree"));
    cr_assert(eq(str, all.items[1].notes, "last"));
    cr_assert(eq(sz, all.items[1].line, 4));
    mf_measurements_free(&all);
}

typedef struct notes_case {
    const char *device;
    const char *date;
    const char *notes;
    mf_runtime runtime;
    bool flash;
    double ubatch;
} notes_case;

static const notes_case notes_cases[] = {
    {"nvidia-rtx-4090",      "2024-05",          "",                                 MF_RUNTIME_CUDA_2024,     false, 512 },
    {"nvidia-rtx-4090",      "2025-08",          "FA on; CUDA",                      MF_RUNTIME_CUDA_2025,     true,  512 },
    {"nvidia-rtx-4090",      "2025-08..10",      "FA on; ub 2048",                   MF_RUNTIME_CUDA_2025,     true,  2048},
    {"nvidia-rtx-4090",      "2025-08..11",      "FA on",                            MF_RUNTIME_CUDA,          true,  512 },
    {"nvidia-rtx-4090",      "2025-08..2026-04", "FA on; CUDA",                      MF_RUNTIME_CUDA,          true,  512 },
    {"nvidia-rtx-4090",      "2025-08",          "FA off; Vulkan",                   MF_RUNTIME_VULKAN,        false, 512 },
    {"nvidia-gb10",          "2025-11-02",       "llama-bench FA on ub 2048",        MF_RUNTIME_CUDA,          true,  2048},
    {"apple-m2-ultra-76c",   "2026-02",          "n_ubatch 2048; FA on",             MF_RUNTIME_METAL,         true,  2048},
    {"apple-m2-10c",         "2023-11..2025",    "FA off; default f16 KV",           MF_RUNTIME_METAL_2024,    false, 512 },
    {"apple-m4-10c",         "2023-11..2025",    "FA off; default f16 KV",           MF_RUNTIME_METAL,         false, 512 },
    {"amd-r9700",            "2025-12",          "FA on; rocm7.1.1",                 MF_RUNTIME_ROCM,          true,  512 },
    {"amd-r9700",            "2025",             "Ollama eval rate",                 MF_RUNTIME_ROCM,          false, 512 },
    {"amd-strix-halo-8060s", "2025-07",          "llama.cpp-hip; FA off",            MF_RUNTIME_ROCM_2025,     false, 512 },
    {"amd-r9700",            "2025-10",          "Vulkan AMDVLK; FA on",             MF_RUNTIME_VULKAN_AMDVLK, true,  512 },
    {"amd-strix-halo-8060s", "2025-05",          "HIP rocWMMA FA on",                MF_RUNTIME_ROCM_WMMA,     true,  512 },
    {"amd-strix-halo-8060s",
     "2026",                                     "llama-rocm-7.2; ub 2048; default",
     MF_RUNTIME_ROCM,                                                                                          true,
     2048                                                                                                                 },
    {"amd-strix-halo-8060s", "2025-10",          "tuned rocWMMA fork; FA on",        MF_RUNTIME_ROCM,          true,  512 },
    {"amd-rx-7900-xt",       "2025-08..2026-04", "FA off; ROCm",                     MF_RUNTIME_ROCM,          false, 512 },
    {"amd-rx-7900-xt",       "2025-08..10",      "FA on; ROCm",                      MF_RUNTIME_ROCM_2025,     true,  512 },
    {"amd-rx-7900-xt",       "2025-08",          "FA on; Vulkan",                    MF_RUNTIME_VULKAN,        true,  512 },
    {"nvidia-gb10",          "2025-10",          "FA on",                            MF_RUNTIME_CUDA_2025,     true,  512 },
    {"intel-arc-a770-16gb",  "2025-08",          "FA off; Vulkan",                   MF_RUNTIME_VULKAN,        false, 512 },
};

Test(measurement, notes_tell_runtime_flash_attention_and_micro_batch)
{
    for (size_t i = 0; i < sizeof notes_cases / sizeof notes_cases[0]; i++) {
        const notes_case *c = &notes_cases[i];
        char text[512];
        snprintf(text,
                 sizeof text,
                 HEADER "%s,llama.cpp,m,q,tg,9,128,0,high,%s,%s\n",
                 c->device,
                 c->date,
                 c->notes);
        mf_measurements all;
        const mf_measurement m = only(&all, text);
        cr_expect(eq(int, m.runtime, c->runtime), "case %zu: %s", i, mf_runtime_name(m.runtime));
        cr_expect(eq(int, m.flash_attention, c->flash), "case %zu", i);
        cr_expect(epsilon_eq(dbl, m.ubatch_tokens, c->ubatch, 1e-9), "case %zu", i);
        mf_measurements_free(&all);
    }
}

Test(measurement, early_rocm_builds_multiply_a_prompt_as_today_s_where_the_card_was_known)
{
    static const struct {
        const char *device;
        mf_runtime runtime;
    } cases[] = {
        {"amd-rx-7900-xt",       MF_RUNTIME_ROCM     },
        {"amd-strix-halo-8060s", MF_RUNTIME_ROCM_2025},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        char text[512];
        snprintf(text,
                 sizeof text,
                 HEADER "%s,llama.cpp,m,q,pp,9,512,0,high,2025-08,ROCm\n",
                 cases[i].device);
        mf_measurements all;
        const mf_measurement m = only(&all, text);
        cr_expect(eq(int, m.runtime, cases[i].runtime), "case %zu", i);
        mf_measurements_free(&all);
    }
}

Test(measurement, prompts_in_mxfp4_were_early_on_nvidia_until_the_year_s_end)
{
    mf_measurements all =
        parse(HEADER "nvidia-gb10,llama.cpp,m,MXFP4,pp,9,512,0,high,2025-11-02,FA on\n"
                     "nvidia-gb10,llama.cpp,m,MXFP4,tg,9,512,0,high,2025-11-02,FA on\n"
                     "nvidia-gb10,llama.cpp,m,Q8_0,pp,9,512,0,high,2025-11-02,FA on\n"
                     "nvidia-gb10,llama.cpp,m,MXFP4,pp,9,512,0,high,2026-02,FA on\n");
    cr_assert(eq(sz, all.n_items, 4));
    for (size_t i = 0; i < all.n_items; i++) {
        const mf_runtime expected = i == 0 ? MF_RUNTIME_CUDA_2025 : MF_RUNTIME_CUDA;
        cr_expect(eq(int, all.items[i].runtime, expected), "row %zu", i);
    }
    mf_measurements_free(&all);
}

Test(measurement, builds_before_september_2025_sort_rows_by_expert_on_the_host)
{
    static const struct {
        const char *device;
        const char *date;
        const char *notes;
        bool sorts;
    } cases[] = {
        {"nvidia-rtx-4090",      "2025-08..10",      "FA on",         true },
        {"nvidia-rtx-4090",      "2025-08..2026-04", "FA on",         false},
        {"nvidia-rtx-4090",      "2025-09",          "FA on",         false},
        {"nvidia-rtx-4090",      "2024-05",          "",              false},
        {"amd-strix-halo-8060s", "2025-08-06",       "ROCm; FA on",   true },
        {"amd-strix-halo-8060s", "2025-10",          "ROCm; FA on",   false},
        {"amd-strix-halo-8060s", "2025-08-06",       "Vulkan; FA on", false},
        {"amd-rx-7900-xt",       "2025-08..10",      "FA on",         false},
        {"apple-m2-ultra-76c",   "2025-08",          "FA on",         false},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        char text[512];
        mf_measurements all;
        (void)snprintf(text,
                       sizeof text,
                       HEADER "%s,llama.cpp,m,MXFP4,pp,9,512,0,high,%s,%s\n",
                       cases[i].device,
                       cases[i].date,
                       cases[i].notes);
        const mf_measurement m = only(&all, text);
        cr_expect(eq(int, m.sorts, cases[i].sorts), "case %zu", i);
        mf_measurements_free(&all);
    }
}

Test(measurement, a_cuda_build_of_before_integer_kernels_unpacks_a_prompt_s_weights)
{
    static const struct {
        const char *device;
        const char *date;
        bool unpacks;
    } cases[] = {
        {"nvidia-rtx-3090",    "2024-05", true },
        {"nvidia-rtx-3090",    "2024-07", false},
        {"nvidia-rtx-3090",    "2026-02", false},
        {"apple-m2-ultra-76c", "2024-05", false},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        char text[512];
        snprintf(text,
                 sizeof text,
                 HEADER "%s,llama.cpp,m,q,pp,9,512,0,high,%s,\n",
                 cases[i].device,
                 cases[i].date);
        mf_measurements all;
        const mf_measurement m = only(&all, text);
        cr_expect(eq(int, m.unpacks, cases[i].unpacks), "case %zu", i);
        mf_measurements_free(&all);
    }
}

typedef struct scheme_case {
    const char *quant;
    const char *date;
    const char *source;
    const char *scheme;
    bool wide;
} scheme_case;

static const scheme_case scheme_cases[] = {
    {"UD-Q4_K_XL", "2025-08-08", "x/GLM-4.5-Air-UD-Q4_K_XL/results", "Q4_K_M",     false},
    {"UD-Q4_K_XL", "2025-12",    "x",                                "UD-Q4_K_XL", false},
    {"UD-Q4_K_XL", "",           "x",                                "UD-Q4_K_XL", false},
    {"UD-Q6_K_XL", "2025-08-08", "x",                                "UD-Q6_K_XL", false},
    {"MXFP4",      "2025-08-06", "x/gpt-oss-20b-F16/results.jsonl",  "MXFP4",      true },
    {"MXFP4",      "2025-08-06", "x/gpt-oss-20b-mxfp4/results",      "MXFP4",      false},
    {"Q8_0",       "2025-08-06", "x/gpt-oss-20b-F16/results.jsonl",  "Q8_0",       false},
};

Test(measurement, date_and_source_tell_what_a_file_holds)
{
    for (size_t i = 0; i < sizeof scheme_cases / sizeof scheme_cases[0]; i++) {
        const scheme_case *c = &scheme_cases[i];
        char text[512];
        snprintf(text,
                 sizeof text,
                 "device,engine,model,quant,test,tok_s,date,source_url\n"
                 "amd-r9700,llama.cpp,m,%s,tg,9,%s,%s\n",
                 c->quant,
                 c->date,
                 c->source);
        mf_measurements all;
        const mf_measurement m = only(&all, text);
        cr_expect(eq(str, (char *)m.scheme, (char *)c->scheme), "case %zu", i);
        cr_expect(eq(int, m.wide_dense, c->wide), "case %zu", i);
        mf_measurements_free(&all);
    }
}

Test(measurement, rows_that_are_no_single_case_say_why)
{
    mf_measurements all = parse(HEADER "a,mlx,m,q,pp,9,,0,high,2026,\n"
                                       "a,mlx,m,q,tg,0,5,0,high,2026,\n"
                                       "a,mlx,m,q,pp,9,8,0,high,2026,\"tiny prompt: do not fit\"\n"
                                       "a,mlx,m,q,tg,9,,,high,2026,\n");
    cr_assert(ne(ptr, (void *)all.items[0].skip, NULL));
    cr_assert(ne(ptr, (void *)all.items[1].skip, NULL));
    cr_assert(ne(ptr, (void *)all.items[2].skip, NULL));
    cr_assert(eq(ptr, (void *)all.items[3].skip, NULL));
    mf_measurements_free(&all);
}

Test(measurement, first_kernels_of_an_architecture_say_nothing_of_later_ones)
{
    mf_measurements all = parse(HEADER "a,llama.cpp,qwen3-next-80b-a3b,q,tg,9,8,0,high,2025-12,\n"
                                       "a,llama.cpp,qwen3-next-80b-a3b,q,tg,9,8,0,high,2026-04,\n"
                                       "a,llama.cpp,qwen3-30b-a3b,q,tg,9,8,0,high,2025-12,\n"
                                       "a,mlx,qwen3-next-80b-a3b,q,tg,9,8,0,high,2025-12,\n");
    cr_assert(eq(str, (char *)all.items[0].skip, "first kernels of the architecture"));
    for (size_t i = 1; i < 4; i++) {
        cr_expect(eq(ptr, (void *)all.items[i].skip, NULL), "row %zu", i);
    }
    mf_measurements_free(&all);
}

Test(measurement, bad_rows_are_refused_with_their_line)
{
    static const char *const texts[] = {
        "",
        "device,engine,model,quant,test\n",
        HEADER "a,zx81,m,q,tg,9,1,0,high,2026,\n",
        HEADER "a,mlx,m,q,xx,9,1,0,high,2026,\n",
        HEADER "a,mlx,m,q,tg,fast,1,0,high,2026,\n",
        HEADER "a,mlx,m,q,tg,-3,1,0,high,2026,\n",
        HEADER "a,mlx,m,q,tg,9,1,0,certain,2026,\n",
        HEADER "a,mlx,m,q,tg,9\n",
        HEADER "a,mlx,m,q,tg,9,1,0,high,2026,,,,\n",
    };
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        mf_measurements all = {0};
        mf_error err = {0};
        const size_t size = strlen(texts[i]);
        cr_assert(eq(int, mf_measurements_parse(&all, texts[i], size, "x.csv", &err), MF_E_DATA),
                  "text %zu",
                  i);
        cr_assert(ne(ptr, strstr(err.message, "x.csv:"), NULL), "%s", err.message);
    }
}

Test(measurement, a_zero_byte_is_refused)
{
    mf_measurements all = {0};
    static const char text[] = "device\0,engine\n";
    cr_assert(
        eq(int, mf_measurements_parse(&all, text, sizeof text - 1, "x.csv", NULL), MF_E_DATA));
}

Test(measurement, a_missing_file_is_an_io_error)
{
    mf_measurements all = {0};
    cr_assert(eq(int, mf_measurements_load(&all, "/nonexistent.csv", NULL), MF_E_IO));
}

Test(measurement, the_committed_rows_can_be_read)
{
    mf_measurements all = {0};
    mf_error err = {0};
    cr_assert(
        eq(int, mf_measurements_load(&all, MF_SOURCE_DIR "/tests/truth/speed.csv", &err), MF_OK),
        "%s",
        err.message);
    cr_assert(eq(sz, all.n_items, 2792));
    mf_measurements_free(&all);
}
