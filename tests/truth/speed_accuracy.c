/*
 * speed_accuracy - predicts every published row that one device made and holds the law to its bars.
 *
 * The rows are those the coefficients were fitted to, so the bars are in-sample; beside them stand the figures of rows
 * left out of the fit, which the calibration file carries, and the intervals' coverage.
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "speed/interval.h"
#include "speed/rows.h"

#define DECODE_BAR 0.07
#define PREFILL_BAR 0.13
#define SKIPPED_BAR 0.05
#define N_WORST 20

typedef struct scored {
    const mf_speed_row *row;
    double error;  /* predicted / measured - 1 */
    double unseen; /* the same without the chip's own effects */
    bool covered;  /* by the interval */
    bool covered_unseen;
} scored;

typedef struct scores {
    scored *items;
    size_t n_items;
    size_t n_skipped;
    const mf_calibration *calibrations[MF_ENGINE_COUNT];
} scores;

static bool is_usable(const mf_measurement *m)
{
    return (m->trust == MF_TRUST_HIGH || m->trust == MF_TRUST_MEDIUM) && m->n_devices == 1;
}

static bool
is_covered(const mf_calibration *c, const mf_speed_row *row, mf_setting setting, double error)
{
    const mf_speed_test test = row->measurement->test;
    const mf_basis basis = mf_interval_basis(c, &setting, test);
    const mf_interval_width width = mf_interval_width_of(c, &setting, test, basis);
    const mf_knobs knobs = mf_knobs_of(c, &setting);
    return fabs(log1p(error)) <= mf_interval_log(width, mf_speed_row_log_sd(row, &knobs));
}

static scored score(const mf_calibration *c, const mf_speed_row *row)
{
    mf_speed_row stranger = *row;
    stranger.setting.chip = NULL;
    const double measured = row->measurement->tok_s;
    scored s = {.row = row,
                .error = mf_speed_row_predict(row, c) / measured - 1,
                .unseen = mf_speed_row_predict(&stranger, c) / measured - 1};
    s.covered = is_covered(c, row, row->setting, s.error);
    s.covered_unseen = is_covered(c, row, stranger.setting, s.unseen);
    return s;
}

static int by_value(const void *a, const void *b)
{
    const double x = *(const double *)a;
    const double y = *(const double *)b;
    return (x > y) - (x < y);
}

static int by_error(const void *a, const void *b)
{
    const double x = fabs(log1p(((const scored *)a)->error));
    const double y = fabs(log1p(((const scored *)b)->error));
    return (x < y) - (x > y);
}

typedef struct figures {
    size_t n;
    double mape;
    double median;
    double p90;
    double bias;
    double unseen;
    double covered;
    double covered_unseen;
} figures;

typedef const char *(*group_name)(const scored *s);

static figures measure(const scores *all, mf_speed_test test, group_name name, const char *key)
{
    double *sizes = calloc(all->n_items + 1, sizeof *sizes);
    figures f = {0};
    for (size_t i = 0; sizes && i < all->n_items; i++) {
        const scored *s = &all->items[i];
        if (s->row->measurement->test != test || (name && strcmp(name(s), key) != 0)) {
            continue;
        }
        sizes[f.n] = fabs(s->error);
        f.n++;
        f.mape += fabs(s->error);
        f.bias += s->error;
        f.unseen += fabs(s->unseen);
        f.covered += s->covered ? 1 : 0;
        f.covered_unseen += s->covered_unseen ? 1 : 0;
    }
    if (f.n > 0) {
        const double n = (double)f.n;
        qsort(sizes, f.n, sizeof *sizes, by_value);
        f.median = sizes[f.n / 2];
        f.p90 = sizes[f.n * 9 / 10];
        f.mape /= n;
        f.bias /= n;
        f.unseen /= n;
        f.covered /= n;
        f.covered_unseen /= n;
    }
    free(sizes);
    return f;
}

