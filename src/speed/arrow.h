/*
 * arrow.h - Cholesky factors of a matrix shaped like an arrow: blocks along the diagonal that meet only themselves and a
 * border.
 *
 * A chip's own coefficients appear in its rows alone, the shared ones in everybody's: chips are the blocks, what they
 * share is the border. Rows are eliminated one after the other (U^T U, right-looking), and what is zero costs nothing: a
 * dense factorisation of the same matrix with GSL and the BLAS that comes with it takes several times as long.
 */
#ifndef MF_SPEED_ARROW_H
#define MF_SPEED_ARROW_H

#include <gsl/gsl_matrix.h>
#include <stdbool.h>
#include <stddef.h>

typedef struct mf_arrow {
    gsl_matrix *matrix; /* upper triangle; overwritten by U, the factor */
    size_t *block_ends; /* unknown behind each block; the border begins at the last */
    size_t n_blocks;
} mf_arrow;

/* False if the matrix is not positive definite. */
bool mf_arrow_factor(const mf_arrow *arrow);

/* Solves with the factors, in place. */
void mf_arrow_solve(const mf_arrow *arrow, gsl_vector *x);

/* Element k of the inverse's diagonal, from the factor: the squares of U^-T's column k. The scratch is as long as the matrix. */
double mf_arrow_inverse_at(const mf_arrow *arrow, size_t k, gsl_vector *scratch);

#endif
