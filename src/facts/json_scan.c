#include "facts/json_scan.h"

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include "base/num.h"

/* cJSON copies a number into 64 bytes and would read a longer one in part. */
enum { MAX_NUMBER_SIZE = 63 };

typedef enum state {
    STATE_VALUE,        /* a value must follow */
    STATE_VALUE_OR_END, /* behind '[' */
    STATE_KEY,          /* behind ',' in an object */
    STATE_KEY_OR_END,   /* behind '{' */
    STATE_BEHIND,       /* behind a value: ',' or the end of what it is in */
} state;

typedef struct scanner {
    mf_json_text text;
    size_t at;
    size_t n_values;     /* values begun so far */
    size_t value_offset; /* where the latest one began */
    state state;
    size_t depth;
    char closers[MF_JSON_MAX_DEPTH]; /* what ends each open array or object */
    const char *fault;               /* NULL while all is well */
} scanner;

/* 0 at the end of the text: no token of JSON is a NUL, so it is refused like any other wrong character. */
static char peek(const scanner *scan)
{
    return scan->at < scan->text.size ? scan->text.data[scan->at] : '\0';
}

static bool refuse(scanner *scan, const char *fault)
{
    scan->fault = scan->at < scan->text.size ? fault : "the text ends too early";
    return false;
}

static void skip_space(scanner *scan)
{
    while (scan->at < scan->text.size) {
        const char c = scan->text.data[scan->at];
        if (c != ' ' && c != '\n' && c != '\t' && c != '\r') {
            return;
        }
        scan->at++;
    }
}

static size_t skip_digits(scanner *scan)
{
    const size_t start = scan->at;
    while (peek(scan) >= '0' && peek(scan) <= '9') {
        scan->at++;
    }
    return scan->at - start;
}

static bool scan_exponent(scanner *scan)
{
    scan->at++;
    if (peek(scan) == '+' || peek(scan) == '-') {
        scan->at++;
    }
    return skip_digits(scan) > 0 || refuse(scan, "an exponent needs digits");
}

static bool scan_number(scanner *scan)
{
    const size_t start = scan->at;
    if (peek(scan) == '-') {
        scan->at++;
    }
    const bool zero = peek(scan) == '0';
    const size_t n_digits = skip_digits(scan);
    if (n_digits == 0) {
        return refuse(scan, "expected a digit");
    }
    if (zero && n_digits > 1) {
        scan->at = start;
        return refuse(scan, "a number has no leading zero");
    }
    if (peek(scan) == '.') {
        scan->at++;
        if (skip_digits(scan) == 0) {
            return refuse(scan, "a decimal point needs digits behind it");
        }
    }
    const bool exponent = peek(scan) == 'e' || peek(scan) == 'E';
    if (exponent && !scan_exponent(scan)) {
        return false;
    }
    const size_t size = scan->at - start;
    if (size > MAX_NUMBER_SIZE) {
        scan->at = start;
        return refuse(scan, "a number of more than 63 characters");
    }
    /* Without an exponent 63 digits can't overflow. */
    if (exponent) {
        char digits[MAX_NUMBER_SIZE + 1] = {0};
        memcpy(digits, scan->text.data + start, size);
        const char *unsigned_digits = digits[0] == '-' ? digits + 1 : digits;
        double value = 0;
        if (!mf_parse_number(&value, unsigned_digits, NULL)) {
            scan->at = start;
            return refuse(scan, "the number is too large");
        }
    }
    return true;
}

