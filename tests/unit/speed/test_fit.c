#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <gsl/gsl_linalg.h>
#include <math.h>
#include <stdlib.h>

#include "memfit/memfit.h"
#include "sample.h"
#include "speed/arrow.h"
#include "speed/fit_columns.h"
#include "speed/folds.h"
#include "speed/given.h"
#include "speed/spread.h"

/* A small generator of our own: the same numbers everywhere. */
static double noise(unsigned *state)
{
    *state = *state * 1664525U + 1013904223U;
    return (double)(*state >> 8) / (1 << 24) - 0.5;
}

/* Two blocks of 2 and 3 unknowns, a border of 4. */
static gsl_matrix *arrow_matrix(void)
{
    enum { N = 9 };
    static const size_t block[N] = {0, 0, 1, 1, 1, 2, 2, 2, 2};
    unsigned state = 7;
    gsl_matrix *m = gsl_matrix_calloc(N, N);
    for (size_t i = 0; i < N; i++) {
        for (size_t j = 0; j <= i; j++) {
            const bool meets = block[i] == block[j] || block[i] == 2;
            const double value = i == j ? 4 + noise(&state) : meets ? noise(&state) : 0;
            gsl_matrix_set(m, i, j, value);
            gsl_matrix_set(m, j, i, value);
        }
    }
    return m;
}

Test(arrow, it_solves_what_a_dense_factorisation_solves)
{
    size_t ends[] = {2, 5};
    gsl_matrix *dense = arrow_matrix();
    mf_arrow arrow = {.matrix = arrow_matrix(), .block_ends = ends, .n_blocks = 2};
    gsl_vector *x = gsl_vector_alloc(dense->size1);
    gsl_vector *y = gsl_vector_alloc(dense->size1);
    for (size_t i = 0; i < x->size; i++) {
        gsl_vector_set(x, i, 1.0 + (double)i * 0.37);
        gsl_vector_set(y, i, 1.0 + (double)i * 0.37);
    }
    cr_assert(mf_arrow_factor(&arrow));
    mf_arrow_solve(&arrow, x);
    gsl_linalg_cholesky_decomp1(dense);
    gsl_linalg_cholesky_svx(dense, y);
    for (size_t i = 0; i < x->size; i++) {
        cr_assert(epsilon_eq(dbl, gsl_vector_get(x, i), gsl_vector_get(y, i), 1e-12), "%zu", i);
    }
    gsl_linalg_cholesky_invert(dense);
    for (size_t i = 0; i < x->size; i++) {
        const double inverse = mf_arrow_inverse_at(&arrow, i, x);
        cr_assert(epsilon_eq(dbl, inverse, gsl_matrix_get(dense, i, i), 1e-12), "%zu", i);
    }
    gsl_vector_free(x);
    gsl_vector_free(y);
    gsl_matrix_free(dense);
    gsl_matrix_free(arrow.matrix);
}

Test(arrow, a_matrix_that_is_not_positive_is_refused, .init = mf_init)
{
    size_t ends[] = {2, 5};
    for (size_t bad = 0; bad < 9; bad += 4) {
        mf_arrow arrow = {.matrix = arrow_matrix(), .block_ends = ends, .n_blocks = 2};
        gsl_matrix_set(arrow.matrix, bad, bad, -1);
        cr_assert(not(mf_arrow_factor(&arrow)), "unknown %zu", bad);
        gsl_matrix_free(arrow.matrix);
    }
}

/* Rows of six cards and three sizes of one model, with speeds that a known calibration gives. */
enum { N_CARDS = 6, N_SIZES = 3, N_ROWS = N_CARDS * N_SIZES };

typedef struct plant {
    sample s;
    mf_work works[N_SIZES];
    mf_measurement measurements[N_ROWS];
    mf_speed_row items[N_ROWS];
    mf_speed_rows rows;
    mf_calibration *truth;
} plant;

static char card_names[N_CARDS][8] = {"a", "b", "c", "d", "e", "f"};

