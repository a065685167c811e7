/* fact.h: where a number comes from. Argument: a folder with hwdb/ and modeldb/. */
#include <stdio.h>

#include <memfit/database.h>

static void show(const char *what, mf_fact fact, const mf_sources *sources)
{
    if (!fact.known) {
        printf("%s: not published\n", what);
    } else if (fact.source == MF_NO_SOURCE) {
        printf("%s: without a source\n", what);
    } else {
        const mf_source *source = &sources->items[fact.source];
        printf("%s: %s, %s\n", what, mf_source_kind_name(source->kind), source->title);
    }
}

int main(int argc, char **argv)
{
    const char *folder = argc > 1 ? argv[1] : ".";
    mf_error err = {0};
    mf_database *database = NULL;
    mf_device *device = NULL;
    mf_status status = mf_database_open(&database, &folder, 1, &err);
    if (status == MF_OK) {
        status = mf_database_device(&device, database, "apple-m4-max-40c", &err);
    }
    if (status == MF_OK) {
        show("bandwidth", device->bandwidth_bytes_per_s, &device->sources);
        show("fp8 peak", device->fp8_matrix_flop_per_s, &device->sources);
    } else {
        fprintf(stderr, "%s\n", err.message);
    }
    mf_device_free(device);
    mf_database_close(database);
    return mf_status_exit_code(status);
}
