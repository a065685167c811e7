#include "facts/check.h"

#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define FIXTURES MF_SOURCE_DIR "/tests/unit/facts/db"

static void collect(void *payload, const char *message)
{
    mf_str_printf(payload, "%s\n", message);
}

static mf_database *opened(const char *folder)
{
    mf_database *database = NULL;
    mf_error err = {0};
    cr_assert(eq(int, mf_database_open(&database, &folder, 1, &err), MF_OK), "%s", err.message);
    return database;
}

/* A file of the fixtures with the first `old` replaced, written to path. */
static void write_changed(const char *path, const char *original, const char *old, const char *new)
{
    FILE *from = fopen(original, "rb");
    cr_assert(from != NULL, "%s", original);
    mf_str text = {0};
    char buffer[4096];
    for (size_t n = fread(buffer, 1, sizeof buffer, from); n > 0;
         n = fread(buffer, 1, sizeof buffer, from)) {
        mf_str_add_n(&text, buffer, n);
    }
    (void)fclose(from);
    const char *at = strstr(text.data, old);
    cr_assert(at != NULL, "no '%s' in %s", old, original);
    FILE *to = fopen(path, "wb");
    cr_assert(to != NULL, "%s", path);
    (void)fprintf(to, "%.*s%s%s", (int)(at - text.data), text.data, new, at + strlen(old));
    (void)fclose(to);
    mf_str_free(&text);
}

typedef struct fault {
    const char *file;
    const char *old;
    const char *new;
    const char *message;
} fault;

static const char release_source[] =
    "{\"kind\": \"assumed\", \"title\": \"its longest\", \"url\": null, \"seen\": null}";

static const fault faults[] = {
    {"hwdb/devices/nvidia-toy-24gb.json",
     "\"id\": \"nvidia-toy-24gb\"",                            "\"id\": \"toy\"",
     "'id' is 'toy' but the file's name says 'nvidia-toy-24gb'"                                                                                },
    {"hwdb/devices/nvidia-toy-24gb.json",
     "\"pcie-toy\"",                                           "\"pcie-to\"",
     "'host_link' names the unknown link 'pcie-to', did you mean 'pcie-toy'?"                                                                  },
    {"hwdb/devices/nvidia-toy-24gb.json",
     "\"nvidia-gddr\"",                                        "\"amd-gddr\"",
     "'class' amd-gddr is not one of vendor nvidia"                                                                                            },
    {"hwdb/devices/nvidia-toy-24gb.json",
     "\"measured_bandwidth\": null",                           "\"measured_bandwidth\": \"501 GB/s\"",
     "above the specified 'bandwidth'"                                                                                                         },
    {"hwdb/devices/nvidia-toy-24gb.json",
     "\"for\": \"*\"",                                         "\"for\": \"*, bandwith\"",
     "'for' names 'bandwith', which is no key here"                                                                                            },
    {"hwdb/devices/nvidia-toy-24gb.json",
     "\"cores\": 40",                                          "\"cores\": 1,",
     "expected a key in double quotes"                                                                                                         },
    {"hwdb/machines/pc-toy-2x24gb.json",
     "\"device\": \"nvidia-toy-24gb\"",                        "\"device\": \"zzzzz\"",
     "'device' names the unknown device 'zzzzz'"                                                                                               },
    {"hwdb/machines/pc-toy-2x24gb.json",
     "\"device_link\": \"bridge-toy\"",                        "\"device_link\": \"none\"",
     "'device_link' names the unknown link 'none'"                                                                                             },
    {"hwdb/machines/pc-toy-2x24gb.json",
     "\"memory\": \"vram\"",                                   "\"memory\": \"host\"",
     "no device computes from the memory 'vram'"                                                                                               },
    {"hwdb/machines/pc-toy-2x24gb.json",
     "\"memory\": \"vram\"",                                   "\"memory\": \"x\"",
     "'devices[0].memory' names 'x'"                                                                                                           },
    {"hwdb/machines/mac-t1-40c-raised.json",
     "\"120 GiB\"",                                            "\"129 GiB\"",
     "'memory[0].usable' is above its capacity"                                                                                                },
    {"hwdb/links.json",
     "\"id\": \"bridge-toy\"",                                 "\"id\": \"PCIE-toy\"",
     "the id 'PCIE-toy' stands twice"                                                                                                          },
    {"hwdb/prices/rentals.json",
     "\"nvidia-toy-24gb\"",                                    "\"nvidia-toy-25gb\"",
     "'device_id' names the unknown machine or device 'nvidia-toy-25gb'"                                                                       },
    {"hwdb/prices/rentals.json",             "\"2026-01-31\"", "\"2026-01/\"",                         "must be a date or period"              },
    {"modeldb/models/toy/toy-7m.json",
     "attn_k.weight 24x16",                                    "attn_k.weight 24x17",
     "attn_k.weight"                                                                                                                           },
    {"modeldb/releases.json",
     "\"toy-7m\"",                                             "\"toy-8m\"",
     "'of' names the unknown model 'toy-8m', did you mean 'toy-7m'?"                                                                           },
    {"modeldb/releases.json",
     "\"toy-7m-tuned\"",                                       "\"sample-7m\"",
     "'sample-7m' is a model's id already"                                                                                                     },
    {"modeldb/releases.json",                release_source,   "null",                                 "nothing says where the context is from"},
    {"modeldb/models/toy/toy-7m.json",       "\"a*3\"",        "\"b*3\"",                              "'layers' has 'b*3'"                    },
};

