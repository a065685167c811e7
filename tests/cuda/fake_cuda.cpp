// A driver library whose device is the processor: it runs bench.cu as C++ and knows what the caller may not do. Knobs come
// from the environment, since the code under test loads it by name.
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <map>
#include <string>

#include "bench.cu"

extern "C" float mf_half_value(unsigned short half);
extern "C" unsigned short mf_half_from(float value);

#define API extern "C" __attribute__((visibility("default"))) int

static std::map<unsigned long long, size_t> memory;
static int contexts, modules, events, handles;
static double clock_s, recorded[8];

static bool knob(const char *name)
{
    const char *list = getenv("FAKE_CUDA");
    return list != nullptr && strstr(list, name) != nullptr;
}

static int misuse(const char *what)
{
    fprintf(stderr, "cuda misuse: %s\n", what);
    return 999;
}

// Each number of calls fails once: FAKE_CUDA_LEFT counts them down.
static bool used_up()
{
    static int left = getenv("FAKE_CUDA_LEFT") != nullptr ? atoi(getenv("FAKE_CUDA_LEFT")) : -1;
    if (left == 0) return true;
    left -= left > 0;
    return false;
}

template <typename A, typename B, typename C, void (*F)(A, B, C, mf_args)> static void call(const msl_context *c)
{
    F((A)c->buffers[0], (B)c->buffers[1], (C)c->buffers[2], *(const mf_args *)c->buffers[3]);
}
#define ROW(f, A, B, C) {#f, call<A, B, C, f>, 0, 0}
typedef const float *fp;
typedef const float4 *f4;
typedef const ushort4 *u4;
typedef const unsigned char *cp;
static const msl_kernel rows[] = {ROW(noop, fp, fp, float *),
                                  ROW(spin, fp, fp, float *),
                                  ROW(stream_read, f4, f4, float *),
                                  ROW(stream_copy, f4, f4, float4 *),
                                  ROW(stream_triad, f4, f4, float4 *),
                                  ROW(gemm_f32, fp, fp, float *),
                                  ROW(matvec_f16, u4, f4, float *),
                                  ROW(matvec_q8_0, cp, fp, float *),
                                  ROW(matvec_q4_0, cp, fp, float *),
                                  ROW(matvec_q4_K, cp, fp, float *),
                                  ROW(attend, u4, f4, float *),
                                  {0, 0, 0, 0}};
extern const msl_kernel *const msl_libraries[];
const msl_kernel *const msl_libraries[] = {rows, nullptr};

