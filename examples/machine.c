/* machine.h: a machine and its memory. Argument: a folder with hwdb/ and modeldb/. */
#include <stdio.h>

#include <memfit/database.h>

static void show(const mf_machine *machine)
{
    printf("%s\n", machine->name);
    for (size_t i = 0; i < machine->n_pools; i++) {
        const mf_pool *pool = &machine->pools[i];
        if (pool->capacity_bytes.known) {
            printf("  %s: %.0f bytes\n", pool->name, pool->capacity_bytes.value);
        } else {
            printf("  %s: capacity not published\n", pool->name);
        }
    }
}

int main(int argc, char **argv)
{
    const char *folder = argc > 1 ? argv[1] : ".";
    mf_error err = {0};
    mf_database *database = NULL;
    mf_machine *machine = NULL;
    mf_status status = mf_database_open(&database, &folder, 1, &err);
    if (status == MF_OK) {
        status = mf_database_machine(&machine, database, "pc-rtx-4090", &err);
    }
    if (status == MF_OK) {
        show(machine);
    } else {
        fprintf(stderr, "%s\n", err.message);
    }
    mf_machine_free(machine);
    mf_database_close(database);
    return mf_status_exit_code(status);
}