static int hex_digit(char c)
{
    if (c >= '0' && c <= '9') {
        return c - '0';
    }
    if (c >= 'a' && c <= 'f') {
        return c - 'a' + 10;
    }
    return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

/* The four digits behind \u. */
static bool scan_hex(scanner *scan, uint32_t *code)
{
    *code = 0;
    for (int i = 0; i < 4; i++) {
        const int digit = hex_digit(peek(scan));
        if (digit < 0) {
            return refuse(scan, "\\u needs four hexadecimal digits");
        }
        *code = *code * 16 + (uint32_t)digit;
        scan->at++;
    }
    return true;
}

static bool is_high_surrogate(uint32_t code)
{
    return code >= 0xD800 && code <= 0xDBFF;
}

static bool is_low_surrogate(uint32_t code)
{
    return code >= 0xDC00 && code <= 0xDFFF;
}

static bool scan_unicode_escape(scanner *scan)
{
    uint32_t code = 0;
    if (!scan_hex(scan, &code)) {
        return false;
    }
    if (code == 0) {
        return refuse(scan, "a string can't hold the character 0");
    }
    if (is_low_surrogate(code)) {
        return refuse(scan, "half a surrogate pair");
    }
    if (!is_high_surrogate(code)) {
        return true;
    }
    if (scan->text.size - scan->at < 2 || memcmp(scan->text.data + scan->at, "\\u", 2) != 0) {
        return refuse(scan, "half a surrogate pair");
    }
    scan->at += 2;
    if (!scan_hex(scan, &code)) {
        return false;
    }
    return is_low_surrogate(code) || refuse(scan, "half a surrogate pair");
}

static bool scan_escape(scanner *scan)
{
    scan->at++;
    const char c = peek(scan);
    if (c == 'u') {
        scan->at++;
        return scan_unicode_escape(scan);
    }
    if (c == '\0' || strchr("\"\\/bfnrt", c) == NULL) {
        return refuse(scan, "unknown escape in a string");
    }
    scan->at++;
    return true;
}

/* RFC 3629: no overlong form, no surrogate. */
size_t mf_utf8_size(const unsigned char *data, size_t n_left)
{
    static const struct {
        unsigned char first, last, low, high; /* range of the first byte, and of the second */
        size_t size;
    } rows[] = {
        {0xC2, 0xDF, 0x80, 0xBF, 2},
        {0xE0, 0xE0, 0xA0, 0xBF, 3},
        {0xE1, 0xEC, 0x80, 0xBF, 3},
        {0xED, 0xED, 0x80, 0x9F, 3},
        {0xEE, 0xEF, 0x80, 0xBF, 3},
        {0xF0, 0xF0, 0x90, 0xBF, 4},
        {0xF1, 0xF3, 0x80, 0xBF, 4},
        {0xF4, 0xF4, 0x80, 0x8F, 4},
    };
    if (data[0] < 0x80) {
        return 1;
    }
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        if (data[0] < rows[i].first || data[0] > rows[i].last) {
            continue;
        }
        bool valid = n_left >= rows[i].size && data[1] >= rows[i].low && data[1] <= rows[i].high;
        for (size_t j = 2; valid && j < rows[i].size; j++) {
            valid = (data[j] & 0xC0) == 0x80;
        }
        return valid ? rows[i].size : 0;
    }
    return 0;
}

/* From the opening quote to behind the closing one. */
static bool scan_string(scanner *scan)
{
    scan->at++;
    while (scan->at < scan->text.size) {
        const unsigned char *data = (const unsigned char *)scan->text.data + scan->at;
        if (*data == '"') {
            scan->at++;
            return true;
        }
        if (*data == '\\') {
            if (!scan_escape(scan)) {
                return false;
            }
            continue;
        }
        if (*data < 0x20) {
            return refuse(scan, "a string can't hold a line break or control character");
        }
        const size_t size = mf_utf8_size(data, scan->text.size - scan->at);
        if (size == 0) {
            return refuse(scan, "not valid UTF-8");
        }
        scan->at += size;
    }
    return refuse(scan, "");
}

static bool scan_word(scanner *scan)
{
    static const char *const words[] = {"null", "true", "false"};
    for (size_t i = 0; i < sizeof words / sizeof words[0]; i++) {
        const size_t size = strlen(words[i]);
        if (scan->text.size - scan->at >= size &&
            memcmp(scan->text.data + scan->at, words[i], size) == 0) {
            scan->at += size;
            return true;
        }
    }
    return refuse(scan, "expected a value");
}

