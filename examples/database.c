/* database.h: what is known, by kind. Argument: a folder with hwdb/ and modeldb/. */
#include <stdio.h>

#include <memfit/database.h>

static mf_status
count(const mf_database *database, mf_entry_kind kind, const char *what, mf_error *err)
{
    mf_names names = {0};
    const mf_status status = mf_database_list(&names, database, kind, err);
    if (status == MF_OK) {
        printf("%zu %s\n", names.n_items, what);
        mf_names_free(&names);
    }
    return status;
}

int main(int argc, char **argv)
{
    const char *folder = argc > 1 ? argv[1] : ".";
    mf_error err = {0};
    mf_database *database = NULL;
    mf_status status = mf_database_open(&database, &folder, 1, &err);
    if (status == MF_OK) {
        status = count(database, MF_ENTRY_MACHINE, "machines", &err);
    }
    if (status == MF_OK) {
        status = count(database, MF_ENTRY_DEVICE, "devices", &err);
    }
    if (status != MF_OK) {
        fprintf(stderr, "%s\n", err.message);
    }
    mf_database_close(database);
    return mf_status_exit_code(status);
}
