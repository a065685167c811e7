/*
 * explain_json.h - where the numbers of fit's, compare's, plan's, cost's and simulate's JSON come from.
 */
#ifndef MF_CLI_EXPLAIN_JSON_H
#define MF_CLI_EXPLAIN_JSON_H

#include "base/str.h"
#include "facts/json.h"

/* True for a text of theirs, or a list of such. */
bool mf_explains_json(const mf_node *root);

/* word NULL: a line for each number, and "not traced" for those that nothing is known of. Otherwise formula, inputs and
   sources of those whose name begins with it. Returns how many were listed. */
size_t mf_explain_json(mf_str *out, const mf_node *root, const char *word);

#endif
