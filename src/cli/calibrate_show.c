/*
 * calibrate_show.c - records as people read them: one, or several side by side.
 */
#include <math.h>
#include <string.h>

#include "base/units.h"
#include "cli/calibrate.h"

enum { TEST_WIDTH = 17, RATE_WIDTH = 16, DIGITS = 3, TEXT_SIZE = MF_NUMBER_SIZE + 16 };

static const char *
rate_text(char buffer[TEXT_SIZE], const mf_record_result *r, const mf_fact *seconds)
{
    switch (r->unit) {
    case MF_UNIT_BYTE:
        return mf_quantity_text(buffer, r->work.value / seconds->value, MF_DIM_BANDWIDTH, DIGITS);
    case MF_UNIT_FLOP:
        return mf_quantity_text(buffer, r->work.value / seconds->value, MF_DIM_FLOP_RATE, DIGITS);
    case MF_UNIT_CALL:
        break;
    }
    return mf_quantity_text(buffer, seconds->value, MF_DIM_TIME, DIGITS);
}

static bool has_figure(const mf_record_result *r)
{
    return r->outcome == MF_OUTCOME_MEASURED && r->median_s.known && r->median_s.value > 0;
}

static void add_flags(mf_str *out, const mf_record_result *r)
{
    const struct {
        bool set;
        const char *text;
    } flags[] = {
        {r->noisy,                            "noisy"       },
        {r->throttled,                        "slowing down"},
        {r->unsettled,                        "never steady"},
        {r->message != NULL && has_figure(r), r->message    },
    };
    const char *separator = "  ";
    for (size_t i = 0; i < sizeof flags / sizeof flags[0]; i++) {
        if (flags[i].set) {
            mf_str_printf(out, "%s%s", separator, flags[i].text);
            separator = ", ";
        }
    }
}

static void add_result(mf_str *out, const mf_record_result *r)
{
    char rate[TEXT_SIZE];
    char spread[MF_NUMBER_SIZE];
    if (!has_figure(r)) {
        mf_str_printf(out,
                      "  %-*s%s%s%s\n",
                      TEST_WIDTH,
                      mf_probe_name(r->probe),
                      mf_outcome_name(r->outcome),
                      r->message != NULL ? ": " : "",
                      r->message != NULL ? r->message : "");
        return;
    }
    const double half = 50 * (r->high_s.value - r->low_s.value) / r->median_s.value;
    mf_str_printf(out,
                  "  %-*s%-*s+-%s %%",
                  TEST_WIDTH,
                  mf_probe_name(r->probe),
                  RATE_WIDTH,
                  rate_text(rate, r, &r->median_s),
                  mf_fixed_text(spread, half, 1));
    add_flags(out, r);
    mf_str_add(out, "\n");
}

void mf_show_record(mf_str *out, const mf_record *record)
{
    char text[TEXT_SIZE];
    mf_str_printf(out, "%s: %s\n", record->id, record->name);
    mf_str_printf(out,
                  "%s, %s, %s, %s%s%s\n",
                  record->date,
                  record->program,
                  mf_probe_backend_name(record->backend),
                  record->system,
                  record->driver != NULL ? ", " : "",
                  record->driver != NULL ? record->driver : "");
    if (record->memory_bytes.known) {
        mf_str_printf(out, "memory %s", mf_bytes_text(text, record->memory_bytes.value, DIGITS));
        if (record->limit_bytes.known) {
            mf_str_printf(
                out, ", of it usable %s", mf_bytes_text(text, record->limit_bytes.value, DIGITS));
        }
        mf_str_add(out, "\n");
    }
    mf_str_add(out, "\n");
    for (size_t i = 0; i < record->n_results; i++) {
        add_result(out, &record->results[i]);
    }
    if (!record->complete) {
        mf_str_add(out, "\nnot complete: it was stopped, or the time ran out\n");
    }
    if (record->throttled) {
        mf_str_add(
            out,
            "\nit slowed down meanwhile: cooling or power limits; the figures are means of both\n");
    }
    if (record->noisy) {
        mf_str_add(out,
                   "\nhalf of the tests are noisy: something else is running, measure again\n");
    }
}

/* Rates of each test in columns, and what the last is of the first. */
void mf_show_records(mf_str *out, mf_record *const *records, size_t n)
{
    char text[TEXT_SIZE];
    mf_str_printf(out, "%-*s", TEST_WIDTH, "");
    for (size_t k = 0; k < n; k++) {
        mf_str_printf(out, "%-*.*s ", RATE_WIDTH, RATE_WIDTH, records[k]->id);
    }
    mf_str_add(out, "last/first\n");
    for (int p = 0; p < MF_PROBE_COUNT; p++) {
        const mf_record_result *first = mf_record_find(records[0], (mf_probe)p);
        const mf_record_result *last = mf_record_find(records[n - 1], (mf_probe)p);
        bool any = false;
        for (size_t k = 0; k < n; k++) {
            any = any || mf_record_find(records[k], (mf_probe)p) != NULL;
        }
        if (!any) {
            continue;
        }
        mf_str_printf(out, "%-*s", TEST_WIDTH, mf_probe_name((mf_probe)p));
        for (size_t k = 0; k < n; k++) {
            const mf_record_result *r = mf_record_find(records[k], (mf_probe)p);
            mf_str_printf(
                out, "%-*s ", RATE_WIDTH, r != NULL ? rate_text(text, r, &r->median_s) : "-");
        }
        if (first != NULL && last != NULL) {
            const double ratio = mf_record_rate(records[n - 1], (mf_probe)p) /
                                 mf_record_rate(records[0], (mf_probe)p);
            mf_str_add(out, mf_fixed_text(text, ratio, 2));
        }
        mf_str_add(out, "\n");
    }
}
