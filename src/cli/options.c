#include "cli/options.h"

#include <string.h>

#include "base/num.h"

typedef enum option_kind {
    OPTION_FLAG,   /* bool */
    OPTION_TEXT,   /* const char * */
    OPTION_COUNT,  /* int64_t */
    OPTION_SWITCH, /* int: on or off */
} option_kind;

typedef struct option_row {
    const char *name;
    const char *value; /* what stands for the value in help */
    size_t offset;
    option_kind kind;
    unsigned commands;
    const char *const *allowed; /* TEXT: NULL-ended list of possible values */
    const char *help;
} option_row;

static const char *const engines[] = {"llama.cpp", "ollama", "mlx", "vllm", NULL};
static const char *const backends[] = {"metal", "cuda", "rocm", "vulkan", "sycl", "cpu", NULL};
static const char *const splits[] = {"layer", "tensor", NULL};
static const char *const kinds[] = {"vendor", "measured", "derived", "assumed", NULL};
static const char *const formats[] = {"text", "markdown", "csv", "json", NULL};

#define AT(member) offsetof(mf_arguments, member)

/* clang-format off */
static const option_row options[] = {
    {"--on", "MACHINE", AT(on), OPTION_TEXT, MF_FOR_RUNS, NULL, "a machine or device of hwdb, 'this', or \"mem=64GiB bw=273GB/s fp16=30TFLOP/s\""},
    {"--quant", "Q", AT(quant), OPTION_TEXT, MF_FOR_RUNS, NULL, "quantization of the weights (Q4_K_M; a GGUF file's own)"},
    {"--ctx", "N", AT(ctx), OPTION_COUNT, MF_FOR_CASES, NULL, "context in tokens, all sequences together (8192)"},
    {"--prompt", "N", AT(prompt), OPTION_COUNT, MF_FOR_CASES, NULL, "tokens of the prompt (2048)"},
    {"--output", "N", AT(output), OPTION_COUNT, MF_FOR_CASES, NULL, "tokens of the answer (512)"},
    {"--parallel", "N", AT(parallel), OPTION_COUNT, MF_FOR_CASES, NULL, "sequences (1)"},
    {"--kv", "K[,V]", AT(kv), OPTION_TEXT, MF_FOR_CASES, NULL, "formats of the KV cache (f16)"},
    {"--kv-unified", "on|off", AT(kv_unified), OPTION_SWITCH, MF_FOR_CASES, NULL, "one cache for all sequences (off)"},
    {"--engine", "E", AT(engine), OPTION_TEXT, MF_FOR_CASES, engines, "llama.cpp, ollama, mlx or vllm (llama.cpp)"},
    {"--backend", "B", AT(backend), OPTION_TEXT, MF_FOR_CASES, backends, "metal, cuda, rocm, vulkan, sycl or cpu (the device's own)"},
    {"--batch", "N", AT(batch), OPTION_COUNT, MF_FOR_CASES, NULL, "tokens of a batch (2048)"},
    {"--ubatch", "N", AT(ubatch), OPTION_COUNT, MF_FOR_CASES, NULL, "tokens of a micro-batch (512)"},
    {"--outputs", "N", AT(outputs), OPTION_COUNT, MF_FOR_CASES, NULL, "output rows that the engine reserves (one per sequence)"},
    {"--flash-attn", "on|off", AT(flash_attn), OPTION_SWITCH, MF_FOR_CASES, NULL, "flash attention (on)"},
    {"--swa-full", NULL, AT(swa_full), OPTION_FLAG, MF_FOR_CASES, NULL, "full cache for sliding-window layers"},
    {"--gpu-layers", "N", AT(gpu_layers), OPTION_COUNT, MF_FOR_CASES, NULL, "layers on the GPU, the output is one (all)"},
    {"--cpu-moe", "N", AT(cpu_moe), OPTION_COUNT, MF_FOR_CASES, NULL, "experts of the first N layers stay in host memory (0)"},
    {"--kv-offload", "on|off", AT(kv_offload), OPTION_SWITCH, MF_FOR_CASES, NULL, "KV cache on the GPU (on)"},
    {"--split", "MODE", AT(split), OPTION_TEXT, MF_FOR_CASES, splits, "what several GPUs share: layer or tensor (layer)"},
    {"--list", NULL, AT(list), OPTION_FLAG, MF_FOR_CALIBRATE, NULL, "what can be measured here, and why the rest can't"},
    {"--device", "D", AT(device), OPTION_TEXT, MF_FOR_CALIBRATE, NULL, "metal, cuda, opencl or cpu; opencl:1 is the second (a GPU, else cpu)"},
    {"--thorough", NULL, AT(thorough), OPTION_FLAG, MF_FOR_CALIBRATE, NULL, "more samples: a minute instead of half of one"},
    {"--json", NULL, AT(json), OPTION_FLAG, MF_FOR_CALIBRATE, NULL, "the whole record, with all samples"},
    {"--save", NULL, AT(save), OPTION_FLAG, MF_FOR_CALIBRATE, NULL, "keep it in the user's data folder, where --on this finds it"},
    {"--show", NULL, AT(show), OPTION_FLAG, MF_FOR_CALIBRATE, NULL, "what was saved; several are compared"},
    {"--from", "FILE", AT(from), OPTION_TEXT, MF_FOR_CALIBRATE, NULL, "runs of llama-bench, mlx_lm or Ollama: two sizes, two depths"},
    {"--model", "ID", AT(model), OPTION_TEXT, MF_FOR_CALIBRATE, NULL, "the model of --from, if its file's name does not tell"},
    {"--from-measurements", "FILE", AT(from_measurements), OPTION_TEXT, MF_FOR_CALIBRATE, NULL, "measured speeds (CSV) to fit the speed law to"},
    {"--id", "ID", AT(id), OPTION_TEXT, MF_FOR_IMPORT, NULL, "the model's id (from the file's name)"},
    {"--name", "NAME", AT(name), OPTION_TEXT, MF_FOR_IMPORT, NULL, "as people know it"},
    {"--organization", "NAME", AT(organization), OPTION_TEXT, MF_FOR_IMPORT, NULL, "who made it"},
    {"--license", "NAME", AT(license), OPTION_TEXT, MF_FOR_IMPORT, NULL, "as its page says"},
    {"--released", "DATE", AT(released), OPTION_TEXT, MF_FOR_IMPORT, NULL, "2026-01-31"},
    {"--source", "TITLE", AT(source), OPTION_TEXT, MF_FOR_IMPORT, NULL, "where the file is from (its name)"},
    {"--kind", "KIND", AT(kind), OPTION_TEXT, MF_FOR_IMPORT, kinds, "of the source: vendor, measured, derived or assumed (vendor)"},
    {"--url", "URL", AT(url), OPTION_TEXT, MF_FOR_IMPORT, NULL, "of the source"},
    {"--seen", "DATE", AT(seen), OPTION_TEXT, MF_FOR_IMPORT, NULL, "when the source was read"},
    {"--format", "F", AT(format), OPTION_TEXT, MF_FOR_CASES, formats, "text, markdown, csv or json (text)"},
    {"-o", "FILE", AT(output_file), OPTION_TEXT, MF_FOR_ALL, NULL, "write there instead of to the terminal; calibrate: a folder"},
    {"--data", "DIR", AT(data), OPTION_TEXT, MF_FOR_ALL, NULL, "folder that holds hwdb and modeldb"},
    {"--ascii", NULL, AT(ascii), OPTION_FLAG, MF_FOR_CASES, NULL, "no characters beyond ASCII"},
    {"--help", NULL, AT(help), OPTION_FLAG, MF_FOR_ALL, NULL, "this text"},
};
/* clang-format on */

