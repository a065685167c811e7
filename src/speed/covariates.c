#include "speed/covariates.h"

#include <ctype.h>
#include <string.h>

#include "base/num.h"

#define LLAMACPP_UBATCH 512.0
#define MLX_UBATCH 2048.0
#define COUNT(array) (sizeof(array) / sizeof(array)[0])

/* A word of the notes and the runtime it names; the first that is found counts. */
typedef struct runtime_word {
    const char *word;
    mf_runtime runtime;
    bool ageless; /* whatever the date */
} runtime_word;

/* A fork of Strix Halo's rocWMMA kernels of October 2025 decodes at the speed of upstream's builds of May 2026, from an
   empty context to 32 768 tokens (49.0 and 36.4 tok/s against 51.8 and 36.3); upstream's own of that month does not. */
static const runtime_word runtime_words[] = {
    {"tuned rocwmma", MF_RUNTIME_ROCM,          true },
    {"rocwmma",       MF_RUNTIME_ROCM_WMMA,     false},
    {"amdvlk",        MF_RUNTIME_VULKAN_AMDVLK, false},
    {"vulkan",        MF_RUNTIME_VULKAN,        false},
    {"rocm",          MF_RUNTIME_ROCM,          false},
    {"llama.cpp-hip", MF_RUNTIME_ROCM,          false},
    {"sycl",          MF_RUNTIME_SYCL,          false}
};

typedef struct vendor_default {
    const char *prefix;
    mf_runtime runtime;
    mf_runtime runtime_2024;
} vendor_default;

static const vendor_default vendor_defaults[] = {
    {"apple-",  MF_RUNTIME_METAL,  MF_RUNTIME_METAL_2024},
    {"nvidia-", MF_RUNTIME_CUDA,   MF_RUNTIME_CUDA_2024 },
    {"amd-",    MF_RUNTIME_ROCM,   MF_RUNTIME_ROCM      },
    {"intel-",  MF_RUNTIME_VULKAN, MF_RUNTIME_VULKAN    }
};

/* Kernels that were still being written in 2025, for hardware that was new and on NVIDIA for experts: builds before a month are
   another runtime. gpt-oss-20b on a GB10 made 2 131, 3 611, 3 783 and 4 506 tok/s in the middle of October, its 15th, on 2 November
   and in February (at a depth of 16 384 November's is the slower of the two, 0.72 of February's; Qwen3 30B in Q8_0 did not
   change): prompts in MXFP4 are early until the year's end. ROCm's, which are CUDA's translated, launch more slowly on any card, but
   multiply a prompt as today's where the hardware was known. */
typedef struct early_build {
    const char *prefix;
    const char *before;
    mf_runtime runtime;
    mf_runtime early;
    unsigned tests;     /* bits of mf_speed_test */
    const char *scheme; /* NULL: any */
} early_build;

#define DECODE (1U << MF_TEST_DECODE)
#define PREFILL (1U << MF_TEST_PREFILL)

static const early_build early_builds[] = {
    {"amd-strix-halo", "2025-11", MF_RUNTIME_ROCM,   MF_RUNTIME_ROCM_2025,   DECODE | PREFILL, NULL   },
    {"amd-strix-halo",
     "2025-11",                   MF_RUNTIME_VULKAN,
     MF_RUNTIME_VULKAN_2025,                                                 DECODE | PREFILL,
     NULL                                                                                             },
    {"amd-r9700",      "2025-11", MF_RUNTIME_ROCM,   MF_RUNTIME_ROCM_2025,   DECODE | PREFILL, NULL   },
    {"amd-r9700",      "2025-11", MF_RUNTIME_VULKAN, MF_RUNTIME_VULKAN_2025, DECODE | PREFILL, NULL   },
    {"amd-rx-9",       "2025-11", MF_RUNTIME_ROCM,   MF_RUNTIME_ROCM_2025,   DECODE | PREFILL, NULL   },
    {"amd-rx-9",       "2025-11", MF_RUNTIME_VULKAN, MF_RUNTIME_VULKAN_2025, DECODE | PREFILL, NULL   },
    {"amd-",           "2025-11", MF_RUNTIME_ROCM,   MF_RUNTIME_ROCM_2025,   DECODE,           NULL   },
    {"nvidia-",        "2025-11", MF_RUNTIME_CUDA,   MF_RUNTIME_CUDA_2025,   DECODE | PREFILL, NULL   },
    {"nvidia-",        "2026-01", MF_RUNTIME_CUDA,   MF_RUNTIME_CUDA_2025,   PREFILL,          "MXFP4"}
};

