#include "cli/ranks.h"

#include <dlfcn.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/num.h"

#ifndef MF_MPI_MODULE
#define MF_MPI_MODULE ""
#endif

enum { PATH_SIZE = 4096 };

/* How Open MPI, MPICH and Slurm tell a process how many there are. */
static uint64_t launched(void)
{
    static const char *const names[] = {"OMPI_COMM_WORLD_SIZE", "PMI_SIZE", "PMIX_SIZE"};
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        uint64_t n = 0;
        const char *value = getenv(names[i]);
        if (value != NULL && mf_parse_uint(&n, value)) {
            return n;
        }
    }
    return 1;
}

/* PREFIX/lib/memfit/memfit-mpi.so for PREFIX/bin/memfit. */
static void *open_beside(void)
{
    char path[PATH_SIZE];
    char file[PATH_SIZE + 40];
    const ssize_t n = readlink("/proc/self/exe", path, sizeof path - 1);
    path[n > 0 ? n : 0] = '\0';
    for (int i = 0; i < 2; i++) {
        char *slash = strrchr(path, '/');
        if (slash != NULL) {
            *slash = '\0';
        }
    }
    (void)snprintf(file, sizeof file, "%s/lib/memfit/memfit-mpi.so", path);
    return dlopen(file, RTLD_NOW | RTLD_GLOBAL);
}

mf_status mf_ranks_open(mf_ranks *ranks, mf_error *err)
{
    const uint64_t n = launched();
    *ranks = (mf_ranks){.n_ranks = 1};
    if (n <= 1) {
        return MF_OK;
    }
    void *module = open_beside();
    if (module == NULL && MF_MPI_MODULE[0] != '\0') {
        module = dlopen(MF_MPI_MODULE, RTLD_NOW | RTLD_GLOBAL);
    }
    if (module == NULL) {
        return mf_fail(
            err,
            MF_E_UNSUPPORTED,
            "started as %llu processes, but this memfit was built without MPI: give each a "
            "--shard instead",
            (unsigned long long)n);
    }
    ranks->module = module;
    ranks->calls = dlsym(module, "mf_ranks_module");
    if (ranks->calls == NULL || ranks->calls->open(&ranks->rank, &ranks->n_ranks) != 0) {
        return mf_fail(err, MF_E_IO, "MPI could not be started");
    }
    return MF_OK;
}

void mf_ranks_close(mf_ranks *ranks)
{
    if (ranks->calls != NULL) {
        (void)ranks->calls->close();
    }
    *ranks = (mf_ranks){.n_ranks = 1};
}