static const size_t n_options = sizeof options / sizeof options[0];

static const option_row *find_option(const char *name, size_t size, mf_command_bit command)
{
    for (size_t i = 0; i < n_options; i++) {
        if (strlen(options[i].name) == size && strncmp(options[i].name, name, size) == 0 &&
            (options[i].commands & (unsigned)command) != 0) {
            return &options[i];
        }
    }
    return NULL;
}

static mf_status unknown_option(const char *word, mf_command_bit command, mf_error *err)
{
    enum { NEAR = 3 };
    const char *nearest = NULL;
    size_t least = NEAR + 1;
    for (size_t i = 0; i < n_options; i++) {
        const size_t distance = mf_edit_distance(word, options[i].name, NEAR);
        if ((options[i].commands & (unsigned)command) != 0 && distance < least) {
            least = distance;
            nearest = options[i].name;
        }
    }
    if (nearest != NULL) {
        return mf_fail(err, MF_E_USAGE, "no option '%s', did you mean '%s'?", word, nearest);
    }
    return mf_fail(err, MF_E_USAGE, "no option '%s', see --help", word);
}

static mf_status
set_text(const char **field, const option_row *row, const char *value, mf_error *err)
{
    bool found = row->allowed == NULL;
    for (size_t i = 0; !found && row->allowed[i] != NULL; i++) {
        found = strcmp(row->allowed[i], value) == 0;
    }
    if (!found) {
        return mf_fail(err, MF_E_USAGE, "'%s' is no value for %s: %s", value, row->name, row->help);
    }
    *field = value;
    return MF_OK;
}