static void fill_row(plant *p, size_t card, size_t size)
{
    const char *reason = NULL;
    const size_t i = card * N_SIZES + size;
    mf_device device = sample_card();
    device.id = card_names[card];
    device.bandwidth_bytes_per_s.value *= 1 + 0.7 * (double)card;
    p->measurements[i] = (mf_measurement){.engine = MF_ENGINE_LLAMACPP,
                                          .runtime = MF_RUNTIME_CUDA,
                                          .test = MF_TEST_DECODE,
                                          .trust = MF_TRUST_HIGH};
    p->items[i] = (mf_speed_row){
        .measurement = &p->measurements[i],
        .work = &p->works[size],
        .device = card,
        .model = size,
        .step = {.n_tokens = 128, .ubatch = 512, .cache = {2, 2}}
    };
    cr_assert(mf_peaks_of(&p->items[i].peaks, &reason, &device, MF_RUNTIME_CUDA));
    p->items[i].setting = mf_setting_of(&device, MF_RUNTIME_CUDA, true, "sample");
    p->items[i].setting.chip = card_names[card];
    p->measurements[i].tok_s = mf_speed_row_predict(&p->items[i], p->truth);
}

static void plant_fill(plant *p)
{
    sample_fill(&p->s);
    cr_assert(eq(int, mf_calibration_new(&p->truth, "llama.cpp", NULL), MF_OK));
    p->truth->effects[0].log_value = log(0.8); /* the base of eta */
    mf_work work = {0};
    cr_assert(
        eq(int, mf_work_build(&work, &p->s.model, p->s.types, &(mf_work_part){0}, NULL), MF_OK));
    static const double shares[N_SIZES] = {1, 30, 1000};
    for (size_t size = 0; size < N_SIZES; size++) {
        p->works[size] = mf_work_scaled(&work, shares[size]);
        p->works[size].n_layers = 3 + (double)size;
    }
    for (size_t i = 0; i < N_ROWS; i++) {
        fill_row(p, i / N_SIZES, i % N_SIZES);
    }
    p->rows = (mf_speed_rows){.items = p->items, .n_items = N_ROWS};
}

static mf_fit *solved(const plant *p)
{
    mf_fit *fit = NULL;
    mf_error err = {0};
    cr_assert(eq(int, mf_fit_new(&fit, &p->rows, MF_TEST_DECODE, NULL, &err), MF_OK));
    cr_assert(eq(int, mf_fit_solve(fit, &err), MF_OK), "%s", err.message);
    return fit;
}

static void plant_free(plant *p)
{
    mf_calibration_free(p->truth);
}

Test(fit, planted_speeds_are_found, .init = mf_init)
{
    plant p;
    plant_fill(&p);
    mf_fit *fit = solved(&p);
    cr_assert(eq(sz, mf_fit_row_count(fit), N_ROWS));
    for (size_t i = 0; i < N_ROWS; i++) {
        cr_assert(lt(dbl, fabs(mf_fit_log_error(fit, i)), 0.02), "row %zu", i);
    }
    mf_fit_free(fit);
    plant_free(&p);
}

Test(fit, one_wild_row_moves_the_others_little, .init = mf_init)
{
    plant p;
    plant_fill(&p);
    p.measurements[7].tok_s *= 4;
    mf_fit *fit = solved(&p);
    for (size_t i = 0; i < N_ROWS; i++) {
        const double most = i / N_SIZES == 7 / N_SIZES ? 0.3 : 0.03;
        cr_assert(i == 7 || fabs(mf_fit_log_error(fit, i)) < most, "row %zu", i);
    }
    cr_assert(gt(dbl, fabs(mf_fit_log_error(fit, 7)), 0.7));
    mf_fit_free(fit);
    plant_free(&p);
}

Test(fit, a_card_left_out_is_predicted_from_the_others, .init = mf_init)
{
    plant p;
    plant_fill(&p);
    mf_fit *fit = solved(&p);
    bool used[N_ROWS];
    mf_fit_error errors[N_ROWS] = {0};
    for (size_t i = 0; i < N_ROWS; i++) {
        used[i] = i / N_SIZES != 2;
    }
    cr_assert(eq(int, mf_fit_leave_out(&(mf_fit_left){.errors = errors}, fit, used, NULL), MF_OK));
    for (size_t i = 0; i < N_ROWS; i++) {
        cr_assert(lt(dbl, fabs(errors[i].log_error), 0.05), "row %zu", i);
        cr_assert(used[i] == (fabs(errors[i].log_error) <= 0), "only rows left out get one");
    }
    mf_fit_free(fit);
    plant_free(&p);
}

