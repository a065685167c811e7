#include "report/column_notes.h"

#include <ctype.h>
#include <string.h>

#include "base/num.h"

/* The first that matches; what a table calls its own stands before what all share. */
static const mf_column_note notes[] = {
    {"Measured and predicted",      "error",               "error",      "predicted / measured - 1",                              "%"         },
    {"Effective tokens per second",
     NULL,                                                 "effective",
     "output tokens / (time to the first token + output / decode tok/s): docs/speed.md",                                          "tok/s"     },
    {"Of ",
     "models",                                             "models",
     "models that grant the wishes on this machine: mf_plan_search",                                                              "models"    },
    {"Of ",                         "new",                 "new",        "models that no smaller machine of the table runs",      "models"    },
    {"Operators on ",
     "FLOP per byte",                                      "intensity",
     "operations of all layers / bytes that they read",                                                                           "FLOP/byte" },
    {"Operators on ",
     "TFLOP/s",                                            "attained",
     "operations / time of the speed law: docs/speed.md",                                                                         "TFLOP/s"   },
    {"Operators on ",               "ms",                  "operator",   "time of the speed law: docs/speed.md",                  "ms"        },
    {"The same with all but",
     NULL,                                                 "warm",
     "time of a prompt of 64 tokens, and of their attention at that depth: docs/speed.md",                                        "s"         },
    {"90 % ranges in seconds",
     NULL,                                                 "range",
     "prompt tokens / ends of the prefill interval: docs/speed.md",                                                               "s"         },
    {"90 % ranges",
     NULL,                                                 "range",
     "interval of residuals left out of the fit: docs/speed.md",                                                                  "tok/s"     },
    {"Memory of the first device",
     "may be used",                                        "usable",
     "memory that the model may use: docs/memory.md",                                                                             "bytes"     },
    {"Memory of the first device",
     NULL,                                                 "need",
     "a memory term of the device, or their sum: docs/memory.md",                                                                 "bytes"     },
    {"Memory of ",
     NULL,                                                 "need",
     "a memory term of the place, or their sum: docs/memory.md",                                                                  "bytes"     },
    {"Speed with tokens",           NULL,                  "speed",      "speed law at this depth: docs/speed.md",                "tok/s"     },
    {"Speed",                       " ",                   "speed",      "speed law: docs/speed.md",                              "tok/s"     },
    {"One, two",
     "most on one",                                        "need",
     "memory terms of the fullest device: docs/memory.md",                                                                        "bytes"     },
    {"One, two",
     "per device",                                         "efficiency",
     "decode tok/s a device / that of the first machine of such devices",                                                         "%"         },
    {"With the draft model",
     NULL,                                                 "draft",
     "speed law of the draft and of checking its tokens: docs/speed.md",                                                          "tok/s"     },
    {"What settings give",          "change",              "change",     "against the first setting of the table",                "%"         },
    {"What matters",
     "at its P10",                                         "swing",
     "cost difference with this input at its P10, all others at their centre",                                                    "money"     },
    {"What matters",
     "at its P90",                                         "swing",
     "cost difference with this input at its P90, all others at their centre",                                                    "money"     },
    {"What matters",
     "correlation",                                        "rank",
     "rank correlation (Spearman) of the input and the difference over the draws",                                                "1"         },
    {"The bought machine",          "electricity",         "energy",     "watts under load / tok/s",                              "kWh"       },
    {"The bought machine",
     "  a year",                                           "energy",
     "busy hours x watts under load + idle hours x idle watts",                                                                   "kWh"       },
    {"The bought machine",          "carbon dioxide",      "carbon",     "kWh x grams of the grid",                               "kg"        },
    {"The bought machine",          "per tok/s",           "per-rate",   "price / tok/s",                                         "money"     },
    {"The bought machine",
     "price per GiB",                                      "per-gib",
     "price / memory that the model may use",                                                                                     "money"     },
    {"The bought machine",
     "sustained",                                          "decode",
     "speed law, decode: docs/speed.md; without a fan it settles at 0.45 to 1 of that",                                           "tok/s"     },
    {NULL,
     "90 % range of prefill",                              "range",
     "interval of residuals left out of the fit: docs/speed.md",                                                                  "tok/s"     },
    {NULL,
     "90 % range of the first token",                      "range",
     "prompt tokens / ends of the prefill interval: docs/speed.md",                                                               "s"         },
    {NULL,
     "90 % range",                                         "range",
     "interval of residuals left out of the fit: docs/speed.md",                                                                  "tok/s"     },
    {NULL,                          "first token",         "ttft",       "prompt tokens / prefill tok/s",                         "s"         },
    {NULL,                          "tok/s",               "decode",     "speed law, decode: docs/speed.md",                      "tok/s"     },
    {NULL,
     "loss",                                               "loss",
     "mean Kullback-Leibler divergence (rise of the perplexity) of the scheme, measured on Llama 3 "
     "8B: llama.cpp tools/perplexity",                                                                                            "nats"      },
    {NULL,
     "max context",                                        "context",
     "the longest context whose memory terms fit: docs/memory.md",                                                                "tokens"    },
    {NULL,                          "context",             "context",    "a context of the search",                               "tokens"    },
    {NULL,                          "needs",               "need",       "sum of the memory terms: docs/memory.md",               "bytes"     },
    {NULL,                          "parameters",          "parameters", "elements of all tensors",                               "parameters"},
    {NULL,                          "on the host",         "need",       "memory terms of the host: docs/memory.md",              "bytes"     },
    {NULL,
     "host reads",                                         "host-reads",
     "bytes of the experts there x experts used / experts x decode tok/s",                                                        "bytes/s"   },
    {NULL,                          "on the GPU",          "need",       "memory terms of the device: docs/memory.md",            "bytes"     },
    {NULL,                          "memory",              "memory",     "capacity of the machine",                               "bytes"     },
    {NULL,                          "price",               "price",      "newest price of the item",                              "money"     },
    {NULL,                          "of",                  "date",       "date of the price",                                     "date"      },
    {NULL,                          "searched",            "cases",      "cases of the search",                                   "cases"     },
    {NULL,                          "models",              "models",     "models of the search",                                  "models"    },
    {NULL,                          "workload",            "asked",      "as asked",                                              "tokens"    },
    {NULL,                          "wished",              "asked",      "as asked",                                              "wishes"    },
    {NULL,                          "speed",               "asked",      "as asked",                                              "tokens"    },
    {NULL,                          "ceiling",             "ceiling",    "specified peaks, whatever the software: docs/speed.md", "tok/s"     },
    {NULL,                          "time to first token", "ttft",       "prompt tokens / prefill tok/s",                         "s"         },
    {NULL,
     "largest context that fits",                          "context",
     "the longest context whose memory terms fit: docs/memory.md",                                                                "tokens"    },
    {NULL,
     "most sequences that fit",                            "sequences",
     "the most sequences whose memory terms fit: docs/memory.md",                                                                 "sequences" },
    {NULL,
     "largest quantization that fits",                     "need",
     "bytes of the weights of the largest scheme whose memory terms fit: docs/memory.md",                                         "bytes"     },
    {NULL,                          "budget",              "asked",      "as asked",                                              "money"     },
    {NULL,                          "work",                "work",       "as asked",                                              "requests"  },
    {NULL,                          "a year",              "work",       "requests a day x days x tokens",                        "tokens"    },
    {NULL,                          "per token",           "price",      "as asked",                                              "money"     },
};