static mf_status
set_value(mf_arguments *arguments, const option_row *row, const char *value, mf_error *err)
{
    char *field = (char *)arguments + row->offset;
    uint64_t number = 0;
    switch (row->kind) {
    case OPTION_FLAG:
        *(bool *)(void *)field = true;
        return MF_OK;
    case OPTION_TEXT:
        return set_text((const char **)(void *)field, row, value, err);
    case OPTION_COUNT:
        if (!mf_parse_uint(&number, value) || number > INT32_MAX) {
            return mf_fail(err, MF_E_USAGE, "%s takes a whole number, not '%s'", row->name, value);
        }
        *(int64_t *)(void *)field = (int64_t)number;
        return MF_OK;
    case OPTION_SWITCH:
        if (strcmp(value, "on") != 0 && strcmp(value, "off") != 0) {
            return mf_fail(err, MF_E_USAGE, "%s is on or off, not '%s'", row->name, value);
        }
        *(int *)(void *)field = strcmp(value, "on") == 0 ? 1 : 0;
        return MF_OK;
    }
    return MF_E_INTERNAL;
}

/* One option and its value, which may follow '=' or be the next word. */
static mf_status take_option(mf_arguments *arguments,
                             mf_command_bit command,
                             int *at,
                             int n_words,
                             char **words,
                             mf_error *err)
{
    const char *word = words[*at];
    const char *equals = strncmp(word, "--", 2) == 0 ? strchr(word, '=') : NULL;
    const size_t size = equals != NULL ? (size_t)(equals - word) : strlen(word);
    const option_row *row = find_option(word, size, command);
    if (row == NULL) {
        return unknown_option(word, command, err);
    }
    if (row->kind == OPTION_FLAG && equals != NULL) {
        return mf_fail(err, MF_E_USAGE, "%s takes no value", row->name);
    }
    const char *value = equals != NULL ? equals + 1 : NULL;
    if (row->kind != OPTION_FLAG && value == NULL) {
        if (*at + 1 >= n_words) {
            return mf_fail(err, MF_E_USAGE, "%s needs a value: %s", row->name, row->help);
        }
        *at += 1;
        value = words[*at];
    }
    return set_value(arguments, row, value, err);
}

mf_status mf_parse_arguments(
    mf_arguments *arguments, mf_command_bit command, int n_words, char **words, mf_error *err)
{
    mf_arguments parsed = {.ctx = -1,
                           .prompt = -1,
                           .output = -1,
                           .parallel = -1,
                           .batch = -1,
                           .ubatch = -1,
                           .outputs = -1,
                           .gpu_layers = -1,
                           .cpu_moe = -1,
                           .kv_unified = -1,
                           .flash_attn = -1,
                           .kv_offload = -1};
    mf_status status = MF_OK;
    for (int i = 0; status == MF_OK && i < n_words; i++) {
        if (words[i][0] == '-' && words[i][1] != '\0') {
            status = take_option(&parsed, command, &i, n_words, words, err);
        } else if (parsed.n_positional == MF_MAX_POSITIONAL) {
            status = mf_fail(err, MF_E_USAGE, "too many arguments at '%s'", words[i]);
        } else {
            parsed.positional[parsed.n_positional++] = words[i];
        }
    }
    if (status == MF_OK) {
        *arguments = parsed;
    }
    return status;
}

enum { HELP_WIDTH = 80, NAME_WIDTH = 26 };

/* Help text wrapped behind the option's name. */
static void add_wrapped(mf_str *out, const char *text)
{
    size_t column = NAME_WIDTH;
    for (const char *word = text; *word != '\0';) {
        const size_t n = strcspn(word, " ");
        if (column + 1 + n > HELP_WIDTH && column > NAME_WIDTH) {
            mf_str_add(out, "\n");
            mf_str_add_char(out, ' ', NAME_WIDTH);
            column = NAME_WIDTH;
        }
        if (column > NAME_WIDTH) {
            mf_str_add(out, " ");
            column++;
        }
        mf_str_add_n(out, word, n);
        column += n;
        word += n;
        word += strspn(word, " ");
    }
    mf_str_add(out, "\n");
}

void mf_options_help(mf_str *out, mf_command_bit command)
{
    for (size_t i = 0; i < n_options; i++) {
        if ((options[i].commands & (unsigned)command) == 0) {
            continue;
        }
        const size_t before = out->size;
        mf_str_printf(out,
                      "  %s%s%s",
                      options[i].name,
                      options[i].value != NULL ? " " : "",
                      options[i].value != NULL ? options[i].value : "");
        const size_t used = out->size - before;
        mf_str_add_char(out, ' ', used < NAME_WIDTH ? NAME_WIDTH - used : 1);
        add_wrapped(out, options[i].help);
    }
}

void mf_options_manual(mf_str *out)
{
    for (size_t i = 0; i < n_options; i++) {
        mf_str_printf(out, ".It Fl %s", options[i].name + 1);
        if (options[i].value != NULL) {
            mf_str_printf(out, " Ar %s", options[i].value);
        }
        mf_str_printf(out, "\n%s.\n", options[i].help);
    }
}