static void print_figures(const char *group, const figures *f)
{
    printf("  %-24s %5zu  %5.1f %5.1f %5.1f %+6.1f | %5.1f | %3.0f %3.0f\n",
           group,
           f->n,
           100 * f->mape,
           100 * f->median,
           100 * f->p90,
           100 * f->bias,
           100 * f->unseen,
           100 * f->covered,
           100 * f->covered_unseen);
}

static const char *vendor_name(const scored *s)
{
    return mf_vendor_name(mf_chip_class_vendor(s->row->setting.chip_class));
}

static const char *class_name(const scored *s)
{
    return mf_chip_class_name(s->row->setting.chip_class);
}

static const char *runtime_name(const scored *s)
{
    return mf_runtime_name(s->row->setting.runtime);
}

static const char *quant_name(const scored *s)
{
    return s->row->measurement->quant;
}

static const char *source_name(const scored *s)
{
    return s->row->measurement->source;
}

static const char *device_name(const scored *s)
{
    return s->row->measurement->device;
}

static const char *kind_name(const scored *s)
{
    return s->row->work->n_moe_layers > 0 ? "moe" : "dense";
}

static const char *depth_name(const scored *s)
{
    const double middle = s->row->step.depth + s->row->step.n_tokens / 2;
    return middle < 1500 ? "below 1500" : middle < 10000 ? "below 10000" : "beyond";
}

/* Groups in order of their first row. */
static void print_groups(const scores *all, mf_speed_test test, const char *title, group_name name)
{
    printf(" by %s\n", title);
    for (size_t i = 0; i < all->n_items; i++) {
        const char *key = name(&all->items[i]);
        bool seen = all->items[i].row->measurement->test != test;
        for (size_t j = 0; j < i && !seen; j++) {
            seen = all->items[j].row->measurement->test == test &&
                   strcmp(name(&all->items[j]), key) == 0;
        }
        if (!seen) {
            const figures f = measure(all, test, name, key);
            print_figures(key, &f);
        }
    }
}

static void print_left_out(const mf_calibration *c)
{
    printf("\nleft out of the fit (mean and median error, log sds that hold 90 %%, rows)\n");
    for (size_t i = 0; i < c->n_pools; i++) {
        const mf_residual_pool *p = &c->pools[i];
        printf("  %-8s %-6s %-16s %5.1f %5.1f  %5.2f  %5u\n",
               mf_speed_test_name(p->test),
               mf_left_out_name(p->left_out),
               mf_residual_pool_name(p),
               100 * p->mean_error,
               100 * p->median_error,
               p->half_width_sds,
               p->n_rows);
    }
}

static void print_worst(const scores *all)
{
    printf("\nworst rows\n");
    for (size_t i = 0; i < all->n_items && i < N_WORST; i++) {
        const mf_measurement *m = all->items[i].row->measurement;
        printf("  %+7.0f %% line %4zu %s %s %s %s %s n %.0f depth %.0f: %.6g tok/s (%s; %s)\n",
               100 * all->items[i].error,
               m->line,
               mf_speed_test_name(m->test),
               m->device,
               m->model,
               m->quant,
               runtime_name(&all->items[i]),
               m->n_tokens,
               m->depth_tokens,
               m->tok_s,
               m->date,
               m->notes);
    }
}

static void print_skipped(const mf_speed_rows *rows)
{
    for (size_t i = 0; i < rows->n_items; i++) {
        const mf_speed_row *a = &rows->items[i];
        size_t n = 0;
        bool seen = !a->skip || !is_usable(a->measurement);
        for (size_t j = 0; j < rows->n_items && !seen; j++) {
            const mf_speed_row *b = &rows->items[j];
            const bool same =
                b->skip && is_usable(b->measurement) && b->skip == a->skip &&
                (a->work || strcmp(a->measurement->model, b->measurement->model) == 0);
            seen = same && j < i;
            n += same ? 1 : 0;
        }
        if (!seen) {
            printf("  skipped %zu: %s (%s, %s)\n",
                   n,
                   a->skip,
                   a->measurement->model,
                   a->measurement->quant);
        }
    }
}