/* Files that carry a scheme's name and hold another. Unsloth's 4 bit XL files of mixture models have had what every
   token reads at 8 bits since September 2025; before, sizes were those of the plain mix (Llama 4 Scout 62.0 GB against
   65.3 of Q4_K_M and 69.6 of today's recipe, Qwen3 30B 17.7 against 18.6 and 19.0). */
typedef struct early_scheme {
    const char *scheme;
    const char *before;
    const char *was;
} early_scheme;

static const early_scheme early_schemes[] = {
    {"UD-Q4_K_XL", "2025-09", "Q4_K_M"},
};

/* gpt-oss files called F16 have MXFP4 experts as all have, and everything else in 16 bits (65.4 GB against 63.4). */
static const char *const mxfp4_schemes[] = {"MXFP4", "MXFP4_MOE"};
static const char wide_file_mark[] = "-f16/";

/* A score board that spans years gives the first one; chips newer than 2024 were measured with newer builds. */
static const char *const chips_after_2024[] = {"apple-m4", "apple-m5", "apple-m3-ultra"};

static bool starts_with(const char *text, const char *start)
{
    return strncmp(text, start, strlen(start)) == 0;
}

/* Position of a word in lower case, case ignored; NULL if it is not there. */
static const char *find_word(const char *text, const char *word)
{
    const size_t n = strlen(word);
    for (; *text != '\0'; text++) {
        size_t i = 0;
        while (i < n && tolower((unsigned char)text[i]) == word[i]) {
            i++;
        }
        if (i == n) {
            return text;
        }
    }
    return NULL;
}

/* The number behind the word that ends a note like "n_ubatch 2048" or "FA on, ub 512"; 0 if there is none. */
static double number_after(const char *text, const char *word)
{
    const char *found = find_word(text, word);
    double value = 0;
    const char *end = NULL;
    return found && mf_parse_number(&value, found + strlen(word), &end) ? value : 0;
}

static double ubatch_of(const mf_measurement *m)
{
    static const char *const words[] = {"ubatch ", "; ub ", ", ub ", " ub "};
    for (size_t i = 0; i < COUNT(words); i++) {
        const double value = number_after(m->notes, words[i]);
        if (value >= 1) {
            return value;
        }
    }
    return m->engine == MF_ENGINE_MLX ? MLX_UBATCH : LLAMACPP_UBATCH;
}

/* Builds before 2025: no CUDA graphs, flash attention off unless said. */
static bool is_old(const mf_measurement *m)
{
    for (size_t i = 0; i < COUNT(chips_after_2024); i++) {
        if (starts_with(m->device, chips_after_2024[i])) {
            return false;
        }
    }
    return starts_with(m->date, "2023") || starts_with(m->date, "2024");
}

/* Dates sort as text; of a range ("2025-08..2026-04", "2025-08..10": of one year) the end counts. A blank says nothing, nor does a
   year of its months. */
static bool is_before(const mf_measurement *m, const char *date)
{
    enum { YEAR_AND_DASH = 5, MONTH = 2 };
    const char *range = strstr(m->date, "..");
    const char *end = range ? range + 2 : m->date;
    if (range && strlen(end) == MONTH) {
        const int years = strncmp(m->date, date, YEAR_AND_DASH);
        return years < 0 || (years == 0 && strcmp(end, date + YEAR_AND_DASH) < 0);
    }
    const bool around = strlen(end) < strlen(date) && starts_with(date, end);
    return !around && strcmp(end, date) < 0;
}

static const runtime_word *word_of(const mf_measurement *m)
{
    for (size_t i = 0; i < COUNT(runtime_words); i++) {
        if (find_word(m->notes, runtime_words[i].word)) {
            return &runtime_words[i];
        }
    }
    return NULL;
}

static mf_runtime default_runtime(const mf_measurement *m)
{
    for (size_t i = 0; i < COUNT(vendor_defaults); i++) {
        if (starts_with(m->device, vendor_defaults[i].prefix)) {
            return is_old(m) ? vendor_defaults[i].runtime_2024 : vendor_defaults[i].runtime;
        }
    }
    return MF_RUNTIME_CPU;
}

