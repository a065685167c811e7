#include "calibrate/blas.h"

#include <dlfcn.h>
#include <string.h>

/* Of cblas.h, the same in every library. */
#define ROW_MAJOR 101
#define NO_TRANSPOSE 111

/* The plain reference BLAS is not in the list: it would pass for the machine's speed. */
static const struct {
    const char *name;
    const char *file;
    const char *set_threads;
} libraries[] = {
    {"Accelerate", "/System/Library/Frameworks/Accelerate.framework/Accelerate", NULL                        },
    {"OpenBLAS",   "libopenblas.so.0",                                           "openblas_set_num_threads"  },
    {"OpenBLAS",   "libopenblas.so",                                             "openblas_set_num_threads"  },
    {"OpenBLAS",   "libopenblas.dylib",                                          "openblas_set_num_threads"  },
    {"BLIS",       "libblis.so.4",                                               "bli_thread_set_num_threads"},
    {"BLIS",       "libblis.so",                                                 "bli_thread_set_num_threads"},
    {"MKL",        "libmkl_rt.so.2",                                             "MKL_Set_Num_Threads"       },
    {"MKL",        "libmkl_rt.so",                                               "MKL_Set_Num_Threads"       },
};

/* POSIX lets a data pointer hold a function's; ISO C has no cast for it. */
static void find(void *function, void *library, const char *name)
{
    void *symbol = dlsym(library, name);
    memcpy(function, &symbol, sizeof symbol);
}

void mf_blas_open(mf_blas *blas, size_t n_threads)
{
    *blas = (mf_blas){0};
    for (size_t i = 0; i < sizeof libraries / sizeof libraries[0]; i++) {
        void *library = dlopen(libraries[i].file, RTLD_NOW | RTLD_LOCAL);
        if (library == NULL) {
            continue;
        }
        mf_blas found = {.name = libraries[i].name, .library = library};
        find(&found.sgemm, library, "cblas_sgemm");
        if (found.sgemm == NULL) {
            (void)dlclose(library);
            continue;
        }
        void (*set_threads)(int) = NULL;
        if (libraries[i].set_threads != NULL) {
            find(&set_threads, library, libraries[i].set_threads);
        }
        if (set_threads != NULL) {
            set_threads((int)n_threads);
        }
        *blas = found;
        return;
    }
}

void mf_blas_close(mf_blas *blas)
{
    /* A library with threads of its own stays loaded: they may still be leaving it. */
    *blas = (mf_blas){0};
}

void mf_blas_product(
    const mf_blas *blas, float *c, const float *a, const float *b, const int m_n_k[3])
{
    const int n = m_n_k[1];
    const int k = m_n_k[2];
    blas->sgemm(ROW_MAJOR, NO_TRANSPOSE, NO_TRANSPOSE, m_n_k[0], n, k, 1, a, k, b, n, 0, c, n);
}
