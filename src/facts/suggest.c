/*
 * suggest.c - what an unknown name may have meant: the same letters, a slip of the fingers, names that hold its words, a chip with
 * the memory of a laptop that no list has.
 */
#include <ctype.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "facts/fields.h"
#include "facts/store.h"

enum { MAX_SUGGESTIONS = 3, MAX_MADE = 96 };

enum { MAX_SQUEEZED = 128 };

/* Small letters and digits alone: "RTX 4090" and "rtx-4090" are the same. */
static void squeeze(char out[MAX_SQUEEZED], const char *text)
{
    size_t n = 0;
    for (; *text != '\0' && n + 1 < MAX_SQUEEZED; text++) {
        if (isalnum((unsigned char)*text)) {
            out[n++] = (char)tolower((unsigned char)*text);
        }
    }
    out[n] = '\0';
}

/* How many words of a text a squeezed name holds, wherever. */
typedef struct held_words {
    size_t n;    /* of the text */
    size_t held; /* in the name */
    bool
        all_types; /* those with a digit, which tell one chip or size from another, are all in it, and there is one */
} held_words;

/* "4x" of "4x3090". */
static bool ends_count(const char *word, size_t n)
{
    return n > 1 && word[n - 1] == 'x' && strspn(word, "0123456789") == n - 1;
}

/* The word at the start of a text in small letters; its length, which may be 0. */
static size_t take_word(char word[MAX_SQUEEZED], const char *text)
{
    size_t n = 0;
    while (isalnum((unsigned char)text[n]) && n + 1 < MAX_SQUEEZED && !ends_count(word, n)) {
        word[n] = (char)tolower((unsigned char)text[n]);
        n++;
    }
    word[n] = '\0';
    return n;
}

static held_words words_held(const char *name, const char *text)
{
    char word[MAX_SQUEEZED];
    held_words words = {.all_types = strpbrk(text, "0123456789") != NULL};
    while (*text != '\0') {
        const size_t n = take_word(word, text);
        text += n;
        const bool held = n > 0 && strstr(name, word) != NULL;
        words.n++;
        words.held += held ? 1 : 0;
        words.all_types = words.all_types && (held || strpbrk(word, "0123456789") == NULL);
        text += strspn(text, " -_.:/");
        text += n == 0 && *text != '\0' && !isalnum((unsigned char)*text) ? 1 : 0;
    }
    return words;
}

static bool has_words(const char *name, const char *text)
{
    const held_words words = words_held(name, text);
    return words.held == words.n;
}

typedef struct suggestions {
    const char *names[MAX_SUGGESTIONS];
    char made[MAX_SUGGESTIONS][MAX_MADE]; /* of names that no list has */
    size_t n;
} suggestions;

static void add_suggestion(suggestions *list, const char *name)
{
    for (size_t i = 0; i < list->n; i++) {
        if (list->names[i] == name) {
            return;
        }
    }
    if (name != NULL && list->n < MAX_SUGGESTIONS) {
        list->names[list->n++] = name;
    }
}

/* The next longer name, in the order of the list among those alike, that holds the text, is held by it or (words) has all of
   its words. */
static const char *next_alike(const mf_names *names, const char *id, const char *after, bool words)
{
    char wanted[MAX_SQUEEZED];
    char name[MAX_SQUEEZED];
    const char *best = NULL;
    bool behind = after == NULL;
    squeeze(wanted, id);
    for (size_t i = 0; wanted[0] != '\0' && i < names->n_items; i++) {
        const char *item = names->items[i];
        const size_t size = strlen(item);
        const bool later =
            after == NULL || size > strlen(after) || (behind && size == strlen(after));
        behind = behind || item == after;
        squeeze(name, item);
        if (later && (best == NULL || size < strlen(best)) &&
            (strstr(name, wanted) != NULL || strstr(wanted, name) != NULL ||
             (words && has_words(name, id)))) {
            best = item;
        }
    }
    return best;
}

/* The name that holds most of the words and all those with a digit, the shortest of equal ones, among those that are not
   suggested yet; NULL: none holds half of them. */
