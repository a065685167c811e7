#include "base/num.h"

#include <locale.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* newlocale and uselocale are POSIX 2008; Apple keeps them in a header of its own. */
#ifdef __APPLE__
#include <xlocale.h>
#endif

enum { MAX_NUMBER_TEXT = 64 };

/* Runs inside the C locale of this thread, whatever the program set. */
typedef struct c_locale {
    locale_t ours;
    locale_t before;
} c_locale;

static c_locale enter_c_locale(void)
{
    c_locale c = {.ours = newlocale(LC_ALL_MASK, "C", (locale_t)0), .before = (locale_t)0};
    if (c.ours != (locale_t)0) {
        c.before = uselocale(c.ours);
    }
    return c;
}

static void leave_c_locale(c_locale c)
{
    if (c.ours != (locale_t)0) {
        (void)uselocale(c.before);
        freelocale(c.ours);
    }
}

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

/* Length of a decimal number at the start of text: [-]digits[.digits][e[+-]digits], or 0. */
static size_t number_length(const char *text)
{
    size_t i = text[0] == '-' ? 1 : 0;
    const size_t first = i;
    while (is_digit(text[i])) {
        i++;
    }
    if (i == first) {
        return 0;
    }
    if (text[i] == '.' && is_digit(text[i + 1])) {
        i++;
        while (is_digit(text[i])) {
            i++;
        }
    }
    if (text[i] == 'e' || text[i] == 'E') {
        const size_t sign = text[i + 1] == '+' || text[i + 1] == '-' ? 1 : 0;
        if (is_digit(text[i + 1 + sign])) {
            i += 1 + sign;
            while (is_digit(text[i])) {
                i++;
            }
        }
    }
    return i;
}

bool mf_parse_number(double *value, const char *text, const char **end)
{
    const size_t n = number_length(text);
    char copy[MAX_NUMBER_TEXT];
    if (n == 0 || n >= sizeof copy) {
        return false;
    }
    memcpy(copy, text, n);
    copy[n] = '\0';
    const c_locale c = enter_c_locale();
    const double parsed = strtod(copy, NULL);
    leave_c_locale(c);
    if (!isfinite(parsed)) {
        return false;
    }
    *value = parsed;
    if (end != NULL) {
        *end = text + n;
    }
    return true;
}

bool mf_parse_uint(uint64_t *value, const char *text)
{
    uint64_t n = 0;
    if (text[0] == '\0') {
        return false;
    }
    for (const char *c = text; *c != '\0'; c++) {
        if (!is_digit(*c) || __builtin_mul_overflow(n, (uint64_t)10, &n) ||
            __builtin_add_overflow(n, (uint64_t)(*c - '0'), &n)) {
            return false;
        }
    }
    *value = n;
    return true;
}

static const char *print_fixed(char buffer[MF_NUMBER_SIZE], double value, int decimals)
{
    const c_locale c = enter_c_locale();
    const int n = snprintf(buffer, MF_NUMBER_SIZE, "%.*f", decimals, value);
    leave_c_locale(c);
    if (n < 0 || n >= MF_NUMBER_SIZE) {
        (void)snprintf(buffer, MF_NUMBER_SIZE, "nan");
    }
    return buffer;
}

const char *mf_fixed_text(char buffer[MF_NUMBER_SIZE], double value, int decimals)
{
    if (!isfinite(value)) {
        (void)snprintf(buffer, MF_NUMBER_SIZE, "nan");
        return buffer;
    }
    return print_fixed(buffer, value, decimals);
}

enum { FAST_DIGITS = 9 };

/* Writes n as decimal digits, `decimals` of them behind a point, without zeros at the end. */
static char *print_scaled(char *out, uint64_t n, int decimals, bool negative)
{
    char digits[24];
    size_t first = sizeof digits;
    while (decimals > 0 && n % 10 == 0) {
        n /= 10;
        decimals--;
    }
    for (int i = 0; n > 0 || i <= decimals; i++) {
        if (i == decimals && decimals > 0) {
            digits[--first] = '.';
        }
        digits[--first] = (char)('0' + n % 10);
        n /= 10;
    }
    if (negative) {
        *out++ = '-';
    }
    memcpy(out, digits + first, sizeof digits - first);
    out += sizeof digits - first;
    *out = '\0';
    return out;
}

