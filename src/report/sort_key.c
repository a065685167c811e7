/*
 * sort_key.c - the number behind a table's cell, for its column to be sorted by.
 */
#include <string.h>

#include "base/num.h"
#include "report/html.h"

typedef struct scale {
    const char *unit;
    double factor;
} scale;

#define KI 1024.0

/* Units that stand in one column beside others of their kind. */
static const scale scales[] = {
    {"KiB",     KI            },
    {"MiB",     KI *KI        },
    {"GiB",     KI *KI *KI    },
    {"TiB",     KI *KI *KI *KI},
    {"us",      1e-6          },
    {"ms",      1e-3          },
    {"s",       1             },
    {"min",     60            },
    {"h",       3600          },
    {"MB/s",    1e6           },
    {"GB/s",    1e9           },
    {"TB/s",    1e12          },
    {"GFLOP/s", 1e9           },
    {"TFLOP/s", 1e12          },
};

static const char *skip_spaces(const char *text)
{
    return text + strspn(text, " ");
}

/* The factor of the unit at text, and what follows it; 0 if no unit of the table stands there. */
static double factor_at(const char **behind, const char *text)
{
    for (size_t i = 0; i < sizeof scales / sizeof scales[0]; i++) {
        const size_t n = strlen(scales[i].unit);
        if (strncmp(text, scales[i].unit, n) == 0 && (text[n] == '\0' || text[n] == ' ')) {
            *behind = text + n;
            return scales[i].factor;
        }
    }
    *behind = text;
    return 0;
}

bool mf_sort_key(double *value, const char *text)
{
    const char *end = NULL;
    double low = 0;
    double high = 0;
    if (strcmp(text, "none") == 0) {
        *value = 0;
        return true;
    }
    text += strspn(text, "abcdefghijklmnopqrstuvwxyz ~<>+"); /* "cards alone 9000 USD", "~3" */
    if (!mf_parse_number(&low, text, &end) || (*end != '\0' && *end != ' ' && *end != ',')) {
        return false;
    }
    const double factor = factor_at(&end, skip_spaces(end));
    const char *rest = skip_spaces(end);
    if (strncmp(rest, "- ", 2) != 0 || !mf_parse_number(&high, rest + 2, &rest)) {
        *value = low * (factor > 0 ? factor : 1);
        return true;
    }
    const double of_high = factor_at(&rest, skip_spaces(rest));
    high *= of_high > 0 ? of_high : 1;
    low *= factor > 0 ? factor : of_high > 0 ? of_high : 1;
    *value = (low + high) / 2;
    return true;
}