static const char *most_words(const mf_names *names, const char *id, const suggestions *list)
{
    char name[MAX_SQUEEZED];
    const char *best = NULL;
    size_t most = 0;
    for (size_t i = 0; i < names->n_items; i++) {
        const char *item = names->items[i];
        bool listed = false;
        for (size_t k = 0; k < list->n; k++) {
            listed = listed || list->names[k] == item;
        }
        squeeze(name, item);
        const held_words words = words_held(name, id);
        const bool enough = !listed && words.all_types && 2 * words.held >= words.n;
        const bool as_many = best != NULL && words.held == most;
        if (enough &&
            (best == NULL || words.held > most || (as_many && strlen(item) < strlen(best)))) {
            best = item;
            most = words.held;
        }
    }
    return best;
}

static size_t n_held(const char *name, const char *text)
{
    char squeezed[MAX_SQUEEZED];
    squeeze(squeezed, name);
    return words_held(squeezed, text).held;
}

static const char *same_letters(const mf_names *names, const char *id)
{
    char wanted[MAX_SQUEEZED];
    char name[MAX_SQUEEZED];
    squeeze(wanted, id);
    for (size_t i = 0; wanted[0] != '\0' && i < names->n_items; i++) {
        squeeze(name, names->items[i]);
        if (strcmp(name, wanted) == 0) {
            return names->items[i];
        }
    }
    return NULL;
}

/* A Mac's chip and memory as people write them: "MacBook Pro M4 Max 64GB". */
typedef struct chip_text {
    char chip[32]; /* "apple-m4-max-" */
    uint32_t gib;  /* 0 if not said */
} chip_text;

/* The number at the start of a text, at most 9999; *end is what follows its digits. */
static uint32_t number_at(const char *text, const char **end)
{
    uint32_t number = 0;
    while (isdigit((unsigned char)*text)) {
        number = number > 999 ? 9999 : 10 * number + (uint32_t)(*text - '0');
        text++;
    }
    *end = text;
    return number;
}

/* The number before "gb" or "g", or from 8 on at the end of the text. */
static uint32_t memory_in(const char *text)
{
    enum { LEAST = 8 };
    uint32_t gib = 0;
    const char *at = strpbrk(text, "0123456789");
    while (at != NULL) {
        const char *end = NULL;
        const bool word = at == text || !isalnum((unsigned char)at[-1]);
        const uint32_t number = number_at(at, &end);
        const char *unit = end + strspn(end, " -");
        const bool said = tolower((unsigned char)*unit) == 'g';
        if (word && (said || (*end == '\0' && number >= LEAST))) {
            gib = number;
        }
        at = strpbrk(end, "0123456789");
    }
    return gib;
}

static bool read_chip(chip_text *out, const char *text)
{
    static const char *const grades[] = {"max", "pro", "ultra"};
    for (const char *at = text; *at != '\0'; at++) {
        const bool begins = at == text || !isalnum((unsigned char)at[-1]);
        if (!begins || tolower((unsigned char)at[0]) != 'm' || !isdigit((unsigned char)at[1])) {
            continue;
        }
        const char *grade = at + 2 + strspn(at + 2, " -");
        int n = snprintf(out->chip, sizeof out->chip, "apple-m%c-", at[1]);
        for (size_t i = 0; i < sizeof grades / sizeof grades[0]; i++) {
            if (strncasecmp(grade, grades[i], strlen(grades[i])) == 0) {
                n += snprintf(out->chip + n, sizeof out->chip - (size_t)n, "%s-", grades[i]);
            }
        }
        out->gib = memory_in(at + 2);
        return true;
    }
    return false;
}

/* Cores of a chip whose id begins so and has nothing but them behind ("40c"); 0: it is another one. */
static uint32_t cores_of(const char *id, const char *chip)
{
    const size_t size = strlen(chip);
    if (strncmp(id, chip, size) != 0) {
        return 0;
    }
    const char *end = NULL;
    const uint32_t n_cores = number_at(id + size, &end);
    return strcmp(end, "c") == 0 ? n_cores : 0;
}

