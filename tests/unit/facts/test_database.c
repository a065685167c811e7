#include "memfit/database.h"

#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define FIXTURES MF_SOURCE_DIR "/tests/unit/facts/db"

static mf_database *opened(void)
{
    const char *const folders[] = {FIXTURES};
    mf_database *database = NULL;
    mf_error err = {0};
    cr_assert(eq(int, mf_database_open(&database, folders, 1, &err), MF_OK), "%s", err.message);
    return database;
}

Test(database, a_folder_without_facts_is_not_opened)
{
    const char *const folders[] = {MF_SOURCE_DIR "/src"};
    mf_database *database = NULL;
    mf_error err = {0};
    cr_expect(eq(int, mf_database_open(&database, folders, 1, &err), MF_E_IO));
    cr_expect(strstr(err.message, "no folders 'hwdb' and 'modeldb'") != NULL);
    cr_expect(eq(int, mf_database_open(&database, NULL, 0, &err), MF_E_IO));
    cr_expect(database == NULL);
    mf_database_close(NULL);
}

Test(database, a_model_is_found_in_any_family)
{
    mf_database *database = opened();
    mf_model *model = NULL;
    mf_error err = {0};
    cr_assert(
        eq(int, mf_database_model(&model, database, "toy-7m", &err), MF_OK), "%s", err.message);
    cr_expect(eq(sz, model->n_layers, 3));
    mf_model_free(model);
    cr_assert(
        eq(int, mf_database_model(&model, database, "sample-7m", &err), MF_OK), "%s", err.message);
    cr_expect(eq(sz, model->n_layers, 5));
    mf_model_free(model);
    mf_database_close(database);
}

Test(database, a_release_is_its_model_with_another_name_and_context)
{
    mf_database *database = opened();
    mf_model *model = NULL;
    mf_error err = {0};
    cr_assert(eq(int, mf_database_model(&model, database, "toy-7m-tuned", &err), MF_OK),
              "%s",
              err.message);
    cr_expect(eq(str, model->id, "toy-7m-tuned"));
    cr_expect(eq(str, model->name, "Toy 7M tuned"));
    cr_expect(eq(u64, model->context_max, (uint64_t)98304));
    cr_expect(eq(sz, model->n_layers, 3));
    const mf_source *said = &model->sources.items[model->sources.n_items - 1];
    cr_expect(eq(str, said->covers, "context"));
    cr_expect(eq(str, said->title, "its longest"));
    mf_model_free(model);
    mf_database_close(database);
}

Test(database, an_unknown_model_suggests_the_nearest_and_those_that_contain_it)
{
    mf_database *database = opened();
    mf_model *model = NULL;
    mf_error err = {0};
    cr_expect(eq(int, mf_database_model(&model, database, "toy-8m", &err), MF_E_UNKNOWN));
    cr_expect(eq(str, err.message, "unknown model 'toy-8m', did you mean 'toy-7m'?"));
    cr_expect(eq(int, mf_database_model(&model, database, "7M", &err), MF_E_UNKNOWN));
    cr_expect(eq(str,
                 err.message,
                 "unknown model '7M', did you mean 'toy-7m', 'sample-7m' or 'toy-7m-tuned'?"));
    cr_expect(eq(int, mf_database_model(&model, database, "qqqqqqqqqq", &err), MF_E_UNKNOWN));
    cr_expect(eq(str,
                 err.message,
                 "unknown model 'qqqqqqqqqq', 'memfit db list models' and 'memfit db list "
                 "releases' have the 3 there are"));
    cr_expect(model == NULL);
    mf_database_close(database);
}

Test(database, the_same_letters_written_otherwise_are_the_one_suggestion)
{
    mf_database *database = opened();
    mf_model *model = NULL;
    mf_error err = {0};
    cr_expect(eq(int, mf_database_model(&model, database, "Toy 7M", &err), MF_E_UNKNOWN));
    cr_expect(eq(str, err.message, "unknown model 'Toy 7M', did you mean 'toy-7m'?"));
    cr_expect(eq(int, mf_database_model(&model, database, "7m_Sample", &err), MF_E_UNKNOWN));
    cr_expect(eq(str, err.message, "unknown model '7m_Sample', did you mean 'sample-7m'?"));
    cr_expect(eq(int, mf_database_model(&model, database, "7m, big", &err), MF_E_UNKNOWN));
    cr_expect(eq(str,
                 err.message,
                 "unknown model '7m, big', 'memfit db list models' and 'memfit db list releases' "
                 "have the 3 there are"));
    mf_database_close(database);
}

