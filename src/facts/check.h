/*
 * check.h - `memfit db check`: reads every file of a database and collects what is wrong instead of stopping at the first
 * problem: forms, sources, ids that are not the file's name, names of things that do not exist, models that contradict
 * themselves.
 */
#ifndef MF_FACTS_CHECK_H
#define MF_FACTS_CHECK_H

#include "facts/fields.h"
#include "facts/kinds.h"
#include "memfit/database.h"

typedef struct mf_check_counts {
    size_t n_files;
    size_t n_problems;
    size_t n_entries[MF_FILE_KIND_COUNT]; /* files of a kind, or rows of its file */
} mf_check_counts;

/* Every file in every folder of the database. on_problem gets "name:line:column: ..." (or "name: ..." where no place
   is to be had). MF_OK even with problems: see counts->n_problems. MF_E_IO, MF_E_NOMEM if it can't go on. */
mf_status mf_database_check(mf_check_counts *counts,
                            const mf_database *database,
                            mf_problem_fn *on_problem,
                            void *payload,
                            mf_error *err);

/* One file anywhere; its kind is guessed from its keys. Its name is not compared with its id where it lies outside of
   the kind's folder. */
mf_status mf_file_check(mf_check_counts *counts,
                        const mf_database *database,
                        const char *path,
                        mf_problem_fn *on_problem,
                        void *payload,
                        mf_error *err);

#endif
