/*
 * data.c - where hwdb and modeldb lie, and where output goes.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cli/cli.h"

#ifndef MF_DATA_FOLDER
#define MF_DATA_FOLDER "/usr/local/share/memfit"
#endif
#ifndef MF_SOURCE_FOLDER
#define MF_SOURCE_FOLDER ""
#endif

enum { MAX_FOLDERS = 5, PATH_SIZE = 4096 };

typedef struct folders {
    char paths[MAX_FOLDERS][PATH_SIZE];
    size_t n;
} folders;

/* A folder counts if it holds hwdb or modeldb. */
static void add_folder(folders *f, const char *start, const char *rest)
{
    char probe[PATH_SIZE + 16];
    struct stat info;
    if (f->n == MAX_FOLDERS || start == NULL || start[0] == '\0') {
        return;
    }
    const int n = snprintf(f->paths[f->n], PATH_SIZE, "%s%s", start, rest);
    if (n < 0 || n >= PATH_SIZE) {
        return;
    }
    static const char *const parts[] = {"hwdb", "modeldb"};
    for (size_t i = 0; i < 2; i++) {
        (void)snprintf(probe, sizeof probe, "%s/%s", f->paths[f->n], parts[i]);
        if (stat(probe, &info) == 0 && S_ISDIR(info.st_mode)) {
            f->n++;
            return;
        }
    }
}

/* The folder above the program's own: PREFIX for PREFIX/bin/memfit. */
static void program_prefix(char prefix[PATH_SIZE])
{
    const ssize_t n = readlink("/proc/self/exe", prefix, PATH_SIZE - 1);
    prefix[n > 0 ? n : 0] = '\0';
    for (int i = 0; i < 2; i++) {
        char *slash = strrchr(prefix, '/');
        if (slash != NULL) {
            *slash = '\0';
        }
    }
}

mf_status mf_cli_database(mf_database **out, const mf_arguments *arguments, mf_error *err)
{
    folders f = {.n = 0};
    char prefix[PATH_SIZE];
    const char *own = getenv("MEMFIT_DATA");
    if (arguments->data != NULL) {
        add_folder(&f, arguments->data, "");
        if (f.n == 0) {
            return mf_fail(err,
                           MF_E_IO,
                           "%s holds neither hwdb nor modeldb, name the folder above them",
                           arguments->data);
        }
    }
    add_folder(&f, own, "");
    const char *user = getenv("XDG_DATA_HOME");
    if (user != NULL) {
        add_folder(&f, user, "/memfit");
    } else {
        add_folder(&f, getenv("HOME"), "/.local/share/memfit");
    }
    program_prefix(prefix);
    if (arguments->data == NULL && own == NULL) {
        const size_t before = f.n;
        add_folder(&f, prefix, "/share/memfit");
        if (f.n == before) {
            add_folder(&f, MF_SOURCE_FOLDER, "");
        }
        if (f.n == before) {
            add_folder(&f, MF_DATA_FOLDER, "");
        }
    }
    const char *paths[MAX_FOLDERS];
    for (size_t i = 0; i < f.n; i++) {
        paths[i] = f.paths[i];
    }
    if (f.n == 0) {
        return mf_fail(err, MF_E_IO, "no folder with hwdb and modeldb found, name it with --data");
    }
    const mf_status status = mf_database_open(out, paths, f.n, err);
    if (status == MF_OK && arguments->macos >= 0) {
        mf_database_set_macos(*out, (uint32_t)arguments->macos);
    }
    return status;
}

static mf_status write_all(FILE *file, const mf_str *text)
{
    const size_t size = text->size;
    const bool fine = fwrite(text->data, 1, size, file) == size && fflush(file) == 0;
    return fine ? MF_OK : MF_E_IO;
}

/* Nothing half-written: the file appears whole or not at all. */
static mf_status write_file(const mf_str *text, const char *path, mf_error *err)
{
    char temporary[PATH_SIZE];
    const int n = snprintf(temporary, sizeof temporary, "%s.tmp-XXXXXX", path);
    const int fd = n > 0 && (size_t)n < sizeof temporary ? mkstemp(temporary) : -1;
    if (fd < 0) {
        return mf_fail(err, MF_E_IO, "%s can't be written (%s)", path, strerror(errno));
    }
    enum { READABLE = 0644 };
    FILE *file = fdopen(fd, "wb");
    mf_status status = file != NULL ? write_all(file, text) : MF_E_IO;
    if (file != NULL && (fchmod(fd, READABLE) != 0 || fclose(file) != 0)) {
        status = MF_E_IO;
    }
    if (status == MF_OK && rename(temporary, path) == 0) {
        return MF_OK;
    }
    const int reason = errno;
    (void)unlink(temporary);
    return mf_fail(err, MF_E_IO, "%s can't be written (%s)", path, strerror(reason));
}

