/*
 * linux.c - /proc/cpuinfo, /proc/meminfo, and cards that no library was asked about (/sys/class/drm).
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/checked.h"
#include "base/num.h"
#include "detect/internal.h"

enum { PATH_SIZE = 512, LINE_SIZE = 512, KIB = 1024, MAX_LINES = 1 << 20 };

static FILE *open_below(const mf_detect_places *places, const char *path)
{
    char whole[PATH_SIZE];
    const int n =
        snprintf(whole, sizeof whole, "%s%s", places->root != NULL ? places->root : "", path);
    return n > 0 && n < PATH_SIZE ? fopen(whole, "r") : NULL;
}

/* Text behind "key :" if the line has that key, else NULL. */
static const char *value_of(const char *line, const char *key)
{
    const size_t n = strlen(key);
    if (strncmp(line, key, n) != 0) {
        return NULL;
    }
    const char *colon = line + n + strspn(line + n, " \t");
    return *colon == ':' ? colon + 1 : NULL;
}

/* "  16384 kB" */
static bool leading_number(uint64_t *number, const char *text)
{
    char digits[24];
    text += strspn(text, " \t");
    const size_t n = strspn(text, "0123456789");
    (void)snprintf(digits, sizeof digits, "%.*s", (int)(n < sizeof digits ? n : 0), text);
    return mf_parse_uint(number, digits);
}

static mf_status read_memory(mf_detected *out, const mf_detect_places *places, mf_error *err)
{
    char line[LINE_SIZE];
    FILE *file = open_below(places, "/proc/meminfo");
    if (file == NULL) {
        return mf_fail(err, MF_E_IO, "/proc/meminfo can't be read (%s)", strerror(errno));
    }
    for (int i = 0; i < MAX_LINES && fgets(line, sizeof line, file) != NULL; i++) {
        const char *value = value_of(line, "MemTotal");
        uint64_t kib = 0;
        if (value != NULL && leading_number(&kib, value)) {
            (void)mf_mul(&out->memory_bytes, kib, KIB);
        }
    }
    (void)fclose(file);
    return out->memory_bytes > 0
               ? MF_OK
               : mf_fail(err, MF_E_IO, "/proc/meminfo has no 'MemTotal', name the machine instead");
}

/* x86 says "model name"; ARM systems only "CPU implementer", or nothing that reads like a name. */
static void read_processor(mf_detected *out, const mf_detect_places *places)
{
    char line[LINE_SIZE];
    FILE *file = open_below(places, "/proc/cpuinfo");
    (void)snprintf(out->processor, sizeof out->processor, "unknown processor");
    if (file == NULL) {
        return;
    }
    for (int i = 0; i < MAX_LINES && fgets(line, sizeof line, file) != NULL; i++) {
        const char *name = value_of(line, "model name");
        name = name != NULL ? name : value_of(line, "Model");
        if (name != NULL) {
            mf_detect_copy(out->processor, sizeof out->processor, name);
        }
        out->n_threads += value_of(line, "processor") != NULL ? 1 : 0;
    }
    (void)fclose(file);
}

/* Says that there is a card which nobody named. */
static void note_other_cards(mf_detected *out, const mf_detect_places *places)
{
    static const struct {
        const char *vendor;
        const char *name;
    } vendors[] = {
        {"0x1002", "AMD"   },
        {"0x8086", "Intel" },
        {"0x10de", "NVIDIA"}
    };
    enum { CARDS = 8 };
    for (int i = 0; i < CARDS && out->n_gpus == 0 && out->note[0] == '\0'; i++) {
        char path[64];
        char line[LINE_SIZE] = "";
        (void)snprintf(path, sizeof path, "/sys/class/drm/card%d/device/vendor", i);
        FILE *file = open_below(places, path);
        if (file == NULL) {
            continue;
        }
        const bool read = fgets(line, sizeof line, file) != NULL;
        (void)fclose(file);
        for (size_t k = 0; read && k < sizeof vendors / sizeof vendors[0]; k++) {
            if (strncmp(line, vendors[k].vendor, strlen(vendors[k].vendor)) == 0) {
                (void)snprintf(out->note,
                               sizeof out->note,
                               "there is a GPU of %s that the system does not name: give its "
                               "machine with --on, see 'memfit db list machines'",
                               vendors[k].name);
            }
        }
    }
}

mf_status mf_detect_linux(mf_detected *out, const mf_detect_places *places, mf_error *err)
{
    (void)snprintf(out->system, sizeof out->system, "Linux");
    const mf_status status = read_memory(out, places, err);
    if (status != MF_OK) {
        return status;
    }
    read_processor(out, places);
    mf_detect_nvidia(out, places);
    note_other_cards(out, places);
    return MF_OK;
}
