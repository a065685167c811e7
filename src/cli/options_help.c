/*
 * options_help.c - the options as --help and the manual show them.
 */
#include <string.h>

#include "cli/option_table.h"

enum { HELP_WIDTH = 80, NAME_WIDTH = 26 };

/* Help text wrapped behind the option's name. */
static void add_wrapped(mf_str *out, const char *text)
{
    size_t column = NAME_WIDTH;
    for (const char *word = text; *word != '\0';) {
        const size_t n = strcspn(word, " ");
        if (column + 1 + n > HELP_WIDTH && column > NAME_WIDTH) {
            mf_str_add(out, "\n");
            mf_str_add_char(out, ' ', NAME_WIDTH);
            column = NAME_WIDTH;
        }
        if (column > NAME_WIDTH) {
            mf_str_add(out, " ");
            column++;
        }
        mf_str_add_n(out, word, n);
        column += n;
        word += n;
        word += strspn(word, " ");
    }
    mf_str_add(out, "\n");
}

void mf_options_help(mf_str *out, mf_command_bit command)
{
    for (size_t i = 0; i < mf_n_options; i++) {
        if ((mf_options[i].commands & (unsigned)command) == 0) {
            continue;
        }
        const size_t before = out->size;
        mf_str_printf(out,
                      "  %s%s%s",
                      mf_options[i].name,
                      mf_options[i].value != NULL ? " " : "",
                      mf_options[i].value != NULL ? mf_options[i].value : "");
        const size_t used = out->size - before;
        mf_str_add_char(out, ' ', used < NAME_WIDTH ? NAME_WIDTH - used : 1);
        add_wrapped(out, mf_options[i].help);
    }
    if (((unsigned)command & MF_FOR_ENGINES) != 0) {
        mf_str_add(
            out, "\nllama.cpp's names work too: -c -p -n -np -b -ub -fa -ngl -ncmoe -sm -ts -ot\n");
    }
}

static bool is_first(size_t index)
{
    bool first = true;
    for (size_t i = 0; i < index; i++) {
        first = first && strcmp(mf_options[i].name, mf_options[index].name) != 0;
    }
    return first;
}

/* The command whose row alone this is; NULL: of several. */
static const char *only_command(const mf_option *option)
{
    static const struct {
        unsigned bit;
        const char *name;
    } commands[] = {
        {MF_FOR_CALIBRATE, "calibrate"},
        {MF_FOR_COST,      "cost"     },
        {MF_FOR_PLAN,      "plan"     },
        {MF_FOR_SIMULATE,  "simulate" },
        {MF_FOR_SWEEP,     "sweep"    },
    };
    for (size_t i = 0; i < sizeof commands / sizeof commands[0]; i++) {
        if (option->commands == commands[i].bit) {
            return commands[i].name;
        }
    }
    return NULL;
}

/* One item a name, what it means in each command one behind the other. */
void mf_options_manual(mf_str *out)
{
    for (size_t i = 0; i < mf_n_options; i++) {
        if (!is_first(i)) {
            continue;
        }
        mf_str_printf(out, ".It Fl %s", mf_options[i].name + 1);
        if (mf_options[i].value != NULL) {
            mf_str_printf(out, " Ar %s", mf_options[i].value);
        }
        mf_str_printf(out, "\n%s", mf_options[i].help);
        for (size_t k = i + 1; k < mf_n_options; k++) {
            if (strcmp(mf_options[k].name, mf_options[i].name) == 0) {
                const char *command = only_command(&mf_options[k]);
                mf_str_printf(out,
                              "; %s%s%s",
                              command != NULL ? command : "",
                              command != NULL ? ": " : "",
                              mf_options[k].help);
            }
        }
        mf_str_add(out, ".\n");
    }
}
