/*
 * machine.c - from what the system says to a machine of hwdb's devices.
 */
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/str.h"
#include "detect/internal.h"
#include "facts/sources.h"

enum { MAX_WORDS = 12, WORD_SIZE = 24 };

/* A card's name as a set of words: makers' names, sizes and filling left out, other spellings made one. */
typedef struct words {
    char items[MAX_WORDS][WORD_SIZE];
    size_t n;
} words;

static bool is_filling(const char *word)
{
    static const char *const filling[] = {"nvidia",
                                          "geforce",
                                          "tesla",
                                          "gpu",
                                          "generation",
                                          "edition",
                                          "with",
                                          "design",
                                          "amd",
                                          "radeon",
                                          "graphics"};
    for (size_t i = 0; i < sizeof filling / sizeof filling[0]; i++) {
        if (strcmp(word, filling[i]) == 0) {
            return true;
        }
    }
    /* "80gb": the memory is compared as a number. */
    const size_t digits = strspn(word, "0123456789");
    return digits > 0 && strcmp(word + digits, "gb") == 0;
}

static const char *spelling(const char *word)
{
    static const char *const pairs[][2] = {
        {"sxm2",        "sxm"   },
        {"sxm4",        "sxm"   },
        {"sxm5",        "sxm"   },
        {"hbm3",        "sxm"   },
        {"hbm3e",       "sxm"   },
        {"laptop",      "mobile"},
        {"workstation", "ws"    }
    };
    for (size_t i = 0; i < sizeof pairs / sizeof pairs[0]; i++) {
        if (strcmp(word, pairs[i][0]) == 0) {
            return pairs[i][1];
        }
    }
    return word;
}

static bool has_word(const words *set, const char *word)
{
    for (size_t i = 0; i < set->n; i++) {
        if (strcmp(set->items[i], word) == 0) {
            return true;
        }
    }
    return false;
}

/* Past what is no letter or digit, and what stands in brackets: "(R)", "(RADV NAVI31)". */
static const char *next_word(const char *name)
{
    while (*name != '\0' && !isalnum((unsigned char)*name)) {
        name += *name == '(' ? strcspn(name, ")") : 1;
    }
    return name;
}

/* The word in lower case, cut where it is too long; returns what follows it. */
static const char *take_word(char word[WORD_SIZE], const char *name)
{
    size_t n = 0;
    for (; isalnum((unsigned char)*name); name++) {
        if (n + 1 < WORD_SIZE) {
            word[n++] = (char)tolower((unsigned char)*name);
        }
    }
    word[n] = '\0';
    return name;
}

static words words_of(const char *name)
{
    words set = {.n = 0};
    for (name = next_word(name); *name != '\0' && set.n < MAX_WORDS; name = next_word(name)) {
        char word[WORD_SIZE];
        name = take_word(word, name);
        if (!is_filling(word) && !has_word(&set, spelling(word))) {
            (void)snprintf(set.items[set.n++], WORD_SIZE, "%s", spelling(word));
        }
    }
    return set;
}

/* The word that ids have too: the last with a number ("4090", "r9700"), else the last. */
static const char *telling_word(const words *card)
{
    const char *word = "";
    bool numbered = false;
    for (size_t i = 0; i < card->n; i++) {
        const bool has_number = strpbrk(card->items[i], "0123456789") != NULL;
        if (has_number || !numbered) {
            word = card->items[i];
            numbered = has_number;
        }
    }
    return word;
}

/* How well a device's name fits: 2 the same words, 1 all words of the card and more, 0 not. */
static int fitness(const words *card, const char *device_name)
{
    const words device = words_of(device_name);
    for (size_t i = 0; i < card->n; i++) {
        if (!has_word(&device, card->items[i])) {
            return 0;
        }
    }
    return card->n == 0 ? 0 : device.n == card->n ? 2 : 1;
}

/* Cards of one name are sold with different memories; the driver keeps some for itself. */
static bool same_memory(const mf_device *device, const mf_gpu *gpu)
{
    static const double least = 0.85;
    static const double most = 1.05;
    if (!device->memory_bytes.known || gpu->memory_bytes == 0) {
        return true;
    }
    const double share = (double)gpu->memory_bytes / device->memory_bytes.value;
    return share > least && share < most;
}

