/*
 * option_table.h - the table behind parsing, --help and the manual. A name may have a row for each command, where it means
 * something else there.
 */
#ifndef MF_CLI_OPTION_TABLE_H
#define MF_CLI_OPTION_TABLE_H

#include "cli/options.h"

typedef enum mf_option_kind {
    MF_OPTION_FLAG,    /* bool */
    MF_OPTION_TEXT,    /* const char * */
    MF_OPTION_COUNT,   /* int64_t */
    MF_OPTION_SWITCH,  /* int: on or off */
    MF_OPTION_NUMBER,  /* double, not negative */
    MF_OPTION_PERCENT, /* double: a fraction, written as a percentage */
    MF_OPTION_SEED,    /* uint64_t */
    MF_OPTION_DRAWS,   /* uint32_t */
    MF_OPTION_SET,     /* mf_cost_options.set: ID=VALUE[,ID=VALUE] */
} mf_option_kind;

/* A row of the table. */
typedef struct mf_option {
    const char *name;
    const char *value; /* what stands for the value in help */
    size_t offset;
    mf_option_kind kind;
    unsigned commands;
    const char *const *allowed; /* TEXT: NULL-ended list of possible values */
    const char *help;
} mf_option;

extern const mf_option mf_options[];
extern const size_t mf_n_options;

/* The row of a name of so many bytes, or of what llama.cpp and vLLM call it. NULL: the command has none. */
const mf_option *mf_option_find(const char *name, size_t size, mf_command_bit command);

#endif