/* Chips of that generation and grade, the one with most cores first, with the memory behind them. */
static void add_chips(suggestions *list, const mf_names *names, const char *id)
{
    chip_text wanted;
    uint32_t below = UINT32_MAX;
    bool found = read_chip(&wanted, id);
    while (found && list->n < MAX_SUGGESTIONS) {
        const char *best = NULL;
        uint32_t most = 0;
        for (size_t i = 0; i < names->n_items; i++) {
            const uint32_t n_cores = cores_of(names->items[i], wanted.chip);
            if (n_cores < below && n_cores > most) {
                best = names->items[i];
                most = n_cores;
            }
        }
        found = best != NULL;
        below = most;
        if (found && wanted.gib > 0) {
            char *made = list->made[list->n];
            (void)snprintf(made, MAX_MADE, "%.60s-%" PRIu32 "gb", best, wanted.gib);
            best = made;
        }
        add_suggestion(list, best);
    }
}

/* Products that are sold under many names. */
static const struct {
    const char *name; /* squeezed */
    const char *words;
} known_as[] = {
    {"ryzenaimax",       "strix-halo"},
    {"aimax395",         "strix-halo"},
    {"frameworkdesktop", "strix-halo"},
    {"evox2",            "strix-halo"},
    {"asusascent",       "dgx-spark" },
    {"gx10",             "dgx-spark" },
    {"projectdigits",    "dgx-spark" },
};

/* The text, or what its product is listed as, with the memory that it names. */
static void rename_product(char out[MAX_MADE], const char *id)
{
    char squeezed[MAX_SQUEEZED];
    squeeze(squeezed, id);
    (void)snprintf(out, MAX_MADE, "%.90s", id);
    for (size_t i = 0; i < sizeof known_as / sizeof known_as[0]; i++) {
        if (strstr(squeezed, known_as[i].name) != NULL) {
            const uint32_t gib =
                strstr(id, "395") != NULL ? memory_in(strstr(id, "395") + 3) : memory_in(id);
            const int n = snprintf(out, MAX_MADE, "%s", known_as[i].words);
            if (gib > 0) {
                (void)snprintf(out + n, MAX_MADE - (size_t)n, "-%" PRIu32 "gb", gib);
            }
            return;
        }
    }
}

/* Chips of laptops are other ones than the cards of the same name. */
static bool is_mobile(const char *text)
{
    static const char *const words[] = {"laptop", "mobile", "notebook", "book"};
    char squeezed[MAX_SQUEEZED];
    squeeze(squeezed, text);
    bool mobile = false;
    for (size_t i = 0; i < sizeof words / sizeof words[0]; i++) {
        mobile = mobile || strstr(squeezed, words[i]) != NULL;
    }
    return mobile;
}

/* A slip of the fingers, then the one that has all numbers and more words than what is alike, then that, the shortest first, and
   the nearest by spelling. */
static void suggest_alike(suggestions *list, const mf_names *names, const char *id)
{
    enum { SLIP = 2 };
    mf_nearest nearest = {.text = id};
    for (size_t i = 0; i < names->n_items; i++) {
        mf_nearest_try(&nearest, names->items[i]);
    }
    if (nearest.distance <= SLIP) {
        add_suggestion(list, nearest.best);
    }
    const bool words = list->n == 0;
    const char *alike = next_alike(names, id, NULL, words);
    const char *fullest = words && alike != NULL ? most_words(names, id, list) : NULL;
    if (fullest != NULL && n_held(fullest, id) > n_held(alike, id)) {
        add_suggestion(list, fullest);
    }
    while (alike != NULL && list->n < MAX_SUGGESTIONS) {
        add_suggestion(list, alike);
        alike = next_alike(names, id, alike, words);
    }
    if (list->n == 0) {
        add_chips(list, names, id);
    }
    add_suggestion(list, nearest.best);
    for (bool more = list->n == 0; more && list->n < MAX_SUGGESTIONS;) {
        const char *name = most_words(names, id, list);
        add_suggestion(list, name);
        more = name != NULL;
    }
}