API cuInit(unsigned) { return knob("no-init") ? 100 : 0; }
API cuDriverGetVersion(int *v) { return *v = 12040, 0; }
API cuDeviceGetCount(int *n) { return *n = knob("no-device") ? 0 : 1, 0; }
API cuDeviceGet(int *d, int i) { return i == 0 ? (*d = 7, 0) : 101; }
API cuDeviceGetName(char *name, int size, int d)
{
    if (d != 7) return misuse("a device that cuDeviceGet did not give");
    snprintf(name, size, "NVIDIA Fake 4090");
    return 0;
}
API cuDeviceTotalMem_v2(size_t *n, int) { return *n = 24ull << 30, 0; }
API cuDeviceGetAttribute(int *v, int what, int)
{
    const std::map<int, int> values = {{13, 2520000}, {16, 4}, {18, 0}, {75, 8}, {76, 9}};
    return values.count(what) ? (*v = values.at(what), 0) : misuse("an attribute of that number");
}
API cuDevicePrimaryCtxRetain(void **c, int) { return knob("no-context") ? 2 : (contexts++, *c = &contexts, 0); }
API cuDevicePrimaryCtxRelease_v2(int) { return contexts-- > 0 ? 0 : misuse("a context is released twice"); }
API cuCtxSetCurrent(void *c) { return c == &contexts ? 0 : misuse("another context"); }
API cuCtxSynchronize(void) { return 0; }
API cuModuleLoadDataEx(void **m, const void *image, unsigned n, int *options, void **values)
{
    if (knob("bad-ptx")) {
        for (unsigned i = 0; i < n; i++)
            if (options[i] == 5) strcpy((char *)values[i], "ptxas fatal: Unsupported .version");
        return 222;
    }
    if (strstr((const char *)image, ".version 6.4") == nullptr) return misuse("an image that is not the PTX");
    for (const msl_kernel *k = rows; k->name != nullptr; k++)
        if (strstr((const char *)image, (std::string(".entry ") + k->name + "(").c_str()) == nullptr)
            return misuse("PTX without one of the kernels");
    modules++;
    *m = &modules;
    return 0;
}
API cuModuleUnload(void *) { return modules-- > 0 ? 0 : misuse("a module is unloaded twice"); }
API cuModuleGetFunction(void **f, void *, const char *name)
{
    *f = (void *)msl_find(name);
    return *f != nullptr && !knob(name) ? 0 : 500;
}
API cuMemAlloc_v2(unsigned long long *p, size_t n)
{
    if (used_up()) return 2;
    if (n == 0) return misuse("0 bytes");
    void *m = malloc(n);
    memset(m, 0xCD, n);
    *p = (unsigned long long)m;
    memory[*p] = n;
    return 0;
}
API cuMemFree_v2(unsigned long long p)
{
    if (memory.erase(p) == 0) return misuse("memory is freed twice");
    free((void *)p);
    return 0;
}
static bool inside(unsigned long long p, size_t n) { return memory.count(p) && memory[p] >= n; }
API cuMemcpyHtoD_v2(unsigned long long to, const void *from, size_t n)
{
    if (used_up()) return 700;
    if (!inside(to, n)) return misuse("a copy beyond a buffer");
    memcpy((void *)to, from, n);
    return 0;
}
API cuMemcpyDtoH_v2(void *to, unsigned long long from, size_t n)
{
    if (used_up()) return 700;
    if (!inside(from, n)) return misuse("a copy beyond a buffer");
    memcpy(to, (void *)from, n);
    return 0;
}
static void spoil(unsigned long long p)
{
    for (size_t i = 0; knob("wrong") && i < memory[p] / 4; i++) ((float *)p)[i] *= 1.01f;
}
API cuLaunchKernel(void *f, unsigned gx, unsigned gy, unsigned gz, unsigned tx, unsigned ty, unsigned tz, unsigned shared,
                   void *stream, void **arguments, void **extra)
{
    if (used_up()) return 719;
    if (f == nullptr || shared != 0 || stream != nullptr || extra != nullptr) return misuse("a launch of that form");
    if (tx * ty * tz > 1024 || gx == 0 || gy == 0) return misuse("a launch of that size");
    void *buffers[MSL_BUFFERS] = {};
    for (int i = 0; i < 3; i++) {
        const unsigned long long p = *(unsigned long long *)arguments[i];
        if (p != 0 && !memory.count(p)) return misuse("an argument that is no memory");
        buffers[i] = (void *)p;
    }
    buffers[3] = arguments[3];
    const unsigned groups[3] = {gx, gy, gz}, threads[3] = {tx, ty, tz};
    if (msl_dispatch((const msl_kernel *)f, buffers, nullptr, groups, threads, MSL_FORWARD) != 0) return misuse("a kernel stops");
    spoil(*(unsigned long long *)arguments[2]);
    clock_s += 1e-3;
    return 0;
}
API cuEventCreate(void **e, unsigned) { return *e = &recorded[events], events++, 0; }
API cuEventDestroy_v2(void *) { return events-- > 0 ? 0 : misuse("an event is destroyed twice"); }
API cuEventRecord(void *e, void *) { return *(double *)e = clock_s, 0; }
API cuEventElapsedTime(float *ms, void *a, void *b) { return *ms = (float)(1e3 * (*(double *)b - *(double *)a)), knob("no-time") ? 600 : 0; }

API cublasCreate_v2(void **h) { return knob("no-blas") ? 1 : (*h = &handles, handles++, 0); }
API cublasDestroy_v2(void *) { return handles-- > 0 ? 0 : misuse("a handle is destroyed twice"); }
API cublasGemmEx(void *, int ta, int tb, int m, int n, int k, const float *alpha, const void *a, int type_a, int lda, const void *b,
                 int type_b, int ldb, const float *beta, void *c, int type_c, int ldc, int compute, int)
{
    if (ta || tb || *alpha != 1 || *beta != 0 || type_a != type_b || type_a != type_c || compute != 68) return misuse("a product of that form");
    if (lda < m || ldb < k || ldc < m) return misuse("leading dimensions");
    auto get = [&](const void *p, size_t i) { return type_a == 2 ? mf_half_value(((const unsigned short *)p)[i]) : ((const float *)p)[i]; };
    for (int j = 0; j < n; j++)
        for (int i = 0; i < m; i++) {
            double s = 0;
            for (int p = 0; p < k; p++) s += (double)get(a, (size_t)p * lda + i) * get(b, (size_t)j * ldb + p);
            if (knob("wrong")) s *= 1.01;
            if (type_c == 2)
                ((unsigned short *)c)[(size_t)j * ldc + i] = mf_half_from((float)s);
            else
                ((float *)c)[(size_t)j * ldc + i] = (float)s;
        }
    clock_s += 1e-3;
    return 0;
}

