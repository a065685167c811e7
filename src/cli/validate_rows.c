/*
 * validate_rows.c - the measured rows as they were given, with what was predicted behind them.
 */
#include <stdlib.h>
#include <string.h>

#include "base/num.h"
#include "cli/validate.h"
#include "speed/csv.h"

enum { MAX_FIELDS = 256, DIGITS = 6 };

static const char added[] = ",pred_tok_s,pred_low_tok_s,pred_high_tok_s,basis,skip_reason\n";

static void add_field(mf_str *out, const char *field)
{
    if (strpbrk(field, ",\"\n\r") == NULL) {
        mf_str_add(out, field);
        return;
    }
    mf_str_add(out, "\"");
    for (const char *c = field; *c != '\0'; c++) {
        mf_str_add(out, *c == '"' ? "\"" : "");
        mf_str_add_n(out, c, 1);
    }
    mf_str_add(out, "\"");
}

static void add_fields(mf_str *out, char **fields, size_t n)
{
    for (size_t i = 0; i < n && i < MAX_FIELDS; i++) {
        mf_str_add(out, i > 0 ? "," : "");
        add_field(out, fields[i]);
    }
}

static void add_prediction(mf_str *out, const mf_validated *row)
{
    char text[MF_NUMBER_SIZE];
    const double figures[] = {row->rate.tok_s, row->rate.low_tok_s, row->rate.high_tok_s};
    for (size_t i = 0; i < sizeof figures / sizeof figures[0]; i++) {
        mf_str_printf(out, ",%s", row->rate.known ? mf_number_text(text, figures[i], DIGITS) : "");
    }
    mf_str_printf(out, ",%s,", row->rate.known ? mf_basis_name(row->rate.basis) : "");
    add_field(out, row->skip != NULL ? row->skip : "");
    mf_str_add(out, "\n");
}

mf_status
mf_validate_rows(mf_str *out, const mf_str *csv, const mf_validation *validation, mf_error *err)
{
    char *fields[MAX_FIELDS];
    size_t n = 0;
    size_t next = 0;
    char *copy = mf_strdup(csv->data);
    if (copy == NULL) {
        return mf_fail(err, MF_E_NOMEM, "out of memory for %zu bytes of rows", csv->size);
    }
    mf_csv reader = {.next = copy};
    if (mf_csv_row(&reader, fields, MAX_FIELDS, &n)) {
        add_fields(out, fields, n);
        mf_str_add(out, added);
    }
    while (next < validation->n_items && mf_csv_row(&reader, fields, MAX_FIELDS, &n)) {
        if (n == 1 && fields[0][0] == '\0') {
            continue;
        }
        add_fields(out, fields, n);
        add_prediction(out, &validation->items[next]);
        next++;
    }
    free(copy);
    return mf_str_status(out, err);
}