mf_status mf_cli_read(mf_str *text, const char *path, mf_error *err)
{
    static const size_t most_bytes = (size_t)64 << 20;
    char block[65536];
    const bool is_stdin = strcmp(path, "-") == 0;
    FILE *file = is_stdin ? stdin : fopen(path, "rb");
    if (file == NULL) {
        return mf_fail(err, MF_E_IO, "%s can't be read", path);
    }
    size_t n = 0;
    while ((n = fread(block, 1, sizeof block, file)) > 0 && text->size < most_bytes) {
        mf_str_add_n(text, block, n);
    }
    const bool failed = ferror(file) != 0;
    if (!is_stdin) {
        (void)fclose(file);
    }
    return failed ? mf_fail(err, MF_E_IO, "%s can't be read", path) : mf_str_status(text, err);
}

mf_status mf_cli_write(const mf_str *text, const char *path, mf_error *err)
{
    if (text->data == NULL) {
        return MF_OK;
    }
    if (path != NULL) {
        return write_file(text, path, err);
    }
    return write_all(stdout, text) == MF_OK
               ? MF_OK
               : mf_fail(err, MF_E_IO, "standard output can't be written (%s)", strerror(errno));
}

static bool says_utf8(const char *locale)
{
    return locale != NULL && (strstr(locale, "UTF-8") != NULL || strstr(locale, "utf8") != NULL ||
                              strstr(locale, "UTF8") != NULL);
}

static const char *locale_name(void)
{
    static const char *const names[] = {"LC_ALL", "LC_CTYPE", "LANG"};
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        const char *value = getenv(names[i]);
        if (value != NULL && value[0] != '\0') {
            return value;
        }
    }
    return NULL;
}

mf_text_options mf_cli_text_options(const mf_arguments *arguments)
{
    enum { PLAIN_WIDTH = 80, WIDEST = 100 };
    struct winsize size = {0};
    const bool terminal = arguments->output_file == NULL && isatty(STDOUT_FILENO);
    const char *no_colour = getenv("NO_COLOR");
    mf_text_options options = {.width = PLAIN_WIDTH,
                               .unicode = !arguments->ascii && says_utf8(locale_name()),
                               .colour = terminal && (no_colour == NULL || no_colour[0] == '\0')};
    if (terminal && ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 0) {
        options.width = size.ws_col < WIDEST ? size.ws_col : WIDEST;
    }
    return options;
}

bool mf_cli_is_format(const mf_arguments *arguments, const char *format)
{
    return arguments->format != NULL && strcmp(arguments->format, format) == 0;
}

/* Where and how it is written changes nothing of what it says. */
static bool is_about_output(const char *word)
{
    return strcmp(word, "-o") == 0 || strcmp(word, "--format") == 0;
}

/* A page that is kept says what made it. */
static void add_command(mf_document *document, const char *title, const mf_arguments *a)
{
    mf_str line = {0};
    if (a->words == NULL) {
        return;
    }
    mf_str_add(&line, title);
    for (int i = 0; i < a->n_words; i++) {
        if (is_about_output(a->words[i])) {
            i++;
        } else if (strncmp(a->words[i], "--format=", strlen("--format=")) != 0) {
            const char *quote = strpbrk(a->words[i], " \t'") != NULL ? "\"" : "";
            mf_str_printf(&line, " %s%s%s", quote, a->words[i], quote);
        }
    }
    mf_document_begin(document, MF_BLOCK_COMMAND, 1, "How to get this again");
    mf_document_cell(document, "%s", line.data != NULL ? line.data : "");
    mf_str_free(&line);
}

mf_status mf_cli_write_document(mf_str *out,
                                mf_document *document,
                                const char *title,
                                const mf_arguments *arguments,
                                mf_error *err)
{
    if (mf_cli_is_format(arguments, "html") || mf_cli_is_format(arguments, "markdown")) {
        add_command(document, title, arguments);
    }
    const mf_status status = mf_document_status(document, err);
    if (status != MF_OK) {
        return status;
    }
    if (mf_cli_is_format(arguments, "html")) {
        return mf_write_html(out, document, title, err);
    }
    if (mf_cli_is_format(arguments, "json")) {
        return mf_write_document_json(out, document, title, err);
    }
    if (mf_cli_is_format(arguments, "csv")) {
        return mf_write_figures_csv(out, document, err);
    }
    return mf_cli_is_format(arguments, "markdown")
               ? mf_write_markdown(out, document, err)
               : mf_write_text(out, document, mf_cli_text_options(arguments), err);
}