// cuBLASLt: FP8 (28) with the first factor transposed, halves as the result; descriptions are checked when they are used.
struct lt_layout { int type; uint64_t rows, columns; int64_t ld; };
struct lt_desc { int transposed[2]; };
static int lt_objects;
API cublasLtCreate(void **h) { return knob("no-lt") ? 1 : (*h = &handles, handles++, 0); }
API cublasLtDestroy(void *) { return handles-- > 0 ? 0 : misuse("a handle of Lt is destroyed twice"); }
template <typename T> static int lt_make(void **p, T value)
{
    if (used_up()) return 3;
    *p = new T(value);
    return lt_objects++, 0;
}
template <typename T> static int lt_drop(void *p)
{
    if (lt_objects-- <= 0) return misuse("an object of Lt is destroyed twice");
    delete (T *)p;
    return 0;
}
API cublasLtMatmulDescCreate(void **d, int compute, int scale)
{
    return compute != 68 || scale != 0 ? misuse("a product of that form") : lt_make(d, lt_desc{});
}
API cublasLtMatmulDescDestroy(void *d) { return lt_drop<lt_desc>(d); }
API cublasLtMatmulDescSetAttribute(void *d, int what, const void *value, size_t size)
{
    if ((what != 3 && what != 4) || size != sizeof(int)) return misuse("an attribute of a product");
    ((lt_desc *)d)->transposed[what - 3] = *(const int *)value;
    return 0;
}
API cublasLtMatrixLayoutCreate(void **l, int type, uint64_t rows, uint64_t columns, int64_t ld)
{
    return lt_make(l, lt_layout{type, rows, columns, ld});
}
API cublasLtMatrixLayoutDestroy(void *l) { return lt_drop<lt_layout>(l); }
API cublasLtMatmulPreferenceCreate(void **p) { return lt_make(p, 0); }
API cublasLtMatmulPreferenceDestroy(void *p) { return lt_drop<int>(p); }
struct lt_choice { uint64_t algorithm[8]; size_t workspace; int state; float waves; int reserved[4]; };
API cublasLtMatmulAlgoGetHeuristic(void *, lt_desc *d, lt_layout *a, lt_layout *b, lt_layout *c, lt_layout *out, void *, int wanted,
                                   lt_choice *choice, int *n)
{
    const bool fits = a->rows == b->rows && c->rows == a->columns && c->columns == b->columns && c == out;
    if (d->transposed[0] != 1 || d->transposed[1] != 0 || a->type != 28 || b->type != 28 || c->type != 2 || !fits || wanted != 1)
        return misuse("a product of FP8 of that form");
    *n = knob("no-algorithm") ? 0 : 1;
    *choice = {{42}, 0, 0, 1, {}};
    return 0;
}
static float f8(unsigned char code)
{
    const int exponent = (code >> 3) & 15, fraction = code & 7;
    float size = 1.0f / 512 * (float)fraction;
    if (exponent > 0) {
        size = 1.0f / 64 * (1 + (float)fraction / 8);
        for (int i = 1; i < exponent; i++) size *= 2;
    }
    return code & 128 ? -size : size;
}
API cublasLtMatmul(void *, lt_desc *, const float *alpha, const unsigned char *a, lt_layout *la, const unsigned char *b, lt_layout *lb,
                   const float *beta, const void *c, lt_layout *, unsigned short *d, lt_layout *ld, const uint64_t *algorithm,
                   void *workspace, size_t workspace_bytes, void *stream)
{
    if (used_up()) return 14;
    if (*alpha != 1 || *beta != 0 || c != d || *algorithm != 42 || workspace || workspace_bytes || stream) return misuse("a product of that form");
    if (!inside((unsigned long long)a, la->ld * la->columns) || !inside((unsigned long long)b, lb->ld * lb->columns) ||
        !inside((unsigned long long)d, 2 * ld->ld * ld->columns))
        return misuse("a product beyond a buffer");
    for (uint64_t j = 0; j < ld->columns; j++)
        for (uint64_t i = 0; i < ld->rows; i++) {
            double s = 0;
            for (uint64_t p = 0; p < la->rows; p++) s += (double)f8(a[i * la->ld + p]) * (double)f8(b[j * lb->ld + p]);
            d[j * ld->ld + i] = mf_half_from((float)(knob("wrong") ? 1.01 * s : s));
        }
    clock_s += 1e-3;
    return 0;
}

API fake_cuda_left(void) { return (int)memory.size() + contexts + modules + events + handles + lt_objects; }
