#include "speed/given.h"

#include <math.h>
#include <stdlib.h>

#include "speed/update.h"

/* Rows of one engine, backend and use of flash attention. */
typedef struct group {
    const mf_speed_row **rows;
    size_t n;
    double *before; /* log errors */
} group;

static double log_error(const mf_calibration *c, const mf_speed_row *row)
{
    return log(row->measurement->tok_s / mf_speed_row_predict(row, c));
}

static double error_size(double log_error)
{
    return fabs(expm1(-log_error));
}

static bool alike(const mf_speed_row *a, const mf_speed_row *b)
{
    return a->measurement->engine == b->measurement->engine &&
           a->setting.runtime == b->setting.runtime &&
           a->setting.flash_attention == b->setting.flash_attention;
}

static size_t count_given(const group *g)
{
    size_t n = 0;
    for (size_t i = 0; i < g->n; i++) {
        n += g->rows[i]->step.depth > 0 ? 0 : 1;
    }
    return n;
}

/* All others from one row; the chip is then as it was. */
static mf_status
give(mf_given_chip *sum, mf_calibration *c, const group *g, size_t given, mf_error *err)
{
    const mf_speed_row *row = g->rows[given];
    const mf_speed_test test = row->measurement->test;
    mf_chip_effects *chip = mf_calibration_add_chip(c, row->setting.chip);
    if (!chip) {
        return mf_fail(err, MF_E_NOMEM, "no memory for chip '%s'", row->setting.chip);
    }
    const mf_chip_effects kept = *chip;
    const mf_status status = mf_speed_update(c, &row, 1, err);
    const double n_given = (double)count_given(g);
    for (size_t i = 0; status == MF_OK && i < g->n; i++) {
        if (i == given) {
            continue;
        }
        /* A row with an empty context is given itself once: it is predicted once less than a deep one. */
        const double weight = 1 / (g->rows[i]->step.depth > 0 ? n_given : n_given - 1);
        const double after = log_error(c, g->rows[i]);
        sum->n_rows += weight;
        sum->before += weight * error_size(g->before[i]);
        sum->after += weight * error_size(after);
        sum->covered += fabs(after) <= chip->half_width_log[test] ? weight : 0;
    }
    *chip = kept;
    return status;
}

static mf_status add_group(mf_given_chip *sum, mf_calibration *c, group *g, mf_error *err)
{
    mf_status status = MF_OK;
    for (size_t i = 0; i < g->n; i++) {
        g->before[i] = log_error(c, g->rows[i]);
    }
    for (size_t i = 0; status == MF_OK && g->n > 1 && i < g->n; i++) {
        if (!(g->rows[i]->step.depth > 0)) {
            status = give(sum, c, g, i, err);
        }
    }
    return status;
}

static bool is_current(mf_runtime runtime)
{
    return mf_runtime_mature(runtime) == runtime && runtime != MF_RUNTIME_CUDA_2024 &&
           runtime != MF_RUNTIME_METAL_2024;
}

static void add_up(mf_given_chip *to, const mf_given_chip *more)
{
    to->n_rows += more->n_rows;
    to->before += more->before;
    to->after += more->after;
    to->covered += more->covered;
}

/* Splits a chip's rows, which are moved to each group's front in turn; of today's builds, and of all. */
static mf_status add_groups(mf_given_chip *current,
                            mf_given_chip *sum,
                            mf_calibration *const calibrations[MF_ENGINE_COUNT],
                            group all,
                            mf_error *err)
{
    mf_status status = MF_OK;
    while (status == MF_OK && all.n > 0) {
        group g = {.rows = all.rows, .before = all.before};
        for (size_t i = 0; i < all.n; i++) {
            const mf_speed_row *row = all.rows[i];
            if (alike(row, all.rows[0])) {
                all.rows[i] = g.rows[g.n];
                g.rows[g.n] = row;
                g.n++;
            }
        }
        mf_given_chip part = {0};
        const mf_runtime runtime = g.rows[0]->setting.runtime;
        status = add_group(&part, calibrations[g.rows[0]->measurement->engine], &g, err);
        add_up(sum, &part);
        if (is_current(runtime)) {
            add_up(current, &part);
        }
        all.rows += g.n;
        all.n -= g.n;
    }
    return status;
}

static mf_status add_chip(mf_given *to, mf_given_chip chip, mf_error *err)
{
    mf_given_chip *chips = realloc(to->chips, (to->n_chips + 1) * sizeof *chips);
    if (!chips) {
        return mf_fail(err, MF_E_NOMEM, "no memory for a chip's figures");
    }
    to->chips = chips;
    chips[to->n_chips] = chip;
    to->n_chips++;
    return MF_OK;
}

