/*
 * runs_sql.h - llama-bench -o sql as a CSV table, so that one reader serves both.
 */
#ifndef MF_CALIBRATE_RUNS_SQL_H
#define MF_CALIBRATE_RUNS_SQL_H

#include "base/str.h"

/* Some line begins with "INSERT INTO". */
bool mf_runs_is_sql(const char *text, size_t size);

/* Columns of the first INSERT as header, one row an INSERT. MF_E_DATA with the line of one that has no list of values or
   other columns. */
mf_status
mf_runs_sql_to_csv(mf_str *csv, const char *text, size_t size, const char *name, mf_error *err);

#endif