/* A card that stays in the fit by other rows has an effect of its own, with less of a spread than a stranger's. */
Test(fit, a_stranger_is_less_certain_than_a_card_with_rows, .init = mf_init)
{
    plant p;
    plant_fill(&p);
    unsigned state = 5;
    for (size_t i = 0; i < N_ROWS; i++) {
        p.measurements[i].tok_s *= exp(0.5 * noise(&state));
    }
    mf_fit *fit = solved(&p);
    bool used[N_ROWS];
    mf_fit_error stranger[N_ROWS] = {0};
    mf_fit_error known[N_ROWS] = {0};
    for (size_t i = 0; i < N_ROWS; i++) {
        used[i] = i / N_SIZES != 2;
    }
    cr_assert(
        eq(int, mf_fit_leave_out(&(mf_fit_left){.errors = stranger}, fit, used, NULL), MF_OK));
    for (size_t i = 2 * N_SIZES; i < 3 * N_SIZES; i++) {
        used[i] = i != 2 * N_SIZES + 1;
    }
    cr_assert(eq(int, mf_fit_leave_out(&(mf_fit_left){.errors = known}, fit, used, NULL), MF_OK));
    const size_t row = 2 * N_SIZES + 1;
    cr_assert(gt(dbl, stranger[row].log_sd, known[row].log_sd));
    cr_assert(gt(dbl, known[row].log_sd, 1.001 * mf_row_log_sd(MF_TEST_DECODE)));
    mf_fit_free(fit);
    plant_free(&p);
}

/* The fold's spread and the one that a calibration made of the same fit gives are two ways to the same sum. */
Test(fit, the_spread_of_a_fold_is_that_of_its_calibration, .init = mf_init)
{
    plant p;
    plant_fill(&p);
    mf_fit *fit = solved(&p);
    mf_calibration *fitted = NULL;
    bool used[N_ROWS];
    mf_fit_error errors[N_ROWS] = {0};
    for (size_t i = 0; i < N_ROWS; i++) {
        used[i] = i != 7;
    }
    cr_assert(eq(int, mf_fit_leave_out(&(mf_fit_left){.errors = errors}, fit, used, NULL), MF_OK));
    cr_assert(eq(int, mf_calibration_new(&fitted, "llama.cpp", NULL), MF_OK));
    cr_assert(eq(int, mf_fit_export(fitted, fit, MF_ENGINE_LLAMACPP, NULL), MF_OK));
    const mf_knobs knobs = mf_knobs_of(fitted, &p.items[7].setting);
    const double all = mf_speed_row_log_sd(&p.items[7], &knobs);
    /* the calibration has one row of 18 more */
    cr_assert(epsilon_eq(dbl, errors[7].log_sd, all, 0.05 * all));
    cr_assert(gt(dbl, errors[7].log_sd, all));
    mf_calibration_free(fitted);
    mf_fit_free(fit);
    plant_free(&p);
}

Test(fit, few_steps_with_one_factor_end_where_full_steps_do, .init = mf_init)
{
    plant p;
    plant_fill(&p);
    unsigned state = 3;
    for (size_t i = 0; i < N_ROWS; i++) {
        p.measurements[i].tok_s *= exp(0.4 * noise(&state));
    }
    mf_fit *fit = solved(&p);
    for (size_t card = 0; card < N_CARDS; card++) {
        bool used[N_ROWS];
        mf_fit_error quick[N_ROWS] = {0};
        mf_fit_error full[N_ROWS] = {0};
        for (size_t i = 0; i < N_ROWS; i++) {
            used[i] = i / N_SIZES != card;
        }
        cr_assert(
            eq(int, mf_fit_leave_out(&(mf_fit_left){.errors = quick}, fit, used, NULL), MF_OK));
        cr_assert(eq(int, mf_fit_leave_out_in_full(full, fit, used, NULL), MF_OK));
        for (size_t i = 0; i < N_ROWS; i++) {
            cr_assert(epsilon_eq(dbl, quick[i].log_error, full[i].log_error, 2e-3),
                      "card %zu row %zu",
                      card,
                      i);
        }
    }
    mf_fit_free(fit);
    plant_free(&p);
}

