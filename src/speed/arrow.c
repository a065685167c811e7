#include "speed/arrow.h"

#include <gsl/gsl_linalg.h>
#include <math.h>

static size_t border_start(const mf_arrow *a)
{
    return a->n_blocks > 0 ? a->block_ends[a->n_blocks - 1] : 0;
}

static size_t block_start(const mf_arrow *a, size_t block)
{
    return block > 0 ? a->block_ends[block - 1] : 0;
}

static double *row_of(const gsl_matrix *m, size_t i)
{
    return m->data + i * m->tda;
}

static double dot(const double *a, const double *b, size_t start, size_t end)
{
    double sum = 0;
    for (size_t k = start; k < end; k++) {
        sum += a[k] * b[k];
    }
    return sum;
}

/* Row i of the factor within a block's columns [start, end), i behind or in the block. */
static bool factor_row(gsl_matrix *m, size_t i, size_t start, size_t end)
{
    double *row = row_of(m, i);
    for (size_t j = start; j < end && j <= i; j++) {
        const double *other = row_of(m, j);
        const double rest = row[j] - dot(row, other, start, j);
        if (j == i && !(rest > 0)) {
            return false;
        }
        row[j] = j == i ? sqrt(rest) : rest / other[j];
    }
    return true;
}

static bool is_empty(const double *row, size_t start, size_t end)
{
    for (size_t j = start; j < end; j++) {
        if (fabs(row[j]) > 0) {
            return false;
        }
    }
    return true;
}

/* The border less what the block explains of it; rows that the block does not meet stay. */
static void reduce_border(gsl_matrix *m, size_t start, size_t end, size_t border)
{
    for (size_t i = border; i < m->size1; i++) {
        double *row = row_of(m, i);
        if (is_empty(row, start, end)) {
            continue;
        }
        factor_row(m, i, start, end);
        for (size_t j = border; j <= i; j++) {
            row[j] -= dot(row, row_of(m, j), start, end);
        }
    }
}

bool mf_arrow_factor(const mf_arrow *arrow)
{
    gsl_matrix *m = arrow->matrix;
    const size_t border = border_start(arrow);
    for (size_t b = 0; b < arrow->n_blocks; b++) {
        const size_t start = block_start(arrow, b);
        const size_t end = arrow->block_ends[b];
        for (size_t i = start; i < end; i++) {
            if (!factor_row(m, i, start, end)) {
                return false;
            }
        }
        reduce_border(m, start, end, border);
    }
    if (border == m->size1) {
        return true;
    }
    gsl_matrix_view rest =
        gsl_matrix_submatrix(m, border, border, m->size1 - border, m->size1 - border);
    return gsl_linalg_cholesky_decomp1(&rest.matrix) == GSL_SUCCESS;
}

/* L y = x for the blocks, and what they take from the border's right hand side. */
static void solve_forward(const mf_arrow *arrow, double *x)
{
    const gsl_matrix *m = arrow->matrix;
    const size_t border = border_start(arrow);
    for (size_t b = 0; b < arrow->n_blocks; b++) {
        const size_t start = block_start(arrow, b);
        for (size_t i = start; i < arrow->block_ends[b]; i++) {
            const double *row = row_of(m, i);
            x[i] = (x[i] - dot(row, x, start, i)) / row[i];
        }
    }
    for (size_t i = border; i < m->size1; i++) {
        x[i] -= dot(row_of(m, i), x, 0, border);
    }
}

/* L^T x = y for the blocks, the border's part being known. */
static void solve_backward(const mf_arrow *arrow, double *x)
{
    const gsl_matrix *m = arrow->matrix;
    const size_t border = border_start(arrow);
    for (size_t k = border; k < m->size1; k++) {
        const double *row = row_of(m, k);
        for (size_t i = 0; i < border; i++) {
            x[i] -= row[i] * x[k];
        }
    }
    for (size_t b = arrow->n_blocks; b > 0; b--) {
        const size_t start = block_start(arrow, b - 1);
        for (size_t i = arrow->block_ends[b - 1]; i > start; i--) {
            const double *row = row_of(m, i - 1);
            x[i - 1] /= row[i - 1];
            for (size_t j = start; j < i - 1; j++) {
                x[j] -= row[j] * x[i - 1];
            }
        }
    }
}

void mf_arrow_solve(const mf_arrow *arrow, gsl_vector *x)
{
    gsl_matrix *m = arrow->matrix;
    const size_t border = border_start(arrow);
    const size_t n = m->size1 - border;
    solve_forward(arrow, x->data);
    if (n > 0) {
        gsl_matrix_view rest = gsl_matrix_submatrix(m, border, border, n, n);
        gsl_vector_view y = gsl_vector_subvector(x, border, n);
        gsl_linalg_cholesky_svx(&rest.matrix, &y.vector);
    }
    solve_backward(arrow, x->data);
}
