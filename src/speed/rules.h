/*
 * rules.h - decode speed by the rules that other tools publish, for comparison on the same rows.
 */
#ifndef MF_SPEED_RULES_H
#define MF_SPEED_RULES_H

#include "memfit/validation.h"
#include "speed/rows.h"

/* Tokens per second of a decode row without `skip`. */
double mf_published_decode(mf_published_rule rule, const mf_speed_row *row);

#endif