static mf_status score_all(scores *all, const mf_speed_rows *rows)
{
    all->items = calloc(rows->n_items + 1, sizeof *all->items);
    if (!all->items) {
        return MF_E_NOMEM;
    }
    for (size_t i = 0; i < rows->n_items; i++) {
        const mf_speed_row *row = &rows->items[i];
        if (!is_usable(row->measurement)) {
            continue;
        }
        if (row->skip) {
            all->n_skipped++;
            continue;
        }
        all->items[all->n_items] = score(all->calibrations[row->measurement->engine], row);
        all->n_items++;
    }
    return MF_OK;
}

static bool report(const scores *all, const mf_speed_rows *rows)
{
    static const double bars[MF_TEST_COUNT] = {DECODE_BAR, PREFILL_BAR};
    const double skipped = (double)all->n_skipped / (double)(all->n_skipped + all->n_items);
    bool good = skipped <= SKIPPED_BAR;
    printf("%zu rows, %zu skipped (%.1f %%)\n", all->n_items, all->n_skipped, 100 * skipped);
    print_skipped(rows);
    for (size_t t = 0; t < MF_TEST_COUNT; t++) {
        const mf_speed_test test = (mf_speed_test)t;
        const figures f = measure(all, test, NULL, NULL);
        printf("\n%s: rows, MAPE median p90 bias | MAPE without chip effects | covered %%, same\n",
               mf_speed_test_name(test));
        print_figures("all", &f);
        print_groups(all, test, "vendor", vendor_name);
        print_groups(all, test, "class", class_name);
        print_groups(all, test, "runtime", runtime_name);
        print_groups(all, test, "depth", depth_name);
        print_groups(all, test, "kind", kind_name);
        print_groups(all, test, "quant", quant_name);
        if (getenv("MF_SPEED_ALL")) {
            print_groups(all, test, "device", device_name);
            print_groups(all, test, "source", source_name);
        }
        good = good && f.n > 0 && f.mape <= bars[t];
    }
    print_left_out(all->calibrations[MF_ENGINE_LLAMACPP]);
    qsort(all->items, all->n_items, sizeof *all->items, by_error);
    print_worst(all);
    return good;
}

int main(void)
{
    static const char *const folders[] = {MF_SOURCE_DIR};
    mf_error err = {0};
    mf_measurements measurements = {0};
    mf_database *database = NULL;
    mf_calibration *llamacpp = NULL;
    mf_calibration *mlx = NULL;
    mf_speed_rows rows = {0};
    scores all = {0};
    bool good = false;
    mf_status status = mf_database_open(&database, folders, 1, &err);
    if (status == MF_OK) {
        status = mf_measurements_load(&measurements, MF_SOURCE_DIR "/tests/truth/speed.csv", &err);
    }
    if (status == MF_OK) {
        status =
            mf_calibration_load(&llamacpp, MF_SOURCE_DIR "/hwdb/calibration/llama.cpp.json", &err);
    }
    if (status == MF_OK) {
        status = mf_calibration_load(&mlx, MF_SOURCE_DIR "/hwdb/calibration/mlx.json", &err);
    }
    if (status == MF_OK) {
        status = mf_speed_rows_build(&rows, &measurements, database, &err);
    }
    if (status == MF_OK) {
        all.calibrations[MF_ENGINE_LLAMACPP] = llamacpp;
        all.calibrations[MF_ENGINE_MLX] = mlx;
        status = score_all(&all, &rows);
    }
    if (status == MF_OK) {
        good = report(&all, &rows);
    } else {
        fprintf(stderr, "speed_accuracy: %s\n", err.message);
    }
    free(all.items);
    mf_speed_rows_free(&rows);
    mf_calibration_free(mlx);
    mf_calibration_free(llamacpp);
    mf_measurements_free(&measurements);
    mf_database_close(database);
    return status == MF_OK && good ? 0 : 1;
}
