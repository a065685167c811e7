#include "calibrate/cuda_blas.h"

#include <dlfcn.h>
#include <string.h>

/* Numbers of cublas_api.h, cublasLt.h and library_types.h. */
#define CUDA_R_32F_ 0
#define CUDA_R_16F_ 2
#define CUDA_R_8F_E4M3_ 28
#define CUBLAS_COMPUTE_32F_ 68
#define CUBLAS_GEMM_DEFAULT_ (-1)
#define CUBLAS_OP_T_ 1
#define CUBLASLT_MATMUL_DESC_TRANSA_ 3
#define CUBLAS_NOT_SUPPORTED 15

static const float one = 1;
static const float zero = 0;

static void *open_library(const char *const names[], size_t n_names)
{
    void *library = NULL;
    for (size_t i = 0; library == NULL && i < n_names; i++) {
        library = dlopen(names[i], RTLD_NOW | RTLD_LOCAL);
    }
    return library;
}

/* dlsym's pointer as a function's; false: the library has no such name. */
static bool find(void *function, void *library, const char *name)
{
    void *symbol = dlsym(library, name);
    memcpy(function, &symbol, sizeof symbol);
    return symbol != NULL;
}

static void open_cublas(mf_cuda_blas *b)
{
    static const char *const names[] = {
        "libcublas.so.13", "libcublas.so.12", "libcublas.so.11", "libcublas.so"};
    void *library = open_library(names, sizeof names / sizeof names[0]);
    if (library == NULL) {
        return;
    }
    mf_cublas *f = &b->blas;
    const bool whole = find(&f->cublasCreate_v2, library, "cublasCreate_v2") &&
                       find(&f->cublasDestroy_v2, library, "cublasDestroy_v2") &&
                       find(&f->cublasGemmEx, library, "cublasGemmEx");
    if (!whole || f->cublasCreate_v2(&b->handle) != 0) {
        b->handle = NULL;
    }
}

static bool find_lt(mf_cublaslt *f, void *library)
{
    const struct {
        void *function;
        const char *name;
    } wanted[] = {
        {&f->cublasLtCreate,                  "cublasLtCreate"                 },
        {&f->cublasLtDestroy,                 "cublasLtDestroy"                },
        {&f->cublasLtMatmulDescCreate,        "cublasLtMatmulDescCreate"       },
        {&f->cublasLtMatmulDescDestroy,       "cublasLtMatmulDescDestroy"      },
        {&f->cublasLtMatmulDescSetAttribute,  "cublasLtMatmulDescSetAttribute" },
        {&f->cublasLtMatrixLayoutCreate,      "cublasLtMatrixLayoutCreate"     },
        {&f->cublasLtMatrixLayoutDestroy,     "cublasLtMatrixLayoutDestroy"    },
        {&f->cublasLtMatmulPreferenceCreate,  "cublasLtMatmulPreferenceCreate" },
        {&f->cublasLtMatmulPreferenceDestroy, "cublasLtMatmulPreferenceDestroy"},
        {&f->cublasLtMatmulAlgoGetHeuristic,  "cublasLtMatmulAlgoGetHeuristic" },
        {&f->cublasLtMatmul,                  "cublasLtMatmul"                 },
    };
    bool whole = true;
    for (size_t i = 0; whole && i < sizeof wanted / sizeof wanted[0]; i++) {
        whole = find(wanted[i].function, library, wanted[i].name);
    }
    return whole;
}

static void open_cublaslt(mf_cuda_blas *b)
{
    static const char *const names[] = {"libcublasLt.so.13", "libcublasLt.so.12", "libcublasLt.so"};
    void *library = open_library(names, sizeof names / sizeof names[0]);
    if (library != NULL && find_lt(&b->lt, library) && b->lt.cublasLtCreate(&b->lt_handle) != 0) {
        b->lt_handle = NULL;
    }
}

void mf_cuda_blas_open(mf_cuda_blas *b, bool fp8)
{
    open_cublas(b);
    if (fp8) {
        open_cublaslt(b);
    }
}

static void drop_plan(mf_cuda_blas *b)
{
    for (size_t i = 0; i < 3; i++) {
        if (b->layouts[i] != NULL) {
            (void)b->lt.cublasLtMatrixLayoutDestroy(b->layouts[i]);
            b->layouts[i] = NULL;
        }
    }
    if (b->desc != NULL) {
        (void)b->lt.cublasLtMatmulDescDestroy(b->desc);
        b->desc = NULL;
    }
    b->planned = (mf_gpu_args){0};
}

