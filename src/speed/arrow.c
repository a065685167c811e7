#include "speed/arrow.h"

#include <math.h>

static size_t border_start(const mf_arrow *a)
{
    return a->n_blocks > 0 ? a->block_ends[a->n_blocks - 1] : 0;
}

static double *row_of(const gsl_matrix *m, size_t i)
{
    return m->data + i * m->tda;
}

/* y -= factor x between the columns. No sum: compilers make vectors of it without changing a bit. */
static void subtract(double *y, const double *x, double factor, size_t start, size_t end)
{
    for (size_t j = start; j < end; j++) {
        y[j] -= factor * x[j];
    }
}

/* Takes the pivot's row, finished, from a later row i, which it meets from column i to the block's end and in the border. */
static void reduce(gsl_matrix *m, const double *pivot, size_t i, size_t block_end, size_t border)
{
    if (fabs(pivot[i]) > 0) {
        subtract(row_of(m, i), pivot, pivot[i], i, block_end);
        subtract(row_of(m, i), pivot, pivot[i], i > border ? i : border, m->size1);
    }
}

/* Row k of the factor: what is left of it, over the root of its diagonal; then the rows behind it. */
static bool eliminate(gsl_matrix *m, size_t k, size_t block_end, size_t border)
{
    double *row = row_of(m, k);
    if (!(row[k] > 0)) {
        return false;
    }
    const double root = sqrt(row[k]);
    for (size_t j = k; j < m->size1; j++) {
        row[j] /= root;
    }
    for (size_t i = k + 1; i < block_end; i++) {
        reduce(m, row, i, block_end, border);
    }
    for (size_t i = k < border ? border : k + 1; i < m->size1; i++) {
        reduce(m, row, i, block_end, border);
    }
    return true;
}

bool mf_arrow_factor(const mf_arrow *arrow)
{
    gsl_matrix *m = arrow->matrix;
    const size_t border = border_start(arrow);
    size_t k = 0;
    for (size_t b = 0; b < arrow->n_blocks; b++) {
        for (; k < arrow->block_ends[b]; k++) {
            if (!eliminate(m, k, arrow->block_ends[b], border)) {
                return false;
            }
        }
    }
    for (; k < m->size1; k++) {
        if (!eliminate(m, k, border, border)) {
            return false;
        }
    }
    return true;
}

/* U^T y = x from row k on, in place. */
static void solve_forward(const gsl_matrix *m, double *x, size_t k)
{
    for (; k < m->size1; k++) {
        const double *row = row_of(m, k);
        x[k] /= row[k];
        if (fabs(x[k]) > 0) {
            subtract(x, row, x[k], k + 1, m->size1);
        }
    }
}

/* U x = y, in place. */
static void solve_backward(const gsl_matrix *m, double *x)
{
    for (size_t k = m->size1; k > 0; k--) {
        const double *row = row_of(m, k - 1);
        for (size_t j = k; j < m->size1; j++) {
            x[k - 1] -= row[j] * x[j];
        }
        x[k - 1] /= row[k - 1];
    }
}

void mf_arrow_solve(const mf_arrow *arrow, gsl_vector *x)
{
    solve_forward(arrow->matrix, x->data, 0);
    solve_backward(arrow->matrix, x->data);
}

double mf_arrow_inverse_at(const mf_arrow *arrow, size_t k, gsl_vector *scratch)
{
    double sum = 0;
    gsl_vector_set_zero(scratch);
    gsl_vector_set(scratch, k, 1);
    solve_forward(arrow->matrix, scratch->data, k);
    for (size_t i = k; i < scratch->size; i++) {
        sum += scratch->data[i] * scratch->data[i];
    }
    return sum;
}