Test(fit, without_rows_there_is_an_error)
{
    mf_fit *fit = NULL;
    mf_error err = {0};
    const mf_speed_rows none = {0};
    cr_assert(eq(int, mf_fit_new(&fit, &none, MF_TEST_PREFILL, NULL, &err), MF_OK));
    cr_assert(eq(int, mf_fit_solve(fit, &err), MF_E_DATA));
    mf_fit_free(fit);
}

Test(fit, what_was_fitted_predicts_the_same_from_the_calibration, .init = mf_init)
{
    plant p;
    plant_fill(&p);
    mf_fit *fit = solved(&p);
    mf_calibration *fitted = NULL;
    cr_assert(eq(int, mf_calibration_new(&fitted, "llama.cpp", NULL), MF_OK));
    cr_assert(eq(int, mf_fit_export(fitted, fit, MF_ENGINE_LLAMACPP, NULL), MF_OK));
    for (size_t i = 0; i < N_ROWS; i++) {
        const double ratio = p.measurements[i].tok_s / mf_speed_row_predict(&p.items[i], fitted);
        cr_assert(epsilon_eq(dbl, log(ratio), mf_fit_log_error(fit, i), 1e-9), "row %zu", i);
    }
    cr_assert(eq(sz, fitted->n_chips, N_CARDS));
    cr_assert(eq(sz, fitted->n_architectures, 1));
    mf_calibration_free(fitted);
    mf_fit_free(fit);
    plant_free(&p);
}

Test(folds, every_row_is_predicted_without_its_fold, .init = mf_init)
{
    plant p;
    plant_fill(&p);
    mf_fit *fit = solved(&p);
    size_t folds[N_ROWS];
    mf_left_row left[N_ROWS] = {0};
    for (size_t i = 0; i < N_ROWS; i++) {
        const size_t card = i / N_SIZES;
        folds[i] = card == 4 ? MF_NO_FOLD : card;
        p.items[i].setting.chip_class = card == 1 ? MF_CLASS_AMD_GDDR : MF_CLASS_NVIDIA_GDDR;
    }
    cr_assert(eq(int, mf_folds_leave_out(left, fit, folds, NULL, NULL), MF_OK));
    for (size_t i = 0; i < N_ROWS; i++) {
        const size_t card = i / N_SIZES;
        bool used[N_ROWS];
        mf_fit_error errors[N_ROWS] = {0};
        for (size_t j = 0; j < N_ROWS; j++) {
            used[j] = folds[j] != card;
        }
        cr_assert(
            eq(int, mf_fit_leave_out(&(mf_fit_left){.errors = errors}, fit, used, NULL), MF_OK));
        cr_assert(left[i].left == (card != 4));
        cr_assert(
            epsilon_eq(dbl, left[i].error.log_error, errors[i].log_error, 1e-12), "row %zu", i);
        if (card != 4) {
            const mf_basis alone = card == 1 ? MF_BASIS_DATASHEET : MF_BASIS_FAMILY;
            cr_assert(eq(int, left[i].basis, alone), "row %zu", i);
        }
    }
    mf_fit_free(fit);
    plant_free(&p);
}

Test(folds, a_model_left_out_leaves_the_chip_its_other_rows, .init = mf_init)
{
    plant p;
    plant_fill(&p);
    mf_fit *fit = solved(&p);
    size_t folds[N_ROWS];
    mf_left_row left[N_ROWS] = {0};
    for (size_t i = 0; i < N_ROWS; i++) {
        folds[i] = p.items[i].model;
    }
    cr_assert(eq(int, mf_folds_leave_out(left, fit, folds, NULL, NULL), MF_OK));
    for (size_t i = 0; i < N_ROWS; i++) {
        cr_assert(eq(int, left[i].basis, MF_BASIS_CHIP), "row %zu", i);
    }
    mf_fit_free(fit);
    plant_free(&p);
}

