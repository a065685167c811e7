#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <stdio.h>
#include <string.h>

#include "memfit/memfit.h"

/* 40 GB on 500 GB/s: 12.5 tok/s at all of it. */
static mf_grade grade(double tok_s, double n_sequences, double tokens_per_step)
{
    return mf_audit_claim((mf_claim){tok_s, n_sequences, tokens_per_step},
                          (mf_audit_ground){.bytes_per_s = 500e9,
                                            .ceiling_tok_s = 12.5,
                                            .expected_tok_s = 9,
                                            .high_tok_s = 10.5})
        .grade;
}

Test(audit, five_grades)
{
    cr_assert(eq(int, grade(9, 1, 1), MF_GRADE_CONSISTENT));
    cr_assert(eq(int, grade(10.6, 1, 1), MF_GRADE_EDGE)); /* above the interval */
    cr_assert(eq(int, grade(12.4, 1, 1), MF_GRADE_EDGE));
    cr_assert(eq(int, grade(12.6, 1, 1), MF_GRADE_OTHER));
    cr_assert(eq(int, grade(47, 1, 1), MF_GRADE_OTHER)); /* 3.9 tokens a step */
    cr_assert(eq(int, grade(49, 1, 1), MF_GRADE_IMPOSSIBLE));
    cr_assert(eq(int, grade(2.2, 1, 1), MF_GRADE_SLOW));
}

Test(audit, batch_and_speculation_divide_the_claim)
{
    cr_assert(eq(int, grade(72, 8, 1), MF_GRADE_CONSISTENT));
    cr_assert(eq(int, grade(18, 1, 2), MF_GRADE_CONSISTENT));
    cr_assert(eq(int, grade(9, 0, 0), MF_GRADE_CONSISTENT));
    const mf_audit a = mf_audit_claim(
        (mf_claim){36, 1, 1}, (mf_audit_ground){.bytes_per_s = 500e9, .ceiling_tok_s = 12.5});
    cr_assert(epsilon_eq(dbl, a.read_bytes, 40e9, 1));
    cr_assert(epsilon_eq(dbl, a.needed_bytes_per_s, 1.44e12, 1));
    cr_assert(epsilon_eq(dbl, a.least_tokens_per_step, 3, 1e-12));
}

Test(audit, a_model_that_does_not_fit_is_impossible_and_a_small_one_may_be_cached)
{
    const mf_audit big = mf_audit_claim((mf_claim){1, 1, 1}, (mf_audit_ground){.too_big = true});
    cr_assert(eq(int, big.grade, MF_GRADE_IMPOSSIBLE));
    const mf_audit small = mf_audit_claim(
        (mf_claim){9000, 1, 1}, (mf_audit_ground){.bytes_per_s = 1e12, .ceiling_tok_s = 5000});
    cr_assert(small.in_cache);
    cr_assert(eq(int, small.grade, MF_GRADE_EDGE));
}

static mf_grade grade_row(const mf_validated *row)
{
    return mf_audit_claim((mf_claim){row->measurement->tok_s, 1, 1},
                          (mf_audit_ground){.ceiling_tok_s = row->rate.ceiling_tok_s,
                                            .expected_tok_s = row->rate.tok_s,
                                            .high_tok_s = row->rate.high_tok_s})
        .grade;
}

/* Cards of 32 GiB that the model and its cache fill: what no longer fits is moved to the host (docs/audit.md). */
static bool is_overfull(const mf_measurement *m)
{
    return m->n_devices == 2 && strcmp(m->device, "amd-r9700") == 0 && m->depth_tokens > 32000 &&
           strcmp(m->model, "gpt-oss-120b") == 0;
}

/* Rows that can be trusted are possible, of prompts and of output; rows whose notes say PHYSICS are at the edge or
   impossible. */
Test(audit, published_rows, .init = mf_init)
{
    static const char *const files[] = {"llama.cpp", "mlx"};
    const char *const folders[] = {MF_SOURCE_DIR};
    const mf_engine_id engines[] = {MF_ENGINE_LLAMACPP, MF_ENGINE_MLX};
    mf_database *database = NULL;
    mf_measurements rows = {0};
    mf_validation v = {0};
    mf_calibration *calibrations[2] = {0};
    mf_validation_options options = {0};
    size_t n_trusted[MF_TEST_COUNT] = {0};
    size_t n_impossible = 0;
    cr_assert(eq(int, mf_database_open(&database, folders, 1, NULL), MF_OK));
    for (size_t e = 0; e < 2; e++) {
        char path[512];
        snprintf(path, sizeof path, MF_SOURCE_DIR "/hwdb/calibration/%s.json", files[e]);
        cr_assert(eq(int, mf_calibration_load(&calibrations[e], path, NULL), MF_OK));
        options.calibrations[engines[e]] = calibrations[e];
    }
    cr_assert(
        eq(int, mf_measurements_load(&rows, MF_SOURCE_DIR "/tests/truth/speed.csv", NULL), MF_OK));
    cr_assert(eq(int, mf_validate(&v, &rows, database, &options, NULL), MF_OK));
    for (size_t i = 0; i < v.n_items; i++) {
        const mf_measurement *m = v.items[i].measurement;
        if (!v.items[i].rate.known || is_overfull(m)) {
            continue;
        }
        const mf_grade g = grade_row(&v.items[i]);
        const bool physics = strstr(m->notes, "PHYSICS") != NULL;
        if (m->trust == MF_TRUST_HIGH) {
            cr_assert(g == MF_GRADE_CONSISTENT || g == MF_GRADE_EDGE, "line %zu: %c", m->line, g);
            n_trusted[m->test]++;
        } else if (physics && m->test == MF_TEST_DECODE) {
            /* The notes count the whole file; two rows read just under the peak without the embedding. */
            cr_assert(g != MF_GRADE_CONSISTENT && g != MF_GRADE_SLOW, "line %zu: %c", m->line, g);
            n_impossible += g == MF_GRADE_IMPOSSIBLE ? 1 : 0;
        }
    }
    cr_assert(gt(sz, n_trusted[MF_TEST_DECODE], 650));
    cr_assert(gt(sz, n_trusted[MF_TEST_PREFILL], 650));
    cr_assert(ge(sz, n_impossible, 2));
    mf_validation_free(&v);
    mf_measurements_free(&rows);
    for (size_t e = 0; e < 2; e++) {
        mf_calibration_free(calibrations[e]);
    }
    mf_database_close(database);
}
