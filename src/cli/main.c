#include <stdio.h>
#include <string.h>

#include "cli/cli.h"
#include "memfit/memfit.h"

static const mf_command commands[] = {
    {"fit",       mf_cmd_fit,     "MODEL --on MACHINE [options]",                          "does it fit, how fast, how sure" },
    {"compare",
     mf_cmd_compare,              "MODEL[,..] --on MACHINE[,..] [options]",
     "several models or machines side by side"                                                                               },
    {"cost",
     mf_cmd_cost,                 "MODEL --buy MACHINE --rent OFFER [options]",
     "buy, rent or pay per token"                                                                                            },
    {"plan",
     mf_cmd_plan,                 "MODEL [--on MACHINE] [options]",
     "which scheme, which machine, what more memory brings"                                                                  },
    {"report",
     mf_cmd_report,               "DEFINITION.json -o FILE.(html|md|csv|json)",
     "a document for people, from sections that are commands"                                                                },
    {"explain",   mf_cmd_explain, "FILE.json [FIGURE]",                                    "where a number comes from"       },
    {"simulate",
     mf_cmd_simulate,             "MODEL --on MACHINE --rate R|--users N|.. [options]",
     "requests over time: how long they wait and take"                                                                       },
    {"sweep",
     mf_cmd_sweep,                "[MODEL[,..]] [--on MACHINE[,..]] [options]",
     "a table of all cases, in parts or on many machines"                                                                    },
    {"db",
     mf_cmd_db,                   "list|show|check|new|explain|schema [NAME]",
     "what is known of machines and models"                                                                                  },
    {"import",    mf_cmd_import,  "FILE.gguf|config.json|FOLDER",                          "a model as a file of modeldb"    },
    {"detect",    mf_cmd_detect,  "",                                                      "what memfit sees of this machine"},
    {"calibrate",
     mf_cmd_calibrate,            "[--save|--list|--show|--from FILE] [options]",
     "measure this machine, or learn from an engine's runs on it"                                                            },
    {"audit",
     mf_cmd_audit,                "--model M --on MACHINE --tok-s X|CLAIMS.csv [options]",
     "is a claimed speed physically possible"                                                                                },
    {"validate",
     mf_cmd_validate,             "FILE|- [--leave-out WHAT] [--rows FILE] [options]",
     "predictions against measurements, llama-bench's output among them"                                                     },
};

static const size_t n_commands = sizeof commands / sizeof commands[0];

const mf_command *mf_cli_command(const char *name)
{
    for (size_t i = 0; i < n_commands; i++) {
        if (strcmp(commands[i].name, name) == 0) {
            return &commands[i];
        }
    }
    return NULL;
}

int mf_cli_fail(mf_status status, const mf_error *err)
{
    const char *message = err->message[0] != '\0' ? err->message : mf_status_text(status);
    (void)fprintf(stderr, "memfit: %s\n", message);
    return mf_status_exit_code(status);
}

int mf_cli_help(const mf_command *command, mf_command_bit bit)
{
    mf_error err = {0};
    mf_str text = {0};
    mf_str_printf(&text,
                  "memfit %s%s%s\n\n%s\n\n",
                  command->name,
                  command->usage[0] != '\0' ? " " : "",
                  command->usage,
                  command->summary);
    mf_options_help(&text, bit);
    const mf_status status = mf_cli_write(&text, NULL, &err);
    mf_str_free(&text);
    return status == MF_OK ? MF_EXIT_YES : mf_cli_fail(status, &err);
}

static int print_overview(void)
{
    enum { NAME_WIDTH = 11 };
    (void)printf("memfit tells whether a language model fits a machine, how fast it runs there.\n\n"
                 "  memfit fit llama-3.3-70b --on mac-studio-m4-max-40c-128gb\n\n");
    for (size_t i = 0; i < n_commands; i++) {
        const bool takes_words = commands[i].usage[0] != '\0';
        (void)printf("  %-*s%s\n             %s\n",
                     takes_words ? NAME_WIDTH : 0,
                     commands[i].name,
                     commands[i].usage,
                     commands[i].summary);
    }
    (void)printf(
        "\n'memfit COMMAND --help' lists a command's options.\n"
        "Exit codes: 0 yes, 1 no (it does not fit, or that is not known), 2 usage, 3 bad data,\n"
        "4 input or output, 5 internal.\n");
    return MF_EXIT_YES;
}

/* The manual's OPTIONS section; tests/lint compares the page with it. */
static int print_manual_options(void)
{
    mf_error err = {0};
    mf_str text = {0};
    mf_options_manual(&text);
    const mf_status status = mf_cli_write(&text, NULL, &err);
    mf_str_free(&text);
    return status == MF_OK ? MF_EXIT_YES : mf_cli_fail(status, &err);
}

static mf_status unknown_command(const char *word, mf_error *err)
{
    const size_t near = strlen(word) > 3 ? 2 : 1;
    for (size_t i = 0; i < n_commands; i++) {
        if (mf_edit_distance(word, commands[i].name, near) <= near) {
            return mf_fail(
                err, MF_E_USAGE, "no command '%s', did you mean '%s'?", word, commands[i].name);
        }
    }
    return mf_fail(err, MF_E_USAGE, "no command '%s', see 'memfit help'", word);
}

/* "memfit help fit" is "memfit fit --help". */
static int help_with(const char *name)
{
    mf_error err = {0};
    char option[] = "--help";
    char *words[] = {option};
    const mf_command *command = mf_cli_command(name);
    return command != NULL ? command->run(1, words)
                           : mf_cli_fail(unknown_command(name, &err), &err);
}

int main(int argc, char **argv)
{
    mf_error err = {0};
    mf_init();
    const char *word = argc > 1 ? argv[1] : "help";
    if (strcmp(word, "help") == 0 || strcmp(word, "--help") == 0 || strcmp(word, "-h") == 0) {
        return argc > 2 ? help_with(argv[2]) : print_overview();
    }
    if (strcmp(word, "version") == 0 || strcmp(word, "--version") == 0) {
        (void)printf("memfit %s\n", mf_version());
        return MF_EXIT_YES;
    }
    if (strcmp(word, "manual-options") == 0) {
        return print_manual_options();
    }
    const mf_command *command = mf_cli_command(word);
    if (command == NULL) {
        return mf_cli_fail(unknown_command(word, &err), &err);
    }
    return command->run(argc - 2, argv + 2);
}