Test(database, a_name_inside_the_text_is_suggested)
{
    mf_database *database = opened();
    mf_model *model = NULL;
    mf_error err = {0};
    cr_expect(
        eq(int, mf_database_model(&model, database, "toy-7m-instruct-gguf", &err), MF_E_UNKNOWN));
    cr_expect(eq(str, err.message, "unknown model 'toy-7m-instruct-gguf', did you mean 'toy-7m'?"));
    mf_database_close(database);
}

Test(database, a_name_with_most_words_and_all_numbers_is_suggested_last)
{
    mf_database *database = opened();
    mf_model *model = NULL;
    mf_error err = {0};
    cr_expect(eq(int, mf_database_model(&model, database, "my toy 7m", &err), MF_E_UNKNOWN));
    cr_expect(eq(str, err.message, "unknown model 'my toy 7m', did you mean 'toy-7m'?"));
    cr_expect(eq(int, mf_database_model(&model, database, "my toy 9m", &err), MF_E_UNKNOWN));
    cr_expect(eq(str,
                 err.message,
                 "unknown model 'my toy 9m', 'memfit db list models' and 'memfit db list releases' "
                 "have the 3 there are"));
    mf_database_close(database);
}

/* A database in a new folder, with one file at `relative`. */
static mf_database *opened_with(char *folder, const char *relative, const char *text)
{
    static const char *const parts[] = {"", "/hwdb", "/modeldb", "/hwdb/devices", "/hwdb/machines"};
    cr_assert(mkdtemp(folder) != NULL);
    char path[256];
    for (size_t i = 1; i < sizeof parts / sizeof parts[0]; i++) {
        (void)snprintf(path, sizeof path, "%s%s", folder, parts[i]);
        cr_assert(eq(int, mkdir(path, 0700), 0));
    }
    (void)snprintf(path, sizeof path, "%s/%s", folder, relative);
    FILE *file = fopen(path, "wb");
    cr_assert(file != NULL);
    (void)fputs(text, file);
    (void)fclose(file);
    const char *const folders[] = {folder, FIXTURES};
    mf_database *database = NULL;
    cr_assert(eq(int, mf_database_open(&database, folders, 2, NULL), MF_OK));
    return database;
}

static void close_with(mf_database *database, const char *folder, const char *relative)
{
    static const char *const parts[] = {"/hwdb/machines", "/hwdb/devices", "/modeldb", "/hwdb", ""};
    char path[256];
    (void)snprintf(path, sizeof path, "%s/%s", folder, relative);
    (void)unlink(path);
    for (size_t i = 0; i < sizeof parts / sizeof parts[0]; i++) {
        (void)snprintf(path, sizeof path, "%s%s", folder, parts[i]);
        (void)rmdir(path);
    }
    mf_database_close(database);
}

#define RELEASE(id, of)                                                                            \
    "{\"id\": \"" id "\", \"of\": \"" of                                                           \
    "\", \"name\": \"X\", \"context\": 4096, \"source\": null, "                                   \
    "\"note\": null}"
#define RELEASES(sources)                                                                          \
    "{\"schema\": 1, \"rows\": [\n" RELEASE("lost", "toy-8m") ",\n" RELEASE(                       \
        "second", "lost") ",\n" RELEASE("tuned", "toy-7m") "], \"sources\": [" sources "]}"
#define ASSUMED(of, title)                                                                         \
    "{\"for\": \"" of "\", \"kind\": \"assumed\", \"title\": \"" title                             \
    "\", \"url\": null, \"seen\": null}"

static void expect_no_release(const mf_database *database, const char *id, const char *why)
{
    mf_model *model = NULL;
    mf_error err = {0};
    cr_expect(eq(int, mf_database_model(&model, database, id, &err), MF_E_DATA));
    cr_expect(strstr(err.message, why) != NULL, "%s", err.message);
    cr_expect(model == NULL);
}

