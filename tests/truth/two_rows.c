/*
 * two_rows - how much two runs of an engine tell of a chip that nobody measured: two_rows ROWS.csv DATABASE
 *
 * Each device with 6 rows of one engine and backend or more is left out of the fit; then its smallest and its largest
 * dense model are given, and the other rows predicted before and after. Twice: with the least deep row of each, and with
 * all depths of the same run (`llama-bench -d 0,4096,16384` makes several). Figures are means over devices of the mean
 * over a device's rows, as rows are unevenly spread (257 are one chip).
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "memfit/memfit.h"
#include "speed/fit.h"
#include "speed/update.h"

#define LEAST_ROWS 6
#define DECODE_BAR 0.08
#define APPLE_BAR 0.07
#define PREFILL_BAR 0.15

typedef enum given { ROW_EACH, RUN_EACH, GIVEN_COUNT } given;

#define MOST_DEVICES 128

typedef struct device_sum {
    const char *chip;
    bool apple;
    double before, after; /* of |predicted / measured - 1| */
    size_t n;
} device_sum;

typedef struct sums {
    device_sum devices[MOST_DEVICES];
    size_t n_devices;
    double logs[4096]; /* |ln| after, for the interval */
    size_t n_rows;
} sums;

static sums totals[MF_TEST_COUNT][GIVEN_COUNT];

typedef struct group {
    const mf_speed_row *rows[1024];
    size_t n;
} group;

static bool in_group(const mf_speed_row *a, const mf_speed_row *b)
{
    return a->device == b->device && a->measurement->engine == b->measurement->engine &&
           a->setting.runtime == b->setting.runtime &&
           a->setting.flash_attention == b->setting.flash_attention;
}

static bool is_dense(const mf_speed_row *row)
{
    return row->work->n_moe_layers <= 0;
}

/* The least deep row of the smallest (sign 1) or largest (sign -1) dense model. */
static const mf_speed_row *extreme(const group *g, double sign)
{
    const mf_speed_row *best = NULL;
    for (size_t i = 0; i < g->n; i++) {
        const mf_speed_row *row = g->rows[i];
        const double size = sign * row->work->read_bytes;
        const double other = best != NULL ? sign * best->work->read_bytes : 0;
        if (is_dense(row) && (best == NULL || size < other ||
                              (size <= other && row->step.depth < best->step.depth))) {
            best = row;
        }
    }
    return best;
}

static double error_of(const mf_speed_row *row, const mf_calibration *c)
{
    return fabs(mf_speed_row_predict(row, c) / row->measurement->tok_s - 1);
}

static device_sum *device_of(sums *s, const mf_speed_row *row)
{
    size_t i = 0;
    while (i < s->n_devices && strcmp(s->devices[i].chip, row->setting.chip) != 0) {
        i++;
    }
    if (i == s->n_devices) {
        s->devices[i] =
            (device_sum){.chip = row->setting.chip,
                         .apple = mf_chip_class_vendor(row->setting.chip_class) == MF_VENDOR_APPLE};
        s->n_devices++;
    }
    return &s->devices[i];
}

/* The rows that are given: one of each model, or its whole run. */
static size_t give(const mf_speed_row **out, const group *g, given how)
{
    const mf_speed_row *ends[2] = {extreme(g, 1), extreme(g, -1)};
    if (ends[0] == NULL || ends[1] == NULL || ends[0]->model == ends[1]->model) {
        return 0;
    }
    size_t n = 0;
    for (size_t i = 0; i < g->n; i++) {
        for (size_t e = 0; e < 2; e++) {
            const mf_speed_row *row = g->rows[i];
            const bool same_run = row->model == ends[e]->model && row->quant == ends[e]->quant &&
                                  row->source == ends[e]->source;
            if (row == ends[e] || (how == RUN_EACH && same_run)) {
                out[n] = row;
                n++;
            }
        }
    }
    return n;
}

static bool is_given(const mf_speed_row *row, const mf_speed_row *const *rows, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        if (rows[i] == row) {
            return true;
        }
    }
    return false;
}