static void suggest(suggestions *list, const mf_names *names, const char *id)
{
    char renamed[MAX_MADE];
    rename_product(renamed, id);
    add_suggestion(list, same_letters(names, renamed));
    if (list->n == 0) {
        suggest_alike(list, names, renamed);
    }
}

static void keep_mobile(suggestions *list)
{
    size_t kept = 0;
    for (size_t i = 0; i < list->n; i++) {
        const bool chip = strncmp(list->names[i], "apple-", strlen("apple-")) == 0;
        if (chip || is_mobile(list->names[i])) {
            list->names[kept++] = list->names[i];
        }
    }
    list->n = kept;
}

/* Where to look for names that are like none, and what else a machine can be. */
static void tell_lists(mf_str *text, mf_entry_kind kind, mf_entry_kind also, size_t n)
{
    mf_str_printf(text, ", 'memfit db list %s'", mf_entry_list_name(kind));
    if (also != kind) {
        mf_str_printf(text, " and 'memfit db list %s' have", mf_entry_list_name(also));
    } else {
        mf_str_add(text, " has");
    }
    mf_str_printf(text, " the %zu there are", n);
    if (kind == MF_ENTRY_MACHINE) {
        mf_str_add(text,
                   "; describe it: \"mem=24GiB bw=900GB/s fp32=30TFLOP/s like=nvidia-rtx-4090\"");
    }
}

static void tell_names(mf_str *text, const suggestions *list)
{
    for (size_t i = 0; i < list->n; i++) {
        mf_str_printf(text,
                      "%s'%s'",
                      i == 0             ? ", did you mean "
                      : i + 1 == list->n ? " or "
                                         : ", ",
                      list->names[i]);
    }
    mf_str_add(text, list->n > 0 ? "?" : "");
}

/* Names of `also` count as well; the same kind again: of no other. */
static mf_status unknown_among(const mf_database *database,
                               mf_entry_kind kind,
                               mf_entry_kind also,
                               const char *id,
                               mf_error *err)
{
    mf_names names = {0};
    mf_names others = {0};
    mf_status status = mf_database_list(&names, database, kind, err);
    if (status == MF_OK && also != kind) {
        status = mf_database_list(&others, database, also, err);
    }
    for (size_t i = 0; status == MF_OK && i < others.n_items; i++) {
        status = mf_names_add(&names, others.items[i], strlen(others.items[i]), err);
    }
    if (status == MF_OK) {
        suggestions list = {0};
        mf_str text = {0};
        suggest(&list, &names, id);
        if (kind == MF_ENTRY_MACHINE && is_mobile(id)) {
            keep_mobile(&list);
        }
        tell_names(&text, &list);
        if (list.n == 0) {
            tell_lists(&text, kind, also, names.n_items);
        }
        status = mf_fail(err,
                         MF_E_UNKNOWN,
                         "unknown %s '%.100s'%s",
                         mf_entry_kind_name(kind),
                         id,
                         text.data != NULL ? text.data : "");
        mf_str_free(&text);
    }
    mf_names_free(&names);
    mf_names_free(&others);
    return status;
}

bool mf_store_has_words(const char *name, const char *text)
{
    char squeezed[MAX_SQUEEZED];
    squeeze(squeezed, name);
    return has_words(squeezed, text);
}

mf_status
mf_store_unknown(const mf_database *database, mf_entry_kind kind, const char *id, mf_error *err)
{
    const mf_entry_kind also = kind == MF_ENTRY_MACHINE ? MF_ENTRY_DEVICE
                               : kind == MF_ENTRY_MODEL ? MF_ENTRY_RELEASE
                                                        : kind;
    return unknown_among(database, kind, also, id, err);
}

mf_status mf_store_no_machine(const mf_database *database, const char *id, mf_error *err)
{
    return unknown_among(database, MF_ENTRY_MACHINE, MF_ENTRY_MACHINE, id, err);
}