static bool open_container(scanner *scan, char closer, state next)
{
    if (scan->depth == MF_JSON_MAX_DEPTH) {
        return refuse(scan, "nested deeper than 64");
    }
    scan->closers[scan->depth++] = closer;
    scan->at++;
    scan->state = next;
    return true;
}

static bool scan_value(scanner *scan)
{
    scan->value_offset = scan->at;
    scan->n_values++;
    const char c = peek(scan);
    if (c == '{') {
        return open_container(scan, '}', STATE_KEY_OR_END);
    }
    if (c == '[') {
        return open_container(scan, ']', STATE_VALUE_OR_END);
    }
    scan->state = STATE_BEHIND;
    if (c == '"') {
        return scan_string(scan);
    }
    return c == '-' || (c >= '0' && c <= '9') ? scan_number(scan) : scan_word(scan);
}

static bool scan_key(scanner *scan)
{
    if (peek(scan) != '"') {
        return refuse(scan, "expected a key in double quotes");
    }
    if (!scan_string(scan)) {
        return false;
    }
    skip_space(scan);
    if (peek(scan) != ':') {
        return refuse(scan, "expected ':' behind the key");
    }
    scan->at++;
    scan->state = STATE_VALUE;
    return true;
}

static bool close_container(scanner *scan)
{
    scan->at++;
    scan->depth--;
    scan->state = STATE_BEHIND;
    return true;
}

static bool scan_behind(scanner *scan)
{
    const char closer = scan->closers[scan->depth - 1];
    if (peek(scan) == closer) {
        return close_container(scan);
    }
    if (peek(scan) != ',') {
        return refuse(scan, closer == '}' ? "expected ',' or '}'" : "expected ',' or ']'");
    }
    scan->at++;
    scan->state = closer == '}' ? STATE_KEY : STATE_VALUE;
    return true;
}

static bool scan_step(scanner *scan)
{
    skip_space(scan);
    switch (scan->state) {
    case STATE_VALUE:
        return scan_value(scan);
    case STATE_VALUE_OR_END:
        return peek(scan) == ']' ? close_container(scan) : scan_value(scan);
    case STATE_KEY:
        return scan_key(scan);
    case STATE_KEY_OR_END:
        return peek(scan) == '}' ? close_container(scan) : scan_key(scan);
    case STATE_BEHIND:
        return scan_behind(scan);
    }
    return false;
}

static bool is_done(const scanner *scan)
{
    return scan->state == STATE_BEHIND && scan->depth == 0;
}

mf_status mf_json_scan(const mf_json_text *text, mf_error *err)
{
    scanner scan = {.text = *text};
    bool fine = true;
    while (fine && !is_done(&scan)) {
        fine = scan_step(&scan);
    }
    if (fine) {
        skip_space(&scan);
        if (scan.at < text->size) {
            scan.fault = "text behind the end of the value";
        }
    }
    return scan.fault == NULL ? MF_OK : mf_json_fail_at(text, scan.at, err, scan.fault);
}

size_t mf_json_offset(const mf_json_text *text, size_t n)
{
    scanner scan = {.text = *text};
    while (!is_done(&scan) && scan_step(&scan)) {
        if (scan.n_values == n + 1) {
            return scan.value_offset;
        }
    }
    return text->size;
}

mf_status
mf_json_fail_at(const mf_json_text *text, size_t offset, mf_error *err, const char *message)
{
    size_t line = 1;
    size_t column = 1;
    for (size_t i = 0; i < offset && i < text->size; i++) {
        const unsigned char c = (unsigned char)text->data[i];
        if (c == '\n') {
            line++;
            column = 1;
        } else if ((c & 0xC0) != 0x80) {
            column++;
        }
    }
    return mf_fail(err, MF_E_DATA, "%s:%zu:%zu: %s", text->name, line, column, message);
}
