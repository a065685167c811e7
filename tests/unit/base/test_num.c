#include "base/num.h"

#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <locale.h>
#include <math.h>
#include <stdint.h>

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