mf_status mf_given_visit(void *context,
                         const mf_fit *fit,
                         const bool *used,
                         mf_calibration *const calibrations[MF_ENGINE_COUNT],
                         mf_error *err)
{
    const size_t n = mf_fit_row_count(fit);
    mf_given_chip sum = {0};
    mf_given_chip current = {.current = true};
    group all = {.rows = calloc(n + 1, sizeof *all.rows),
                 .before = calloc(n + 1, sizeof *all.before)};
    mf_status status =
        all.rows && all.before ? MF_OK : mf_fail(err, MF_E_NOMEM, "no memory for %zu rows", n);
    for (size_t i = 0; status == MF_OK && i < n; i++) {
        if (!used[i]) {
            all.rows[all.n] = mf_fit_row(fit, i);
            sum.vendor = mf_chip_class_vendor(all.rows[all.n]->setting.chip_class);
            current.vendor = sum.vendor;
            all.n++;
        }
    }
    if (status == MF_OK) {
        status = add_groups(&current, &sum, calibrations, all, err);
    }
    if (status == MF_OK && sum.n_rows > 0) {
        status = add_chip(context, sum, err);
    }
    if (status == MF_OK && current.n_rows > 0) {
        status = add_chip(context, current, err);
    }
    free(all.rows);
    free(all.before);
    return status;
}

/* Whose chips, and of which builds. */
typedef struct scope {
    bool all;
    mf_vendor vendor;
    bool current;
} scope;

static const char *key_of(scope s)
{
    static const char *const current_of_vendor[] = {
#define CURRENT(name, text) [name] = (text ", today's builds"),
        MF_VENDOR_LIST(CURRENT)
#undef CURRENT
    };
    if (s.all) {
        return s.current ? "all, today's builds" : "all";
    }
    return s.current ? current_of_vendor[s.vendor] : mf_vendor_name(s.vendor);
}

static mf_validation_given sum_chips(const mf_given *given, mf_speed_test test, scope s)
{
    mf_validation_given sum = {.test = test, .key = key_of(s)};
    double n_rows = 0;
    for (size_t i = 0; i < given->n_chips; i++) {
        const mf_given_chip *chip = &given->chips[i];
        if ((s.all || chip->vendor == s.vendor) && chip->current == s.current) {
            sum.n_chips++;
            n_rows += chip->n_rows;
            sum.chips_before += chip->before / chip->n_rows;
            sum.chips_after += chip->after / chip->n_rows;
            sum.rows_before += chip->before;
            sum.rows_after += chip->after;
            sum.coverage90 += chip->covered;
        }
    }
    if (sum.n_chips > 0) {
        sum.n_rows = (size_t)lround(n_rows);
        sum.chips_before /= (double)sum.n_chips;
        sum.chips_after /= (double)sum.n_chips;
        sum.rows_before /= n_rows;
        sum.rows_after /= n_rows;
        sum.coverage90 /= n_rows;
    }
    return sum;
}

static void add_scope(mf_validation *to, const mf_given *given, mf_speed_test test, scope s)
{
    const mf_validation_given whole = sum_chips(given, test, s);
    s.current = true;
    const mf_validation_given current = sum_chips(given, test, s);
    if (whole.n_chips > 0) {
        to->given[to->n_given] = whole;
        to->n_given++;
    }
    if (current.n_chips > 0 && current.n_rows != whole.n_rows) {
        to->given[to->n_given] = current;
        to->n_given++;
    }
}

mf_status mf_given_sum(mf_validation *to, const mf_given *given, mf_speed_test test, mf_error *err)
{
    enum { N_VENDORS = MF_CLASS_COUNT }; /* no more than classes */
    const size_t room = to->n_given + 2 * ((size_t)N_VENDORS + 1);
    mf_validation_given *items = realloc(to->given, room * sizeof *items);
    bool done[N_VENDORS] = {false};
    if (!items) {
        return mf_fail(err, MF_E_NOMEM, "no memory for %zu figures", room);
    }
    to->given = items;
    add_scope(to, given, test, (scope){.all = true});
    for (size_t i = 0; i < given->n_chips; i++) {
        const mf_vendor vendor = given->chips[i].vendor;
        if (!done[vendor]) {
            done[vendor] = true;
            add_scope(to, given, test, (scope){.vendor = vendor});
        }
    }
    return MF_OK;
}