Test(database, a_release_is_of_a_model_with_a_file)
{
    char folder[] = "/tmp/memfit-database-XXXXXX";
    mf_database *database =
        opened_with(folder, "modeldb/releases.json", RELEASES(ASSUMED("*", "said")));
    expect_no_release(database, "lost", "json:2:1: 'lost' is of 'toy-8m', which has no file");
    expect_no_release(database, "second", "json:3:1: 'second' is of 'lost', which has no file");
    close_with(database, folder, "modeldb/releases.json");
}

Test(database, a_releases_context_has_the_source_that_is_for_it)
{
    char folder[] = "/tmp/memfit-database-XXXXXX";
    char other[] = "/tmp/memfit-database-XXXXXX";
    mf_model *model = NULL;
    mf_error err = {0};
    mf_database *database =
        opened_with(folder,
                    "modeldb/releases.json",
                    RELEASES(ASSUMED("name", "a card") ", " ASSUMED("context", "a file")));
    cr_assert(
        eq(int, mf_database_model(&model, database, "tuned", &err), MF_OK), "%s", err.message);
    cr_expect(eq(str, model->sources.items[model->sources.n_items - 1].title, (char *)"a file"));
    mf_model_free(model);
    close_with(database, folder, "modeldb/releases.json");
    database = opened_with(other, "modeldb/releases.json", RELEASES(""));
    expect_no_release(database, "tuned", "json:4:1: the context of 'tuned' has no source");
    close_with(database, other, "modeldb/releases.json");
}

Test(database, a_file_with_another_id_inside_is_refused)
{
    char folder[] = "/tmp/memfit-database-XXXXXX";
    mf_database *database =
        opened_with(folder, "hwdb/devices/x.json", "{\"schema\": 1,\n \"id\": \"y\"}");
    mf_device *device = NULL;
    mf_error err = {0};
    cr_expect(eq(int, mf_database_device(&device, database, "x", &err), MF_E_DATA));
    cr_expect(strstr(err.message, "x.json:2:8: 'id' is 'y' but the file's name says 'x'") != NULL,
              "%s",
              err.message);
    close_with(database, folder, "hwdb/devices/x.json");
}

Test(database, a_broken_file_is_told_with_its_place)
{
    char folder[] = "/tmp/memfit-database-XXXXXX";
    mf_database *database = opened_with(folder, "hwdb/machines/x.json", "{\"schema\": 1,}");
    mf_machine *machine = NULL;
    mf_error err = {0};
    cr_expect(eq(int, mf_database_machine(&machine, database, "x", &err), MF_E_DATA));
    cr_expect(strstr(err.message, "x.json:1:14: expected a key") != NULL, "%s", err.message);
    close_with(database, folder, "hwdb/machines/x.json");
}

static const char machine_form[] =
    "{\"schema\": 1, \"id\": \"x\", \"name\": \"X\", \"released\": null, \"status\": null, "
    "\"fanless\": false, "
    "\"nodes\": 1, \"memory\": [{\"name\": \"m\", \"kind\": \"unified\", \"capacity\": \"8 GiB\", "
    "\"usable\": null, "
    "\"bandwidth\": null}], \"devices\": [{\"device\": \"%s\", \"count\": 1, \"memory\": \"m\"}], "
    "\"host_link\": null, "
    "\"device_link\": \"%s\", \"node_link\": null, \"idle\": null, \"max\": null, \"sources\": "
    "[{\"for\": \"*\", \"kind\": "
    "\"assumed\", \"title\": \"t\", \"url\": null, \"seen\": null}], \"notes\": []}";

static void expect_unknown_part(const char *device, const char *link, const char *message)
{
    char folder[] = "/tmp/memfit-database-XXXXXX";
    char text[1024];
    (void)snprintf(text, sizeof text, machine_form, device, link);
    mf_database *database = opened_with(folder, "hwdb/machines/x.json", text);
    mf_machine *machine = NULL;
    mf_error err = {0};
    cr_expect(eq(int, mf_database_machine(&machine, database, "x", &err), MF_E_UNKNOWN));
    cr_expect(eq(str, err.message, (char *)message));
    close_with(database, folder, "hwdb/machines/x.json");
}