static mf_runtime runtime_of(const mf_measurement *m)
{
    if (m->engine != MF_ENGINE_LLAMACPP) {
        return m->engine == MF_ENGINE_MLX ? MF_RUNTIME_MLX : MF_RUNTIME_VLLM;
    }
    const runtime_word *word = word_of(m);
    if (word && word->ageless) {
        return word->runtime;
    }
    const mf_runtime runtime = word ? word->runtime : default_runtime(m);
    for (size_t i = 0; i < COUNT(early_builds); i++) {
        const early_build *e = &early_builds[i];
        const bool told =
            (e->tests & (1U << m->test)) != 0 && (!e->scheme || strcmp(e->scheme, m->quant) == 0);
        if (told && e->runtime == runtime && starts_with(m->device, e->prefix) &&
            is_before(m, e->before)) {
            return e->early;
        }
    }
    return runtime;
}

/* llama.cpp turns flash attention on by itself since autumn 2025; rows of 2026 that don't say had it. */
static bool flash_of(const mf_measurement *m)
{
    if (m->engine != MF_ENGINE_LLAMACPP || find_word(m->notes, "fa on")) {
        return true;
    }
    return !find_word(m->notes, "fa off") && starts_with(m->date, "2026");
}

static const char *scheme_of(const mf_measurement *m)
{
    for (size_t i = 0; i < COUNT(early_schemes); i++) {
        if (strcmp(m->quant, early_schemes[i].scheme) == 0 &&
            is_before(m, early_schemes[i].before)) {
            return early_schemes[i].was;
        }
    }
    return m->quant;
}

static bool is_wide_file(const mf_measurement *m)
{
    for (size_t i = 0; i < COUNT(mxfp4_schemes); i++) {
        if (strcmp(m->quant, mxfp4_schemes[i]) == 0) {
            return find_word(m->source, wide_file_mark) != NULL;
        }
    }
    return false;
}

/* On CUDA cards with matrix units llama.cpp unpacked a quantized matrix to F16 for every micro-batch and called cuBLAS,
   until its own integer kernels became the default (#8075, 24 June 2024). */
static bool unpacks(const mf_measurement *m)
{
    return m->runtime == MF_RUNTIME_CUDA_2024 && is_before(m, "2024-06-24");
}

/* CUDA and ROCm, whose code is CUDA's translated, sorted a prompt's rows by expert on the host up to August 2025
   (mf_work_sorted; what tells it: docs/speed.md, builds). NVIDIA's rows of a range that begins then are such: three cards take the
   same time for gpt-oss-20b. */
static bool sorts(const mf_measurement *m)
{
    static const char device_sorts[] = "2025-09";
    if (m->runtime == MF_RUNTIME_CUDA_2025) {
        return strcmp(m->date, device_sorts) < 0;
    }
    return mf_runtime_mature(m->runtime) == MF_RUNTIME_ROCM && is_before(m, device_sorts);
}

/* Architectures whose first kernels in llama.cpp were written to be right, not fast: builds of these months say nothing of
   later ones. Qwen3-Next (merged in November 2025) was a chain of small operations a layer then: two R9700 with ROCm and with
   Vulkan take 0.40 and 0.58 ms a linear layer longer than current kernels on other chips let expect, at every depth. */
static bool has_first_kernels(const mf_measurement *m)
{
    return m->engine == MF_ENGINE_LLAMACPP && starts_with(m->model, "qwen3-next-") &&
           is_before(m, "2026-01");
}

static const char *skip_of(const mf_measurement *m)
{
    if (!(m->tok_s > 0)) {
        return "no speed stated";
    }
    if (m->test == MF_TEST_PREFILL && m->n_tokens < 1) {
        return "prompt length not stated";
    }
    if (find_word(m->notes, "do not fit")) {
        return "source says: launch-bound prompt";
    }
    if (has_first_kernels(m)) {
        return "first kernels of the architecture";
    }
    return NULL;
}

void mf_covariates_read(mf_measurement *m)
{
    m->runtime = runtime_of(m);
    m->flash_attention = flash_of(m);
    m->ubatch_tokens = ubatch_of(m);
    m->scheme = scheme_of(m);
    m->wide_dense = is_wide_file(m);
    m->unpacks = unpacks(m);
    m->sorts = sorts(m);
    m->skip = skip_of(m);
}