void mf_cuda_blas_close(mf_cuda_blas *b)
{
    drop_plan(b);
    if (b->lt_handle != NULL) {
        (void)b->lt.cublasLtDestroy(b->lt_handle);
        b->lt_handle = NULL;
    }
    if (b->handle != NULL) {
        (void)b->blas.cublasDestroy_v2(b->handle);
        b->handle = NULL;
    }
}

bool mf_cuda_blas_is(mf_probe probe)
{
    return probe == MF_PROBE_GEMM_F32 || probe == MF_PROBE_GEMM_F16 || probe == MF_PROBE_GEMM_F8;
}

bool mf_cuda_blas_has(const mf_cuda_blas *b, mf_probe probe)
{
    return probe == MF_PROBE_GEMM_F8 ? b->lt_handle != NULL : b->handle != NULL;
}

/* Both count columns first: a row-major product is the transposed one with its factors exchanged. */
static int multiply_floats(const mf_cuda_blas *b, const mf_gpu_job *job)
{
    const int type = job->probe == MF_PROBE_GEMM_F16 ? CUDA_R_16F_ : CUDA_R_32F_;
    const int m = (int)job->args.m;
    const int n = (int)job->args.n;
    const int k = (int)job->args.k;
    return b->blas.cublasGemmEx(b->handle,
                                0,
                                0,
                                n,
                                m,
                                k,
                                &one,
                                job->b,
                                type,
                                n,
                                job->a,
                                type,
                                k,
                                &zero,
                                job->out,
                                type,
                                n,
                                CUBLAS_COMPUTE_32F_,
                                CUBLAS_GEMM_DEFAULT_);
}

static int choose(mf_cuda_blas *b)
{
    void *preference = NULL;
    int n_choices = 0;
    int code = b->lt.cublasLtMatmulPreferenceCreate(&preference); /* no workspace */
    if (code != 0) {
        return code;
    }
    code = b->lt.cublasLtMatmulAlgoGetHeuristic(b->lt_handle,
                                                b->desc,
                                                b->layouts[0],
                                                b->layouts[1],
                                                b->layouts[2],
                                                b->layouts[2],
                                                preference,
                                                1,
                                                &b->choice,
                                                &n_choices);
    (void)b->lt.cublasLtMatmulPreferenceDestroy(preference);
    return code != 0 ? code : n_choices == 0 ? CUBLAS_NOT_SUPPORTED : b->choice.state;
}

/* FP8 is multiplied in one form alone: the first factor transposed, which is our b[n][k] as it lies in memory. */
static int plan_f8(mf_cuda_blas *b, const mf_gpu_args *args)
{
    static const int transposed = CUBLAS_OP_T_;
    const mf_cublaslt *f = &b->lt;
    drop_plan(b);
    int code = f->cublasLtMatmulDescCreate(&b->desc, CUBLAS_COMPUTE_32F_, CUDA_R_32F_);
    code = code != 0 ? code
                     : f->cublasLtMatmulDescSetAttribute(
                           b->desc, CUBLASLT_MATMUL_DESC_TRANSA_, &transposed, sizeof transposed);
    const struct {
        int type;
        uint32_t rows;
        uint32_t columns;
    } shapes[3] = {
        {CUDA_R_8F_E4M3_, args->k, args->n},
        {CUDA_R_8F_E4M3_, args->k, args->m},
        {CUDA_R_16F_,     args->n, args->m},
    };
    for (size_t i = 0; code == 0 && i < 3; i++) {
        code = f->cublasLtMatrixLayoutCreate(&b->layouts[i],
                                             shapes[i].type,
                                             shapes[i].rows,
                                             shapes[i].columns,
                                             (int64_t)shapes[i].rows);
    }
    code = code != 0 ? code : choose(b);
    if (code == 0) {
        b->planned = *args;
    }
    return code;
}

static int multiply_f8(mf_cuda_blas *b, const mf_gpu_job *job)
{
    const mf_gpu_args *args = &job->args;
    if (args->m != b->planned.m || args->n != b->planned.n || args->k != b->planned.k) {
        const int code = plan_f8(b, args);
        if (code != 0) {
            return code;
        }
    }
    return b->lt.cublasLtMatmul(b->lt_handle,
                                b->desc,
                                &one,
                                job->b,
                                b->layouts[0],
                                job->a,
                                b->layouts[1],
                                &zero,
                                job->out,
                                b->layouts[2],
                                job->out,
                                b->layouts[2],
                                b->choice.algorithm,
                                NULL,
                                0,
                                NULL);
}

int mf_cuda_blas_multiply(mf_cuda_blas *b, const mf_gpu_job *job)
{
    return job->probe == MF_PROBE_GEMM_F8 ? multiply_f8(b, job) : multiply_floats(b, job);
}