Test(check, each_fault_is_told_with_its_place)
{
    mf_database *database = opened(FIXTURES);
    char folder[] = "/tmp/memfit-check-XXXXXX";
    cr_assert(mkdtemp(folder) != NULL);
    for (size_t i = 0; i < sizeof faults / sizeof faults[0]; i++) {
        mf_str path = {0};
        mf_str original = {0};
        mf_str told = {0};
        /* The folder's name is part of what decides whether the id is compared. */
        mf_str_printf(&path, "%s/hwdb", folder);
        (void)mkdir(path.data, 0700);
        mf_str_add(&path, "/devices");
        (void)mkdir(path.data, 0700);
        mf_str_printf(&path, "%s", strrchr(faults[i].file, '/'));
        mf_str_printf(&original, "%s/%s", FIXTURES, faults[i].file);
        write_changed(path.data, original.data, faults[i].old, faults[i].new);
        mf_check_counts counts = {0};
        mf_error err = {0};
        cr_expect(eq(int, mf_file_check(&counts, database, path.data, collect, &told, &err), MF_OK),
                  "%s",
                  err.message);
        cr_expect(ge(sz, counts.n_problems, 1), "%s", faults[i].message);
        cr_expect(told.data != NULL && strstr(told.data, faults[i].message) != NULL,
                  "%s: %s",
                  faults[i].message,
                  told.data != NULL ? told.data : "");
        cr_expect(told.data != NULL && strstr(told.data, path.data) == told.data,
                  "starts with the path");
        (void)unlink(path.data);
        mf_str_free(&path);
        mf_str_free(&original);
        mf_str_free(&told);
    }
    mf_str inner = {0};
    mf_str_printf(&inner, "%s/hwdb/devices", folder);
    (void)rmdir(inner.data);
    inner.data[strlen(folder) + 5] = '\0';
    (void)rmdir(inner.data);
    (void)rmdir(folder);
    mf_str_free(&inner);
    mf_database_close(database);
}

static void expect_clean(const char *folder, mf_check_counts *counts)
{
    mf_database *database = opened(folder);
    mf_str told = {0};
    mf_error err = {0};
    cr_assert(eq(int, mf_database_check(counts, database, collect, &told, &err), MF_OK),
              "%s",
              err.message);
    cr_expect(eq(sz, counts->n_problems, 0), "%s", told.data != NULL ? told.data : "");
    mf_str_free(&told);
    mf_database_close(database);
}

Test(check, the_fixtures_are_clean_and_counted)
{
    mf_check_counts counts = {0};
    expect_clean(FIXTURES, &counts);
    cr_expect(eq(sz, counts.n_files, 13));
    cr_expect(eq(sz, counts.n_entries[MF_FILE_DEVICE], 2));
    cr_expect(eq(sz, counts.n_entries[MF_FILE_MACHINE], 3));
    cr_expect(eq(sz, counts.n_entries[MF_FILE_LINKS], 2));
    cr_expect(eq(sz, counts.n_entries[MF_FILE_MODEL], 2));
    cr_expect(eq(sz, counts.n_entries[MF_FILE_RELEASES], 1));
}

Test(check, the_committed_database_is_clean)
{
    mf_check_counts counts = {0};
    expect_clean(MF_SOURCE_DIR, &counts);
    cr_expect(ge(sz, counts.n_entries[MF_FILE_DEVICE], 120));
    cr_expect(ge(sz, counts.n_entries[MF_FILE_MACHINE], 110));
    cr_expect(ge(sz, counts.n_entries[MF_FILE_RENTALS], 100));
}

