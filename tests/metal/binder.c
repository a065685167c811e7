/*
 * binder.c - makes C++ of a .metal file: its text, and for each kernel a function that calls it with what its [[attributes]]
 * name. A wrong number in an attribute so becomes a wrong argument, as on the GPU. Usage: binder FILE LIBRARY >FILE.cpp
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char *const scalars[] = {"thread_index_in_threadgroup",
                                      "thread_index_in_simdgroup",
                                      "simdgroup_index_in_threadgroup",
                                      "simdgroups_per_threadgroup"};
static const char *const grids[] = {"thread_position_in_grid",
                                    "threads_per_grid",
                                    "threadgroup_position_in_grid",
                                    "threadgroups_per_grid",
                                    "thread_position_in_threadgroup",
                                    "threads_per_threadgroup"};

static char *read_all(const char *path)
{
    FILE *file = fopen(path, "rb");
    char *text = calloc(1, 1 << 20);
    if (file == NULL || text == NULL || fread(text, 1, (1 << 20) - 1, file) == 0) {
        fprintf(stderr, "binder: can't read %s\n", path);
        exit(1);
    }
    (void)fclose(file);
    return text;
}

/* The text itself; [[threadgroup(n)]] would meet the macro of that name. */
static void print_text(const char *text)
{
    static const char attribute[] = "[[threadgroup(";
    for (const char *c = text; *c != '\0';) {
        if (strncmp(c, attribute, sizeof attribute - 1) == 0) {
            (void)fputs("[[group_memory(", stdout);
            c += sizeof attribute - 1;
        } else {
            (void)putchar(*c);
            c++;
        }
    }
}

static void drop_comments(char *text)
{
    for (char *c = text; *c != '\0'; c++) {
        if (c[0] == '/' && c[1] == '/') {
            for (; *c != '\n' && *c != '\0'; c++) {
                *c = ' ';
            }
        }
    }
}

static int among(const char *word, const char *const *words, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        if (strcmp(word, words[i]) == 0) {
            return 1;
        }
    }
    return 0;
}

static void fail(const char *what, const char *where)
{
    fprintf(stderr, "binder: %s near '%.60s'\n", what, where);
    exit(1);
}

/* Splits "device float *a [[buffer(0)]]" into its type and its attribute. */
static void split(char *argument, char **type, char **attribute)
{
    char *open = strstr(argument, "[[");
    char *close = open != NULL ? strstr(open, "]]") : NULL;
    if (close == NULL) {
        fail("an argument without attribute", argument);
        return;
    }
    *attribute = open + 2;
    *close = '\0';
    char *end = open;
    while (end > argument && (end[-1] == ' ' || end[-1] == '\n')) {
        end--;
    }
    while (end > argument && strchr(" *&", end[-1]) == NULL) {
        end--;
    }
    *end = '\0';
    *type = argument;
    while (**type == ' ' || **type == '\n') {
        (*type)++;
    }
}

/* One argument of the call. Buffers and memory add to the masks, as text: their numbers may be macros. */
static void bind(char *argument, char *buffers, char *groups)
{
    char *type = NULL;
    char *attribute = NULL;
    split(argument, &type, &attribute);
    const int is_buffer = strncmp(attribute, "buffer(", 7) == 0;
    const int is_group = strncmp(attribute, "threadgroup(", 12) == 0;
    char *reference = strrchr(type, '&');
    if (is_buffer || is_group) {
        char *number = strchr(attribute, '(') + 1;
        number[strcspn(number, ")")] = '\0';
        char *mask = is_buffer ? buffers : groups;
        (void)sprintf(mask + strlen(mask), " | 1u << (%s)", number);
        if (reference != NULL) {
            *reference = '\0';
            printf("*(%s *)", type);
        } else {
            printf("(%s)", type);
        }
        printf("c->%s[%s]", is_buffer ? "buffers" : "groups", number);
    } else if (among(attribute, scalars, 4)) {
        printf("(%s)c->%s", type, attribute);
    } else if (among(attribute, grids, 6)) {
        type[strcspn(type, " ")] = '\0';
        printf(
            strchr(type, '3') != NULL ? "msl_three<%s>(c->%s)" : "(%s)c->%s[0]", type, attribute);
    } else {
        fail("an attribute that the runner does not know", attribute);
    }
}

/* Writes the caller of one kernel and adds its row to the table. */
static char *bind_kernel(char *at, char *table)
{
    char name[128] = "";
    char buffers[1024] = "0";
    char groups[1024] = "0";
    if (sscanf(at, "kernel void %127[A-Za-z0-9_]", name) != 1) {
        fail("a kernel without a name", at);
    }
    char *c = strchr(at, '(') + 1;
    printf("static void call_%s(const struct msl_context *c) { %s(", name, name);
    char *argument = c;
    for (int depth = 1; depth > 0; c++) {
        depth += strchr("([<", *c) != NULL ? 1 : strchr(")]>", *c) != NULL ? -1 : 0;
        if ((depth == 1 && *c == ',') || depth == 0) {
            const int last = depth == 0;
            *c = '\0';
            bind(argument, buffers, groups);
            (void)fputs(last ? "); }\n" : ", ", stdout);
            argument = c + 1;
        }
    }
    (void)sprintf(
        table + strlen(table), "    {\"%s\", call_%s, %s, %s},\n", name, name, buffers, groups);
    return c;
}

int main(int argc, char **argv)
{
    static char table[65536];
    if (argc != 3) {
        fprintf(stderr, "usage: binder FILE LIBRARY\n");
        return 2;
    }
    char *text = read_all(argv[1]);
    print_text(text);
    drop_comments(text);
    printf("\n#include \"runner.h\"\n");
    for (char *at = strstr(text, "\nkernel void "); at != NULL; at = strstr(at, "\nkernel void ")) {
        at = bind_kernel(at + 1, table);
    }
    printf("extern const struct msl_kernel %s[];\nconst struct msl_kernel %s[] = {\n%s    {0, 0, "
           "0, 0}};\n",
           argv[2],
           argv[2],
           table);
    free(text);
    return 0;
}
