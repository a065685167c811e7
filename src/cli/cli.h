/*
 * cli.h - what the commands share: where the data lies, what the user named, and where output goes.
 * Only this folder reads the environment and prints.
 */
#ifndef MF_CLI_CLI_H
#define MF_CLI_CLI_H

#include "cli/options.h"
#include "memfit/calibration.h"
#include "memfit/placement.h"
#include "memfit/predict.h"
#include "report/prediction.h"

/* Exit codes beside those of mf_status_exit_code. */
enum { MF_EXIT_YES = 0, MF_EXIT_NO = 1 };

/* Opens the databases: --data, $MEMFIT_DATA, the user's own folder on top of what is installed or
   beside the program. The caller closes *out. */
mf_status mf_cli_database(mf_database **out, const mf_arguments *arguments, mf_error *err);

/* Everything one case needs, loaded; end with mf_cli_case_free. */
typedef struct mf_cli_case {
    mf_model *model;
    mf_machine *machine;
    mf_engine *engine;
    mf_quant *quant;
    mf_model *draft;
    mf_adapter *adapter;
    mf_saved_placement *placement;
    mf_calibration *calibration;
    mf_case run;
    mf_prediction prediction;
    const char *model_path;     /* the word that named it, if it is a file */
    bool is_this;               /* own measurements count */
    char note[MF_WARNING_SIZE]; /* how a short name was understood, or empty */
} mf_cli_case;

mf_status mf_cli_case_load(mf_cli_case *loaded,
                           const mf_database *database,
                           const mf_arguments *arguments,
                           const char *model,
                           const char *machine,
                           mf_error *err);
void mf_cli_case_free(mf_cli_case *loaded);
mf_shown mf_cli_shown(const mf_cli_case *loaded);

/* Model by id, .gguf file, config.json or folder. */
mf_status mf_cli_model(
    mf_model **out, bool *is_file, const mf_database *database, const char *name, mf_error *err);

/* A file's text, "-" is standard input; at most 64 MiB. */
mf_status mf_cli_read(mf_str *text, const char *path, mf_error *err);

/* Writes text to the file (through a temporary one and a rename) or to standard output. */
mf_status mf_cli_write(const mf_str *text, const char *path, mf_error *err);

/* Pieces of a case, for commands that make many. The caller frees what it gets. */
mf_status
mf_cli_machine(mf_machine **out, const mf_database *database, const char *name, mf_error *err);
mf_status mf_cli_engine(mf_engine **engine,
                        mf_calibration **calibration,
                        const mf_database *database,
                        const char *name,
                        mf_error *err);
mf_status mf_cli_workload(mf_workload *workload,
                          const mf_engine *engine,
                          const mf_model *model,
                          const mf_arguments *arguments,
                          mf_error *err);

/* What people usually download for an engine. */
const char *mf_cli_default_quant(const mf_engine *engine, const mf_model *model);

/* Names cut at commas, or all of the database's. */
typedef struct mf_cli_list {
    char *text;
    const char **names;
    size_t n;
    mf_names all;
} mf_cli_list;

mf_status mf_cli_list_cut(mf_cli_list *list, const char *text, mf_error *err);
mf_status mf_cli_list_of(mf_cli_list *list,
                         const char *said,
                         const mf_database *database,
                         mf_entry_kind kind,
                         mf_error *err);
void mf_cli_list_free(mf_cli_list *list);

/* One of the parts of a table of n units, which make the whole one behind the other. */
typedef struct mf_cli_part {
    size_t first;
    size_t last; /* behind them */
    bool begins; /* the table */
} mf_cli_part;

/* "2/8": the second eighth; NULL: all of it. */
mf_status mf_cli_part_of(mf_cli_part *part, const char *text, size_t n_units, mf_error *err);

/* Was this format asked for? */
bool mf_cli_is_format(const mf_arguments *arguments, const char *format);

/* Writes a document in the format that was asked for. */
mf_status mf_cli_write_document(mf_str *out,
                                mf_document *document,
                                const char *title,
                                const mf_arguments *arguments,
                                mf_error *err);

/* What the terminal can show. */
mf_text_options mf_cli_text_options(const mf_arguments *arguments);

/* The answer of a command as part of a document; all but format and file count. */
mf_status mf_fit_show(mf_document *document, const mf_arguments *a, mf_error *err);
mf_status mf_compare_show(mf_document *document, const mf_arguments *a, mf_error *err);
mf_status mf_plan_show(mf_document *document, const mf_arguments *a, mf_error *err);
mf_status mf_cost_show(mf_document *document, const mf_arguments *a, mf_error *err);

/* Commands: each returns the exit code and prints its own errors. */
typedef struct mf_command {
    const char *name;
    int (*run)(int n_words, char **words);
    const char *usage;
    const char *summary;
} mf_command;

int mf_cmd_fit(int n_words, char **words);
int mf_cmd_compare(int n_words, char **words);
int mf_cmd_cost(int n_words, char **words);
int mf_cmd_simulate(int n_words, char **words);
int mf_cmd_plan(int n_words, char **words);
int mf_cmd_report(int n_words, char **words);
int mf_cmd_explain(int n_words, char **words);
int mf_cmd_sweep(int n_words, char **words);
int mf_cmd_db(int n_words, char **words);
int mf_cmd_import(int n_words, char **words);
int mf_cmd_calibrate(int n_words, char **words);
int mf_cmd_audit(int n_words, char **words);
int mf_cmd_validate(int n_words, char **words);
int mf_cmd_detect(int n_words, char **words);

/* Prints "memfit: message" and returns the status's exit code. */
int mf_cli_fail(mf_status status, const mf_error *err);

/* Prints usage, a line on what the command does, and its options. Returns 0. */
int mf_cli_help(const mf_command *command, mf_command_bit bit);
const mf_command *mf_cli_command(const char *name);

#endif
