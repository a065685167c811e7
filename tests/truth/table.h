/*
 * table.h - the plain CSV files of tests/truth (no quotes), and the models their rows name.
 */
#ifndef MF_TESTS_TRUTH_TABLE_H
#define MF_TESTS_TRUTH_TABLE_H

#include <stdint.h>

#include "memfit/memory.h"

enum { TABLE_COLUMNS = 40 };

typedef struct table {
    char *text;
    char *next;
    char *names[TABLE_COLUMNS];
    char *cells[TABLE_COLUMNS];
    size_t n_columns;
} table;

/* Opens a file of tests/truth; the test fails if it is not there. */
void table_open(table *t, const char *file);
/* Reads the next row into cells; false at the end. */
bool table_next(table *t);
void table_close(table *t);

/* Cell of the current row by the column's name; the test fails if there is no such column. */
const char *table_text(const table *t, const char *column);
uint64_t table_number(const table *t, const char *column);

/* Models by the name of their manifest, each read once. */
const mf_model *truth_model(const char *name);
void truth_models_free(void);

/* Workload of a row of memory_cpu.csv or memory_gpu.csv. */
mf_workload truth_workload(const table *t);

#endif
