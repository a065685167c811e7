/*
 * audit.h - claims of a command line or of a file, held against what a machine can give.
 */
#ifndef MF_CLI_AUDIT_H
#define MF_CLI_AUDIT_H

#include "cli/cli.h"
#include "memfit/audit.h"
#include "memfit/calibration.h"

/* One claim. The bytes are said, or a model's. */
typedef struct mf_audited {
    char *model; /* as it was named; NULL: bytes */
    char *bytes;
    char *machine_name;
    char *note;          /* of the claim's row, or NULL */
    mf_machine *machine; /* of bytes; else the case's */
    mf_cli_case loaded;
    mf_speed_test test;
    double prompt_tokens; /* of a claim about a prompt */
    double ttft_s;        /* as it was claimed; 0: tokens a second were */
    double short_tok_s;   /* ceiling of a micro-batch alone: what a shorter prompt could reach */
    mf_rate predicted;    /* of a model */
    mf_claim claim;
    mf_audit_ground ground;
    mf_audit audit;
    bool judged;
    char reason[MF_ERROR_MESSAGE_SIZE]; /* why it could not be judged */
} mf_audited;

/* How many claims the options make: one is wanted. */
size_t mf_audit_claims(const mf_arguments *arguments);

/* The claim of the options. */
mf_status mf_audit_load(mf_audited *to,
                        const mf_database *database,
                        const mf_arguments *arguments,
                        mf_error *err);
void mf_audit_free(mf_audited *to);

typedef struct mf_audited_list {
    mf_audited *items;
    size_t n_items;
} mf_audited_list;

/* Claims of a CSV file with the columns machine and tok_s, prefill_tok_s or ttft_s, model or bytes; quant, engine,
   context_tokens, prompt_tokens, parallel, tokens_per_step and note may be there. What can't be judged keeps its reason. MF_E_IO, MF_E_DATA. */
mf_status mf_audit_load_file(mf_audited_list *list,
                             const mf_database *database,
                             const mf_arguments *arguments,
                             const char *path,
                             mf_error *err);
void mf_audit_list_free(mf_audited_list *list);

/* C and D: not as stated. */
bool mf_audit_is_possible(const mf_audited *to);

mf_status mf_audit_write(const mf_audited_list *list, const mf_arguments *arguments, mf_error *err);

#endif