static void score(const group *g, mf_calibration *c, mf_speed_test test, given how)
{
    const mf_speed_row *rows[1024];
    double before[1024];
    mf_error err = {0};
    const size_t n_given = give(rows, g, how);
    if (n_given == 0 || n_given == g->n) {
        return;
    }
    for (size_t i = 0; i < g->n; i++) {
        before[i] = error_of(g->rows[i], c);
    }
    if (mf_speed_update(c, rows, n_given, &err) != MF_OK) {
        fprintf(stderr, "two_rows: %s\n", err.message);
        exit(1);
    }
    sums *s = &totals[test][how];
    device_sum mine = {0};
    for (size_t i = 0; i < g->n; i++) {
        const mf_speed_row *row = g->rows[i];
        if (is_given(row, rows, n_given)) {
            continue;
        }
        s->logs[s->n_rows] = fabs(log(mf_speed_row_predict(row, c) / row->measurement->tok_s));
        s->n_rows++;
        mine.before += before[i];
        mine.after += error_of(row, c);
        mine.n++;
    }
    device_sum *device = device_of(s, rows[0]);
    device->before += mine.before;
    device->after += mine.after;
    device->n += mine.n;
    printf("%-7s %s %-24s %-12s %s %3zu of %3zu rows given  %5.1f -> %5.1f %%   %s, %s\n",
           mf_speed_test_name(test),
           how == ROW_EACH ? "row" : "run",
           rows[0]->setting.chip,
           mf_runtime_name(rows[0]->setting.runtime),
           rows[0]->setting.flash_attention ? "flash" : "     ",
           n_given,
           g->n,
           100 * mine.before / (double)mine.n,
           100 * mine.after / (double)mine.n,
           extreme(g, 1)->measurement->model,
           extreme(g, -1)->measurement->model);
}

/* fit: of all rows; others: of all but the device's. */
static mf_status score_device(
    const mf_fit *fit, const mf_fit *others, size_t device, mf_speed_test test, mf_error *err)
{
    const size_t n = mf_fit_row_count(fit);
    bool *done = calloc(n + 1, sizeof *done);
    mf_status status = done ? MF_OK : mf_fail(err, MF_E_NOMEM, "no memory");
    for (size_t i = 0; status == MF_OK && i < n; i++) {
        const mf_speed_row *first = mf_fit_row(fit, i);
        group g = {0};
        if (done[i] || first->device != device) {
            continue;
        }
        for (size_t j = i; j < n; j++) {
            const mf_speed_row *row = mf_fit_row(fit, j);
            if (!done[j] && in_group(first, row)) {
                g.rows[g.n] = row;
                g.n++;
                done[j] = true;
            }
        }
        if (g.n < LEAST_ROWS) {
            continue;
        }
        for (size_t how = 0; status == MF_OK && how < GIVEN_COUNT; how++) {
            const mf_engine_id engine = first->measurement->engine;
            mf_calibration *c = NULL;
            status = mf_calibration_new(&c, mf_engine_name(engine), err);
            if (status == MF_OK) {
                status = mf_fit_export(c, others, engine, err);
            }
            if (status == MF_OK) {
                score(&g, c, test, (given)how);
            }
            mf_calibration_free(c);
        }
    }
    free(done);
    return status;
}

static mf_status without_device(
    const mf_fit *full, const mf_speed_rows *rows, size_t device, mf_speed_test test, mf_error *err)
{
    mf_fit *others = NULL;
    bool *wanted = calloc(rows->n_items + 1, sizeof *wanted);
    mf_status status = wanted ? MF_OK : mf_fail(err, MF_E_NOMEM, "no memory");
    for (size_t i = 0; status == MF_OK && i < rows->n_items; i++) {
        wanted[i] = rows->items[i].device != device;
    }
    status = status == MF_OK ? mf_fit_new(&others, rows, test, wanted, err) : status;
    status = status == MF_OK ? mf_fit_solve(others, err) : status;
    status = status == MF_OK ? score_device(full, others, device, test, err) : status;
    mf_fit_free(others);
    free(wanted);
    return status;
}