Test(database, a_machine_of_an_unknown_device_or_link_is_refused)
{
    expect_unknown_part("apple-t1-40",
                        "bridge-toy",
                        "machine 'x': unknown device 'apple-t1-40', did you mean 'apple-t1-40c'?");
    expect_unknown_part("apple-t1-40c",
                        "bridge-to",
                        "machine 'x': unknown link 'bridge-to', did you mean 'bridge-toy'?");
}

/* A machine asks for links again and again. */
Test(database, a_file_of_rows_is_read_once)
{
    char folder[] = "/tmp/memfit-database-XXXXXX";
    char path[256];
    mf_link *link = NULL;
    mf_database *database = opened_with(folder,
                                        "hwdb/links.json",
                                        "{\"schema\": 1, \"rows\": [{\"id\": \"link-of-its-own\", "
                                        "\"name\": \"pcie-toy\", \"kind\": \"ho"
                                        "st to GPU\", \"bandwidth\": \"31 GB/s\", \"measured\": "
                                        "null, \"latency\": null, \"source\":"
                                        " {\"kind\": \"vendor\", \"title\": \"made up for tests\", "
                                        "\"url\": null, \"seen\": null}, \"n"
                                        "ote\": null}], \"sources\": []}");
    cr_assert(eq(int, mf_database_link(&link, database, "link-of-its-own", NULL), MF_OK));
    mf_link_free(link);
    (void)snprintf(path, sizeof path, "%s/hwdb/links.json", folder);
    cr_assert(eq(int, unlink(path), 0));
    cr_assert(eq(int, mf_database_link(&link, database, "link-of-its-own", NULL), MF_OK));
    mf_link_free(link);
    close_with(database, folder, "hwdb/links.json");
}

Test(database, a_name_can_not_leave_its_folder)
{
    mf_database *database = opened();
    mf_device *device = NULL;
    cr_expect(eq(int, mf_database_device(&device, database, "../links", NULL), MF_E_UNKNOWN));
    cr_expect(eq(int, mf_database_device(&device, database, "", NULL), MF_E_UNKNOWN));
    cr_expect(eq(int, mf_database_device(&device, database, ".", NULL), MF_E_UNKNOWN));
    mf_database_close(database);
}

Test(database, a_machine_comes_with_devices_and_links)
{
    mf_database *database = opened();
    mf_machine *machine = NULL;
    mf_error err = {0};
    cr_assert(eq(int, mf_database_machine(&machine, database, "pc-toy-2x24gb", &err), MF_OK),
              "%s",
              err.message);
    cr_expect(eq(str, machine->devices[0].device->id, "nvidia-toy-24gb"));
    cr_expect(eq(sz, machine->n_links, 2));
    cr_expect(eq(str, machine->links[0].id, "bridge-toy"));
    cr_expect(eq(str, machine->links[1].id, "pcie-toy"));
    cr_expect(not(machine->pools[0].usable_bytes.known));
    mf_machine_free(machine);
    mf_database_close(database);
}

Test(database, a_mac_gets_the_limit_of_its_size_and_the_newest_macos)
{
    mf_database *database = opened();
    mf_machine *machine = NULL;
    mf_error err = {0};
    cr_assert(eq(int, mf_database_machine(&machine, database, "mac-t1-40c-128gb", &err), MF_OK),
              "%s",
              err.message);
    const mf_fact *usable = &machine->pools[0].usable_bytes;
    cr_expect(usable->known);
    cr_expect(epsilon_eq(dbl, usable->value, 110100.0 * 1048576, 1));
    cr_expect(eq(int, machine->sources.items[usable->source].kind, MF_SOURCE_MEASURED));
    mf_machine_free(machine);
    mf_database_close(database);
}

static double limit_gib(uint32_t macos, const char *id)
{
    mf_database *database = opened();
    mf_machine *machine = NULL;
    mf_database_set_macos(database, macos);
    cr_assert(eq(int, mf_database_machine(&machine, database, id, NULL), MF_OK));
    const double usable = machine->pools[0].usable_bytes.value / 1073741824.0;
    mf_machine_free(machine);
    mf_database_close(database);
    return usable;
}