Test(check, a_file_of_no_kind_is_refused)
{
    mf_database *database = opened(FIXTURES);
    mf_check_counts counts = {0};
    mf_str told = {0};
    mf_error err = {0};
    char path[] = "/tmp/memfit-check-XXXXXX";
    const int fd = mkstemp(path);
    cr_assert(fd >= 0);
    cr_assert(eq(i64, (int64_t)write(fd, "{\"x\": 1}", 8), 8));
    (void)close(fd);
    cr_expect(eq(int, mf_file_check(&counts, database, path, collect, &told, &err), MF_E_DATA));
    cr_expect(
        strstr(err.message, "no kind of fact file has these keys") != NULL, "%s", err.message);
    (void)unlink(path);
    cr_expect(eq(int, mf_file_check(&counts, database, path, collect, &told, &err), MF_E_IO));
    mf_str_free(&told);
    mf_database_close(database);
}

Test(check, every_template_passes)
{
    mf_database *database = opened(MF_SOURCE_DIR);
    for (size_t kind = 0; kind < MF_FILE_KIND_COUNT; kind++) {
        char path[] = "/tmp/memfit-template-XXXXXX";
        const int fd = mkstemp(path);
        cr_assert(fd >= 0);
        mf_str text = {0};
        mf_str told = {0};
        mf_template_write(&text, (mf_file_kind)kind);
        cr_assert(eq(i64, (int64_t)write(fd, text.data, text.size), (int64_t)text.size));
        (void)close(fd);
        mf_check_counts counts = {0};
        mf_error err = {0};
        cr_expect(eq(int, mf_file_check(&counts, database, path, collect, &told, &err), MF_OK),
                  "%s",
                  err.message);
        cr_expect(eq(sz, counts.n_problems, 0), "%s", told.data != NULL ? told.data : "");
        cr_expect(eq(sz, counts.n_entries[kind], 1),
                  "guessed as another kind than %s",
                  mf_file_kind_info((mf_file_kind)kind)->name);
        (void)unlink(path);
        mf_str_free(&text);
        mf_str_free(&told);
    }
    mf_database_close(database);
}

Test(check, the_committed_schemas_are_what_the_tables_say)
{
    for (size_t kind = 0; kind < MF_FILE_KIND_COUNT; kind++) {
        mf_str text = {0};
        mf_str path = {0};
        mf_schema_write(&text, (mf_file_kind)kind);
        mf_str_printf(&path, "%s/%s", MF_SOURCE_DIR, mf_file_kind_info((mf_file_kind)kind)->schema);
        FILE *file = fopen(path.data, "rb");
        cr_assert(file != NULL, "%s", path.data);
        char *committed = calloc(text.size + 2, 1);
        cr_assert(committed != NULL);
        const size_t size = fread(committed, 1, text.size + 1, file);
        (void)fclose(file);
        cr_expect(eq(sz, size, text.size), "%s", path.data);
        cr_expect(memcmp(committed, text.data, text.size) == 0,
                  "%s: print it anew with 'memfit db schema'",
                  path.data);
        free(committed);
        mf_str_free(&text);
        mf_str_free(&path);
    }
}

Test(check, a_schema_is_json)
{
    for (size_t kind = 0; kind < MF_FILE_KIND_COUNT; kind++) {
        mf_str text = {0};
        mf_json *json = NULL;
        mf_error err = {0};
        mf_schema_write(&text, (mf_file_kind)kind);
        cr_expect(eq(int, mf_json_parse(&json, text.data, text.size, "schema", &err), MF_OK),
                  "%s",
                  err.message);
        mf_json_free(json);
        mf_str_free(&text);
    }
}

Test(check, a_key_is_explained_with_form_and_meaning)
{
    mf_str text = {0};
    cr_assert(eq(int, mf_explain_write(&text, "machine.memory.capacity", NULL), MF_OK));
    cr_expect(
        eq(str,
           text.data,
           "capacity: quantity like \"64 GiB\"\n    size; of one device where each has its own\n"));
    mf_str_free(&text);
    cr_assert(eq(int, mf_explain_write(&text, "device", NULL), MF_OK));
    cr_expect(strstr(text.data, "host_link: text, or null") != NULL);
    mf_str_free(&text);
}

Test(check, an_unknown_kind_or_key_suggests_the_nearest)
{
    mf_str text = {0};
    mf_error err = {0};
    cr_expect(eq(int, mf_explain_write(&text, "machin", &err), MF_E_UNKNOWN));
    cr_expect(eq(str, err.message, "unknown kind 'machin', did you mean 'machine'?"));
    cr_expect(eq(int, mf_explain_write(&text, "qqqqqqqq", &err), MF_E_UNKNOWN));
    cr_expect(strstr(err.message, "write one of device, machine, engine, model") != NULL);
    cr_expect(eq(int, mf_explain_write(&text, "device.bandwith", &err), MF_E_UNKNOWN));
    cr_expect(eq(str, err.message, "device has no key 'bandwith', did you mean 'bandwidth'?"));
    cr_expect(eq(int, mf_explain_write(&text, "device.id.x", &err), MF_E_UNKNOWN));
    cr_expect(text.data == NULL);
}