Test(given, todays_builds_stand_apart_where_a_vendor_has_others)
{
    mf_given_chip chips[4] = {0}; /* AMD's and Apple's, of all builds and of today's */
    for (size_t i = 0; i < 4; i++) {
        chips[i].vendor = i < 2 ? MF_VENDOR_AMD : MF_VENDOR_APPLE;
        chips[i].current = i % 2 != 0;
        chips[i].n_rows = i == 0 ? 4 : i == 1 ? 1 : 2;
        chips[i].before = i == 0 ? 4 : i == 1 ? 0.5 : 1;
        chips[i].after = i == 0 ? 2 : i == 1 ? 0.1 : 1;
        chips[i].covered = i == 1 ? 1 : 2;
    }
    const mf_given given = {.chips = chips, .n_chips = 4};
    mf_validation sums = {0};
    cr_assert(eq(int, mf_given_sum(&sums, &given, MF_TEST_PREFILL, NULL), MF_OK));
    static const char *const keys[] = {
        "all", "all, today's builds", "amd", "amd, today's builds", "apple"};
    cr_assert(eq(sz, sums.n_given, 5));
    for (size_t i = 0; i < 5; i++) {
        cr_assert(eq(str, (char *)sums.given[i].key, (char *)keys[i]));
    }
    cr_assert(epsilon_eq(dbl, sums.given[0].chips_after, 0.5, 1e-12));
    cr_assert(epsilon_eq(dbl, sums.given[1].chips_after, 0.3, 1e-12));
    cr_assert(epsilon_eq(dbl, sums.given[3].chips_before, 0.5, 1e-12));
    cr_assert(epsilon_eq(dbl, sums.given[3].coverage90, 1, 1e-12));
    cr_assert(eq(sz, sums.given[4].n_chips, 1));
    mf_validation_free(&sums);
}

/* The first card runs at half the speed that the others let expect: any one of its rows tells so. */
Test(given, one_row_of_a_slow_card_brings_its_others_closer, .init = mf_init)
{
    plant p;
    plant_fill(&p);
    size_t folds[N_ROWS];
    mf_left_row left[N_ROWS] = {0};
    /* one row tells of bandwidth, unpacking and layers only */
    p.works[2].n_groups = 0;
    p.works[2].n_moe_layers = p.works[2].n_linear_layers = 0;
    p.works[0] = p.works[1] = p.works[2];
    for (size_t i = 0; i < N_ROWS; i++) {
        p.measurements[i].tok_s = mf_speed_row_predict(&p.items[i], p.truth);
        folds[i] = p.items[i].device;
        p.measurements[i].tok_s *= i < N_SIZES ? 0.5 : 1;
        p.items[i].setting.chip_class = MF_CLASS_NVIDIA_GDDR;
    }
    p.items[1].step.depth = 1000; /* not given, but predicted */
    mf_fit *fit = solved(&p);
    mf_given given = {0};
    mf_validation sums = {0};
    const mf_fold_visitor visitor = {.visit = mf_given_visit, .context = &given};
    cr_assert(eq(int, mf_folds_leave_out(left, fit, folds, &visitor, NULL), MF_OK));
    cr_assert(eq(sz, given.n_chips, 2 * N_CARDS), "of all builds, and of today's");
    cr_assert(not(given.chips[0].current));
    cr_assert(given.chips[1].current);
    const mf_given_chip *slow = &given.chips[0];
    cr_assert(eq(int, slow->vendor, MF_VENDOR_NVIDIA));
    cr_assert(epsilon_eq(dbl, slow->n_rows, N_SIZES, 1e-12));
    cr_assert(gt(dbl, slow->before / slow->n_rows, 0.5));
    cr_assert(lt(dbl, slow->after, 0.6 * slow->before));
    cr_assert(epsilon_eq(dbl, given.chips[1].after, slow->after, 1e-12), "all are today's");
    cr_assert(lt(dbl, given.chips[2].after, 0.1 * slow->before), "others are as expected");
    cr_assert(eq(int, mf_given_sum(&sums, &given, MF_TEST_DECODE, NULL), MF_OK));
    cr_assert(eq(sz, sums.n_given, 2));
    cr_assert(eq(str, (char *)sums.given[0].key, "all"));
    cr_assert(eq(sz, sums.given[1].n_rows, N_ROWS));
    cr_assert(gt(dbl, sums.given[0].chips_before, 1.5 * sums.given[0].chips_after));
    mf_validation_free(&sums);
    free(given.chips);
    mf_fit_free(fit);
    plant_free(&p);
}