static mf_status run_test(const mf_speed_rows *rows, mf_speed_test test, mf_error *err)
{
    mf_fit *full = NULL;
    mf_status status = mf_fit_new(&full, rows, test, NULL, err);
    const size_t n = full != NULL ? mf_fit_row_count(full) : 0;
    bool *done = calloc(n + 1, sizeof *done);
    for (size_t i = 0; status == MF_OK && i < n; i++) {
        const size_t device = mf_fit_row(full, i)->device;
        size_t n_of_device = 0;
        for (size_t j = i; j < n && !done[i]; j++) {
            n_of_device += mf_fit_row(full, j)->device == device ? 1 : 0;
        }
        for (size_t j = i; j < n; j++) {
            done[j] = done[j] || mf_fit_row(full, j)->device == device;
        }
        if (n_of_device >= LEAST_ROWS) {
            status = without_device(full, rows, device, test, err);
        }
    }
    free(done);
    mf_fit_free(full);
    return status;
}

static int by_value(const void *a, const void *b)
{
    const double x = *(const double *)a;
    const double y = *(const double *)b;
    return (x > y) - (x < y);
}

/* True if the mean over devices is within the bar. */
static bool print_totals(mf_speed_test test, given how, bool apple, double bar)
{
    sums *s = &totals[test][how];
    double before = 0;
    double after = 0;
    double all[MOST_DEVICES];
    size_t n = 0;
    for (size_t i = 0; i < s->n_devices; i++) {
        const device_sum *d = &s->devices[i];
        if (apple && !d->apple) {
            continue;
        }
        all[n] = d->after / (double)d->n;
        before += d->before / (double)d->n;
        after += all[n];
        n++;
    }
    qsort(all, n, sizeof all[0], by_value);
    qsort(s->logs, s->n_rows, sizeof s->logs[0], by_value);
    printf("%-7s, one %s each, %-5s %2zu devices: %5.1f -> %5.1f %%, median %5.1f %%, bar %2.0f "
           "%%%s\n",
           mf_speed_test_name(test),
           how == ROW_EACH ? "row" : "run",
           apple ? "apple" : "all",
           n,
           100 * before / (double)n,
           100 * after / (double)n,
           100 * all[n / 2],
           100 * bar,
           after / (double)n <= bar ? "" : "  MISSED");
    if (!apple) {
        printf("         90 %% of %zu rows are within a factor of %.2f\n",
               s->n_rows,
               exp(s->logs[s->n_rows * 9 / 10]));
    }
    return after / (double)n <= bar;
}

int main(int argc, char **argv)
{
    mf_error err = {0};
    mf_measurements measurements = {0};
    mf_speed_rows rows = {0};
    mf_database *database = NULL;
    if (argc != 3) {
        fprintf(stderr, "usage: two_rows ROWS.csv DATABASE\n");
        return 2;
    }
    mf_init();
    const char *const folders[] = {argv[2]};
    mf_status status = mf_database_open(&database, folders, 1, &err);
    status = status == MF_OK ? mf_measurements_load(&measurements, argv[1], &err) : status;
    status = status == MF_OK ? mf_speed_rows_build(&rows, &measurements, database, &err) : status;
    for (size_t t = 0; status == MF_OK && t < MF_TEST_COUNT; t++) {
        status = run_test(&rows, (mf_speed_test)t, &err);
    }
    bool held = status == MF_OK;
    for (size_t how = 0; status == MF_OK && how < GIVEN_COUNT; how++) {
        const given g = (given)how;
        held = print_totals(MF_TEST_DECODE, g, false, DECODE_BAR) && held;
        held = print_totals(MF_TEST_DECODE, g, true, APPLE_BAR) && held;
        held = print_totals(MF_TEST_PREFILL, g, false, PREFILL_BAR) && held;
        held = print_totals(MF_TEST_PREFILL, g, true, PREFILL_BAR) && held;
    }
    if (status != MF_OK) {
        fprintf(stderr, "two_rows: %s\n", err.message);
    }
    mf_speed_rows_free(&rows);
    mf_measurements_free(&measurements);
    mf_database_close(database);
    return held ? 0 : 1;
}
