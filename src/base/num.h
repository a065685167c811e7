/*
 * num.h - the only place that parses and prints numbers with a fraction: always as in the C locale.
 *
 * Under de_DE strtod("1.5") is 1 and printf writes "1,5", so nothing else may call strtod, atof or print with %f, %g.
 */
#ifndef MF_BASE_NUM_H
#define MF_BASE_NUM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define MF_NUMBER_SIZE 40 /* room for any text mf_number_text writes */

/* Parses a decimal number at the start of text (no hex, no "inf", no "nan", no leading space). *end is set behind it.
   False if there is none or it overflows. */
bool mf_parse_number(double *value, const char *text, const char **end);

/* Parses digits only, whole text, no sign. False on anything else or above 2^64 - 1. */
bool mf_parse_uint(uint64_t *value, const char *text);

/* Writes value with this many significant digits, trailing zeros dropped, never with an exponent below 1e15:
   1234.5 with 3 digits is "1230", 0.012345 is "0.0123". Returns buffer. Not finite: "nan". */
const char *mf_number_text(char buffer[MF_NUMBER_SIZE], double value, int digits);

/* The same; returns the end of the text, where a 0 stands. */
char *mf_number_put(char buffer[MF_NUMBER_SIZE], double value, int digits);

/* Writes value with this many decimals: 3.14159 with 2 is "3.14". */
const char *mf_fixed_text(char buffer[MF_NUMBER_SIZE], double value, int decimals);

#endif