/* The device that a card is, NULL with MF_OK if hwdb has none or two that fit alike. */
static mf_status
find_card(mf_device **out, const mf_database *database, const mf_gpu *gpu, mf_error *err)
{
    mf_names names = {0};
    mf_device *best = NULL;
    int best_fitness = 0;
    bool twice = false;
    const words card = words_of(gpu->name);
    const char *telling = telling_word(&card);
    mf_status status = mf_database_list(&names, database, MF_ENTRY_DEVICE, err);
    for (size_t i = 0; status == MF_OK && i < names.n_items; i++) {
        /* A look at the id first: reading every file takes longer than the answer should. */
        if (card.n == 0 || strstr(names.items[i], telling) == NULL) {
            continue;
        }
        mf_device *device = NULL;
        status = mf_database_device(&device, database, names.items[i], err);
        const int fit =
            status == MF_OK && same_memory(device, gpu) ? fitness(&card, device->name) : 0;
        twice = fit > best_fitness ? false : twice || (fit > 0 && fit == best_fitness);
        if (fit > best_fitness) {
            mf_device_free(best);
            best = device;
            best_fitness = fit;
        } else {
            mf_device_free(device);
        }
    }
    mf_names_free(&names);
    if (status != MF_OK || twice) {
        mf_device_free(best);
        best = NULL;
    }
    *out = best;
    return status;
}

/* "Apple M4 Max" with 40 cores is apple-m4-max-40c; without cores the refusal names those that it may be. */
static mf_status
find_chip(mf_device **out, const mf_database *database, const mf_gpu *gpu, mf_error *err)
{
    mf_str id = {0};
    for (const char *c = gpu->name; *c != '\0'; c++) {
        mf_str_add_char(&id, *c == ' ' ? '-' : (char)tolower((unsigned char)*c), 1);
    }
    if (gpu->cores > 0) {
        mf_str_printf(&id, "-%uc", gpu->cores);
    }
    mf_status status = mf_str_status(&id, err);
    if (status == MF_OK) {
        status = mf_database_device(out, database, id.data, err);
    }
    mf_str_free(&id);
    return status;
}

mf_status
mf_detected_device(mf_device **out, const mf_gpu *gpu, const mf_database *database, mf_error *err)
{
    const bool apple = strncmp(gpu->name, "Apple ", strlen("Apple ")) == 0;
    mf_device *device = NULL;
    const mf_status status =
        apple ? find_chip(&device, database, gpu, err) : find_card(&device, database, gpu, err);
    if (status == MF_OK && device == NULL) {
        return mf_fail(err,
                       MF_E_UNKNOWN,
                       "hwdb does not know the card '%s': name a machine with --on, or add the "
                       "card ('memfit db new device')",
                       gpu->name);
    }
    *out = device;
    return status;
}

/* The processor, about which the system says nothing that counts for speed. */
static mf_device *processor_device(const mf_detected *detected)
{
    mf_device *device = calloc(1, sizeof *device);
    if (device == NULL) {
        return NULL;
    }
    device->id = mf_strdup("this-processor");
    device->name = mf_strdup(detected->processor);
    device->architecture = mf_strdup("unknown");
    device->vendor = MF_VENDOR_OTHER;
    device->chip_class = MF_CLASS_CPU;
    if (device->id == NULL || device->name == NULL || device->architecture == NULL) {
        mf_device_free(device);
        return NULL;
    }
    return device;
}

static mf_fact told(uint64_t bytes)
{
    return (mf_fact){.value = (double)bytes, .known = bytes > 0, .source = 0};
}

static mf_status add_source(mf_machine *machine, const mf_detected *detected, mf_error *err)
{
    mf_str title = {0};
    mf_str_printf(&title, "told by this machine's %s", detected->system);
    char all[] = "*";
    const mf_source source = {.covers = all, .title = title.data, .kind = MF_SOURCE_MEASURED};
    mf_status status = mf_str_status(&title, err);
    if (status == MF_OK) {
        status = mf_sources_add(&machine->sources, &source, err);
    }
    mf_str_free(&title);
    return status;
}

static mf_status add_pool(mf_machine *machine, mf_pool pool, const char *name, mf_error *err)
{
    pool.name = mf_strdup(name);
    if (pool.name == NULL) {
        return mf_fail(err, MF_E_NOMEM, "out of memory for a machine");
    }
    machine->pools[machine->n_pools++] = pool;
    return MF_OK;
}