Test(database, a_mac_of_an_older_macos_has_the_limit_of_that_or_the_one_before)
{
    cr_expect(epsilon_eq(dbl, limit_gib(15, "mac-t1-40c-128gb"), 96, 1e-6));
    cr_expect(epsilon_eq(dbl, limit_gib(25, "mac-t1-40c-128gb"), 96, 1e-6));
    cr_expect(gt(dbl, limit_gib(26, "mac-t1-40c-128gb"), 100));
    cr_expect(gt(dbl, limit_gib(14, "mac-t1-40c-128gb"), 95), "none so old: the nearest");
}

Test(database, a_limit_that_the_machine_states_wins)
{
    mf_database *database = opened();
    mf_machine *machine = NULL;
    cr_assert(eq(int, mf_database_machine(&machine, database, "mac-t1-40c-raised", NULL), MF_OK));
    cr_expect(epsilon_eq(dbl, machine->pools[0].usable_bytes.value, 120.0 * 1073741824, 1));
    mf_machine_free(machine);
    mf_database_close(database);
}

Test(database, a_device_with_memory_of_its_own_is_a_machine)
{
    mf_database *database = opened();
    mf_machine *machine = NULL;
    mf_error err = {0};
    cr_assert(eq(int, mf_database_machine(&machine, database, "nvidia-toy-24gb", &err), MF_OK),
              "%s",
              err.message);
    cr_expect(eq(sz, machine->n_pools, 1));
    cr_expect(eq(int, machine->pools[0].kind, MF_POOL_DEVICE));
    cr_expect(epsilon_eq(dbl, machine->pools[0].capacity_bytes.value, 24.0 * 1073741824, 0));
    cr_expect(eq(u32, machine->devices[0].count, 1));
    cr_expect(eq(u32, machine->n_nodes, 1));
    cr_expect(eq(sz, machine->n_links, 2));
    mf_machine_free(machine);
    mf_database_close(database);
}

Test(database, a_device_without_memory_names_its_machines)
{
    mf_database *database = opened();
    mf_machine *machine = NULL;
    mf_error err = {0};
    cr_expect(eq(int, mf_database_machine(&machine, database, "apple-t1-40c", &err), MF_E_USAGE));
    cr_expect(
        strstr(err.message,
               "'apple-t1-40c' has no memory of its own, write how much: apple-t1-40c-64gb") !=
        NULL);
    cr_expect(strstr(err.message, "'mac-t1-40c-128gb'") != NULL, "%s", err.message);
    mf_database_close(database);
}

Test(database, a_chip_with_its_memory_is_a_machine)
{
    mf_database *database = opened();
    mf_machine *machine = NULL;
    mf_error err = {0};
    cr_assert(eq(int, mf_database_machine(&machine, database, "apple-t1-40c-128gb", &err), MF_OK),
              "%s",
              err.message);
    cr_expect(eq(str, machine->id, "apple-t1-40c-128gb"));
    cr_expect(eq(int, machine->pools[0].kind, MF_POOL_UNIFIED));
    cr_expect(epsilon_eq(dbl, machine->pools[0].capacity_bytes.value, 128.0 * 1073741824, 0));
    const int source = machine->pools[0].capacity_bytes.source;
    cr_expect(eq(str, machine->sources.items[source].title, "given: apple-t1-40c-128gb"));
    cr_expect(eq(str, machine->devices[0].device->id, "apple-t1-40c"));
    cr_expect(machine->pools[0].usable_bytes.known);
    mf_machine_free(machine);
    static const char *const others[] = {
        "apple-t1-40c-0gb", "apple-t1-40c-gb", "apple-t1-40c-9999999gb", "nvidia-toy-24gb-48gb"};
    for (size_t i = 0; i < sizeof others / sizeof others[0]; i++) {
        machine = NULL;
        cr_expect(eq(int, mf_database_machine(&machine, database, others[i], &err), MF_E_UNKNOWN));
        cr_expect(machine == NULL);
    }
    mf_database_close(database);
}

Test(database, an_unknown_machine_suggests_devices_too)
{
    mf_database *database = opened();
    mf_machine *machine = NULL;
    mf_error err = {0};
    cr_expect(
        eq(int, mf_database_machine(&machine, database, "nvidia-toy-24g", &err), MF_E_UNKNOWN));
    cr_expect(strstr(err.message, "did you mean 'nvidia-toy-24gb'?") != NULL, "%s", err.message);
    mf_database_close(database);
}