static bool begins(const char *text, const char *with)
{
    return with == NULL || (text != NULL && strncmp(text, with, strlen(with)) == 0);
}

const mf_column_note *mf_column_note_of(const mf_block *block, size_t cell)
{
    const size_t column = cell % block->n_columns;
    const char *heading =
        block->kind == MF_BLOCK_TABLE ? block->cells[column] : block->cells[cell - column];
    for (size_t i = 0; i < sizeof notes / sizeof notes[0]; i++) {
        if (begins(block->heading, notes[i].table) &&
            (notes[i].column == NULL || strcmp(notes[i].column, heading) == 0)) {
            return &notes[i];
        }
    }
    return NULL;
}

bool mf_is_number(double *value, const char **behind, const char *text)
{
    return mf_parse_number(value, text + strspn(text, "~<+"), behind);
}

/* A digit that begins a word, signs before it left aside: those of names ("M5", "Q4_K_M") do not. */
static const char *next_number(const char *text, const char *from)
{
    for (const char *c = from; *c != '\0'; c++) {
        const char before = c > text ? c[-1] : ' ';
        if (isdigit((unsigned char)*c) != 0 && strchr(" (~<+-", before) != NULL) {
            return c;
        }
    }
    return NULL;
}

bool mf_first_number(double *value, const char **behind, const char *text)
{
    const char *number = next_number(text, text);
    return number != NULL && mf_parse_number(value, number, behind);
}

bool mf_has_result(const char *text)
{
    static const char *const units[] = {"GiB",   "MiB", "GB/s", "tok/s", "USD",    "EUR",    "%",
                                        "times", "ms",  "s",    "h",     "W",      "kWh",    "kg",
                                        "J",     "Wh",  "GB",   "hours", "months", "TFLOP/s"};
    const char *number = next_number(text, text);
    while (number != NULL) {
        double value = 0;
        const char *behind = number + 1;
        (void)mf_parse_number(&value, number, &behind);
        const bool level = strncmp(number, "90 %", 4) == 0; /* of the intervals, in every table */
        const char *word = behind + strspn(behind, " ");
        for (size_t i = 0; !level && i < sizeof units / sizeof units[0]; i++) {
            const size_t n = strlen(units[i]);
            if (strncmp(word, units[i], n) == 0 && isalnum((unsigned char)word[n]) == 0) {
                return true;
            }
        }
        number = next_number(text, behind);
    }
    return false;
}

const char *mf_unit_shown(const char *behind, const mf_column_note *note)
{
    static const char *const no_units[] = {"(", "-", "of ", "x"};
    const char *rest = behind + strspn(behind, " ");
    bool none = rest[0] == '\0';
    for (size_t i = 0; i < sizeof no_units / sizeof no_units[0]; i++) {
        none = none || strncmp(rest, no_units[i], strlen(no_units[i])) == 0;
    }
    return none ? note->unit : rest;
}