/* The largest power of ten that is not above size, which is at least the first of them. */
static int decimal_exponent(double size)
{
    enum { LOWEST = -5, HIGHEST = 13 };
    static const double powers[] = {1e-5,
                                    1e-4,
                                    1e-3,
                                    1e-2,
                                    1e-1,
                                    1e0,
                                    1e1,
                                    1e2,
                                    1e3,
                                    1e4,
                                    1e5,
                                    1e6,
                                    1e7,
                                    1e8,
                                    1e9,
                                    1e10,
                                    1e11,
                                    1e12,
                                    1e13};
    int e = size >= 1 ? 0 : LOWEST;
    while (e < HIGHEST && size >= powers[e + 1 - LOWEST]) {
        e++;
    }
    return e;
}

/* The same text as by printf, where doubles give it beyond doubt: powers of ten up to 10^22 are exact, so that the scaled
   value is off by at most half a unit in its last place, far less than the distance from a tie that is asked for. NULL
   where there is doubt. */
static char *print_fast(char buffer[MF_NUMBER_SIZE], double value, int digits)
{
    static const double powers[] = {
        1e0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14};
    static const double smallest = 1e-5;
    static const double largest = 1e14;
    static const double doubt = 1e-4;
    const double size = fabs(value);
    if (digits < 1 || digits > FAST_DIGITS || !(size >= smallest) || !(size < largest)) {
        return NULL;
    }
    const int decimals = digits - 1 - decimal_exponent(size);
    const double scaled = decimals >= 0 ? size * powers[decimals] : size / powers[-decimals];
    const uint64_t whole = (uint64_t)scaled;
    const double rest = scaled - (double)whole;
    if (fabs(rest - 0.5) < doubt || scaled < powers[digits - 1]) {
        return NULL;
    }
    uint64_t n = rest < 0.5 ? whole : whole + 1;
    for (int i = 0; i < -decimals; i++) {
        n *= 10;
    }
    return print_scaled(buffer, n, decimals > 0 ? decimals : 0, value < 0);
}

char *mf_number_put(char buffer[MF_NUMBER_SIZE], double value, int digits)
{
    char *end = print_fast(buffer, value, digits);
    if (end == NULL) {
        (void)mf_number_text(buffer, value, digits);
        end = buffer + strlen(buffer);
    }
    return end;
}

const char *mf_number_text(char buffer[MF_NUMBER_SIZE], double value, int digits)
{
    if (print_fast(buffer, value, digits) != NULL) {
        return buffer;
    }
    if (!isfinite(value)) {
        (void)snprintf(buffer, MF_NUMBER_SIZE, "nan");
        return buffer;
    }
    /* Round in exponent form first, so that 9.996 with 3 digits becomes 10.0 and not 10.00. */
    const double magnitude_limit = 1e15;
    const c_locale c = enter_c_locale();
    (void)snprintf(buffer, MF_NUMBER_SIZE, "%.*e", digits - 1, value);
    const double rounded = strtod(buffer, NULL);
    leave_c_locale(c);
    const char *e = strchr(buffer, 'e');
    const long exponent = e != NULL ? strtol(e + 1, NULL, 10) : 0;
    if (fabs(rounded) >= magnitude_limit) {
        return buffer;
    }
    const long decimals = digits - 1 - exponent;
    print_fixed(buffer, rounded, decimals > 0 ? (int)(decimals < 30 ? decimals : 30) : 0);
    if (strchr(buffer, '.') != NULL) {
        size_t n = strlen(buffer);
        while (buffer[n - 1] == '0') {
            n--;
        }
        if (buffer[n - 1] == '.') {
            n--;
        }
        buffer[n] = '\0';
    }
    if (strcmp(buffer, "-0") == 0) {
        (void)snprintf(buffer, MF_NUMBER_SIZE, "0");
    }
    return buffer;
}