Test(database, the_first_folder_that_has_an_entry_wins)
{
    const char *const folders[] = {FIXTURES "/overlay", FIXTURES};
    mf_database *database = NULL;
    mf_machine *machine = NULL;
    cr_assert(eq(int, mf_database_open(&database, folders, 2, NULL), MF_OK));
    cr_assert(eq(int, mf_database_machine(&machine, database, "pc-toy-2x24gb", NULL), MF_OK));
    cr_expect(eq(u32, machine->devices[0].count, 5));
    mf_machine_free(machine);
    mf_names names = {0};
    cr_assert(eq(int, mf_database_list(&names, database, MF_ENTRY_MACHINE, NULL), MF_OK));
    cr_expect(eq(sz, names.n_items, 3));
    mf_names_free(&names);
    mf_database_close(database);
}

Test(database, quants_and_links_are_found_whatever_the_case)
{
    mf_database *database = opened();
    mf_quant *quant = NULL;
    mf_link *link = NULL;
    mf_error err = {0};
    cr_assert(
        eq(int, mf_database_quant(&quant, database, "q4_k_m", &err), MF_OK), "%s", err.message);
    cr_expect(eq(str, quant->id, "Q4_K_M"));
    cr_assert(
        eq(int, mf_database_link(&link, database, "bridge-toy", &err), MF_OK), "%s", err.message);
    cr_expect(epsilon_eq(dbl, link->bandwidth_bytes_per_s.value, 50e9, 1));
    mf_quant_free(quant);
    mf_link_free(link);
    quant = NULL;
    cr_expect(eq(int, mf_database_quant(&quant, database, "Q4_K_X", &err), MF_E_UNKNOWN));
    cr_expect(eq(str, err.message, "unknown quantization 'Q4_K_X', did you mean 'Q4_K_M'?"));
    cr_expect(eq(int, mf_database_link(&link, database, "wwwwwwww", &err), MF_E_UNKNOWN));
    mf_database_close(database);
}

Test(database, an_engine_is_found)
{
    mf_database *database = opened();
    mf_engine *engine = NULL;
    cr_assert(eq(int, mf_database_engine(&engine, database, "llama.cpp", NULL), MF_OK));
    cr_expect(eq(str, engine->version, "b1"));
    mf_engine_free(engine);
    cr_expect(eq(int, mf_database_engine(&engine, database, "lama.cpp", NULL), MF_E_UNKNOWN));
    mf_database_close(database);
}

Test(database, every_kind_is_listed_in_order)
{
    static const struct {
        mf_entry_kind kind;
        size_t n;
        const char *first;
    } rows[] = {
        {MF_ENTRY_MODEL,   2, "sample-7m"          },
        {MF_ENTRY_MACHINE, 3, "mac-t1-40c-128gb"   },
        {MF_ENTRY_DEVICE,  2, "apple-t1-40c"       },
        {MF_ENTRY_LINK,    2, "bridge-toy"         },
        {MF_ENTRY_QUANT,   2, "FP8"                },
        {MF_ENTRY_ENGINE,  1, "llama.cpp"          },
        {MF_ENTRY_RENTAL,  1, "cloud-toy-on-demand"},
        {MF_ENTRY_RELEASE, 1, "toy-7m-tuned"       },
    };
    mf_database *database = opened();
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        mf_names names = {0};
        mf_error err = {0};
        cr_assert(eq(int, mf_database_list(&names, database, rows[i].kind, &err), MF_OK),
                  "%s",
                  err.message);
        cr_expect(eq(sz, names.n_items, rows[i].n), "%s", rows[i].first);
        cr_expect(eq(str, names.items[0], (char *)rows[i].first));
        mf_names_free(&names);
    }
    mf_database_close(database);
}

Test(database, a_path_is_found_in_the_first_folder_that_has_it)
{
    mf_database *database = opened();
    char *path = NULL;
    cr_assert(eq(int, mf_database_path(&path, database, "hwdb/links.json", NULL), MF_OK));
    cr_expect(eq(str, path, FIXTURES "/hwdb/links.json"));
    free(path);
    mf_error err = {0};
    cr_expect(
        eq(int, mf_database_path(&path, database, "hwdb/calibration/x.json", &err), MF_E_UNKNOWN));
    cr_expect(strstr(err.message, "'hwdb/calibration/x.json'") != NULL);
    mf_database_close(database);
}
