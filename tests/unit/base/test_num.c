#include "base/num.h"

#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <locale.h>
#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char *shown(double value, int digits)
{
    static char buffer[MF_NUMBER_SIZE];
    return mf_number_text(buffer, value, digits);
}

Test(num, parses_a_number_and_stops_behind_it)
{
    double value = 0;
    const char *end = NULL;
    cr_assert(mf_parse_number(&value, "1.5e2GB", &end));
    cr_expect(epsilon_eq(dbl, value, 150.0, 1e-12));
    cr_expect(eq(str, (char *)end, "GB"));
}

Test(num, an_exponent_without_digits_is_not_part_of_the_number)
{
    double value = 0;
    const char *end = NULL;
    cr_assert(mf_parse_number(&value, "3e", &end));
    cr_expect(epsilon_eq(dbl, value, 3.0, 1e-12));
    cr_expect(eq(str, (char *)end, "e"));
}

Test(num, refuses_what_is_not_decimal)
{
    double value = 7;
    cr_expect(not(mf_parse_number(&value, "inf", NULL)));
    cr_expect(not(mf_parse_number(&value, "nan", NULL)));
    cr_expect(not(mf_parse_number(&value, " 1", NULL)));
    cr_expect(not(mf_parse_number(&value, ".5", NULL)));
    cr_expect(not(mf_parse_number(&value, "1e999", NULL)));
    cr_expect(epsilon_eq(dbl, value, 7.0, 0.0), "a refused text must not change the value");
}

Test(num, parses_and_prints_alike_under_a_comma_locale)
{
    (void)setlocale(LC_ALL, "de_DE.UTF-8"); /* may be absent: then this is the plain case */
    double value = 0;
    cr_assert(mf_parse_number(&value, "1.5", NULL));
    cr_expect(epsilon_eq(dbl, value, 1.5, 1e-12));
    cr_expect(eq(str, (char *)shown(1.5, 3), "1.5"));
}

Test(num, unsigned_numbers_take_the_whole_text_and_64_bits)
{
    uint64_t value = 0;
    cr_assert(mf_parse_uint(&value, "18446744073709551615"));
    cr_expect(eq(u64, value, UINT64_MAX));
    cr_expect(not(mf_parse_uint(&value, "18446744073709551616")));
    cr_expect(not(mf_parse_uint(&value, "")));
    cr_expect(not(mf_parse_uint(&value, "-1")));
    cr_expect(not(mf_parse_uint(&value, "12a")));
}

Test(num, rounds_to_significant_digits)
{
    cr_expect(eq(str, (char *)shown(1234.5, 3), "1230"));
    cr_expect(eq(str, (char *)shown(0.012345, 3), "0.0123"));
    cr_expect(eq(str, (char *)shown(9.996, 3), "10"));
    cr_expect(eq(str, (char *)shown(0, 3), "0"));
    cr_expect(eq(str, (char *)shown(-0.0, 3), "0"));
    cr_expect(eq(str, (char *)shown(INFINITY, 3), "nan"));
    cr_expect(eq(str, (char *)shown(1e-9, 6), "0.000000001"));
}

Test(num, fixed_text_keeps_trailing_zeros)
{
    char buffer[MF_NUMBER_SIZE];
    cr_expect(eq(str, (char *)mf_fixed_text(buffer, 3.1, 2), "3.10"));
    cr_expect(eq(str, (char *)mf_fixed_text(buffer, NAN, 2), "nan"));
}

/* What printf gives: round in exponent form, print that, drop zeros at the end. */
static const char *printed(char *out, size_t size, double value, int digits)
{
    char exponent_form[64];
    (void)snprintf(exponent_form, sizeof exponent_form, "%.*e", digits - 1, value);
    const int exponent = atoi(strchr(exponent_form, 'e') + 1);
    const int decimals = digits - 1 - exponent;
    (void)snprintf(out, size, "%.*f", decimals > 0 ? decimals : 0, strtod(exponent_form, NULL));
    if (strchr(out, '.') != NULL) {
        size_t n = strlen(out);
        while (out[n - 1] == '0') {
            out[--n] = '\0';
        }
        if (out[n - 1] == '.') {
            out[n - 1] = '\0';
        }
    }
    return out;
}

Test(num, the_fast_way_prints_what_printf_prints)
{
    uint64_t state = 88172645463325252u;
    for (int i = 0; i < 200000; i++) {
        char expected[64];
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        const double value =
            ((double)(state >> 11) / 9007199254740992.0 - 0.5) * pow(10, (double)(state % 21) - 6);
        const int digits = 1 + (int)(state >> 60) % 9;
        cr_assert(eq(str,
                     (char *)shown(value, digits),
                     (char *)printed(expected, sizeof expected, value, digits)),
                  "%.17g with %d digits",
                  value,
                  digits);
    }
}

Test(num, ties_and_powers_of_ten_are_not_guessed)
{
    static const double values[] = {0.5,
                                    1.5,
                                    2.5,
                                    1234565,
                                    1234575,
                                    0.1,
                                    1,
                                    10,
                                    99999.95,
                                    999999.5,
                                    1e5,
                                    1e6,
                                    0.00001,
                                    123456.5,
                                    123455.5};
    for (size_t i = 0; i < sizeof values / sizeof values[0]; i++) {
        for (int digits = 1; digits <= 9; digits++) {
            char expected[64];
            cr_expect(eq(str,
                         (char *)shown(values[i], digits),
                         (char *)printed(expected, sizeof expected, values[i], digits)));
        }
    }
}