/* Takes the device over; cards alike share an entry. */
static mf_status
add_device(mf_machine *machine, mf_device *device, size_t pool, uint64_t memory, mf_error *err)
{
    mf_machine_device *last =
        machine->n_devices > 0 ? &machine->devices[machine->n_devices - 1] : NULL;
    if (last != NULL && strcmp(last->device_id, device->id) == 0) {
        last->count++;
        mf_device_free(device);
        return MF_OK;
    }
    char *id = mf_strdup(device->id);
    if (id == NULL) {
        mf_device_free(device);
        return mf_fail(err, MF_E_NOMEM, "out of memory for a machine");
    }
    machine->devices[machine->n_devices++] =
        (mf_machine_device){.device_id = id, .count = 1, .pool = pool, .device = device};
    if (pool < machine->n_pools) {
        return MF_OK;
    }
    return add_pool(machine,
                    (mf_pool){.kind = MF_POOL_DEVICE,
                              .capacity_bytes = memory > 0 ? told(memory) : device->memory_bytes,
                              .bandwidth_bytes_per_s = device->bandwidth_bytes_per_s},
                    "vram",
                    err);
}

/* One memory for everything: a Mac, or a card without memory of its own. */
static mf_status
fill_unified(mf_machine *machine, mf_device *device, const mf_detected *detected, mf_error *err)
{
    const mf_fact bandwidth = device->bandwidth_bytes_per_s;
    const mf_status status = add_pool(machine,
                                      (mf_pool){.kind = MF_POOL_UNIFIED,
                                                .capacity_bytes = told(detected->memory_bytes),
                                                .usable_bytes = told(detected->gpu_limit_bytes),
                                                .bandwidth_bytes_per_s = bandwidth},
                                      "unified",
                                      err);
    if (status != MF_OK) {
        mf_device_free(device);
        return status;
    }
    return add_device(machine, device, 0, 0, err);
}

static mf_status fill_cards(mf_machine *machine,
                            const mf_detected *detected,
                            const mf_database *database,
                            mf_error *err)
{
    mf_status status = MF_OK;
    for (size_t i = 0; status == MF_OK && i < detected->n_gpus; i++) {
        mf_device *device = NULL;
        status = mf_detected_device(&device, &detected->gpus[i], database, err);
        if (status == MF_OK && machine->n_pools == 0 && device->host_link == NULL) {
            return fill_unified(machine, device, detected, err);
        }
        if (status == MF_OK) {
            status =
                add_device(machine, device, machine->n_pools, detected->gpus[i].memory_bytes, err);
        }
    }
    return status == MF_OK ? add_pool(machine,
                                      (mf_pool){.kind = MF_POOL_HOST,
                                                .capacity_bytes = told(detected->memory_bytes)},
                                      "host",
                                      err)
                           : status;
}

static mf_status
fill(mf_machine *machine, const mf_detected *detected, const mf_database *database, mf_error *err)
{
    machine->id = mf_strdup("this");
    machine->name = mf_strdup(detected->n_gpus > 0 ? detected->gpus[0].name : detected->processor);
    machine->n_nodes = 1;
    machine->pools = calloc(MF_MAX_GPUS + 1, sizeof *machine->pools);
    machine->devices = calloc(MF_MAX_GPUS + 1, sizeof *machine->devices);
    if (machine->id == NULL || machine->name == NULL || machine->pools == NULL ||
        machine->devices == NULL) {
        return mf_fail(err, MF_E_NOMEM, "out of memory for a machine");
    }
    const mf_status status = add_source(machine, detected, err);
    if (status != MF_OK) {
        return status;
    }
    if (detected->n_gpus > 0) {
        return fill_cards(machine, detected, database, err);
    }
    mf_device *processor = processor_device(detected);
    return processor != NULL ? fill_unified(machine, processor, detected, err)
                             : mf_fail(err, MF_E_NOMEM, "out of memory for a machine");
}

mf_status mf_detected_machine(mf_machine **out,
                              const mf_detected *detected,
                              const mf_database *database,
                              mf_error *err)
{
    mf_machine *machine = calloc(1, sizeof *machine);
    if (machine == NULL) {
        return mf_fail(err, MF_E_NOMEM, "out of memory for a machine");
    }
    const mf_status status = fill(machine, detected, database, err);
    if (status != MF_OK) {
        mf_machine_free(machine);
        return status;
    }
    *out = machine;
    return MF_OK;
}
