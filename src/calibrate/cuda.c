#include "calibrate/cuda.h"
#include "calibrate/cuda_blas.h"

#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>

/* Numbers of cuda.h. */
#define CU_CLOCK_KHZ 13
#define CU_MULTIPROCESSORS 16
#define CU_INTEGRATED 18
#define CU_MAJOR 75
#define CU_MINOR 76
#define CU_JIT_ERROR_LOG 5
#define CU_JIT_ERROR_LOG_SIZE 6

/* FLOP a cycle and multiprocessor that no product of halves exceeds: dense on the tensor units of Hopper, twice that on the
   Blackwell of data centres (compute capability 10); and the margin of the boost. */
#define MOST_FLOP_PER_CYCLE 4096.0
#define MOST_FLOP_PER_CYCLE_B200 8192.0
#define CLOCK_MARGIN 1.3
#define HBM_MAJORS(major, minor)                                                                   \
    (((major) == 7 && (minor) == 0) || ((major) == 8 && (minor) == 0) || (major) == 9 ||           \
     (major) == 10)

typedef struct cuda {
    mf_gpu_tests gpu; /* first: mf_gpu_run and its neighbours take the whole for it */
    mf_cu cu;
    mf_cuda_blas blas;
    int device;
    bool retained;
    mf_cu_object *context;
    mf_cu_object *module;
    mf_cu_object *events[2];
    mf_cu_object *kernels[MF_PROBE_COUNT];
    double (*now_s)(void *payload);
    void *payload;
} cuda;

static void *find(void *library, const char *name, const char **missing)
{
    void *symbol = dlsym(library, name);
    *missing = symbol == NULL ? name : *missing;
    return symbol;
}

static mf_status load(mf_cu *cu, mf_error *err)
{
    void *library = dlopen("libcuda.so.1", RTLD_NOW | RTLD_LOCAL);
    if (library == NULL) {
        return mf_fail(err, MF_E_UNSUPPORTED, "no NVIDIA driver (libcuda.so.1) is installed");
    }
    const char *missing = NULL;
    void *symbol = NULL;
#define LOAD(name, arguments)                                                                      \
    symbol = find(library, #name, &missing);                                                       \
    memcpy(&cu->name, &symbol, sizeof symbol);
    MF_CU_FUNCTIONS(LOAD)
#undef LOAD
    if (missing != NULL) {
        return mf_fail(err, MF_E_UNSUPPORTED, "the NVIDIA driver has no '%s'", missing);
    }
    const int code = cu->cuInit(0);
    return code == 0
               ? MF_OK
               : mf_fail(err, MF_E_UNSUPPORTED, "the NVIDIA driver does not start (%d)", code);
}

static int attribute(const mf_cu *cu, int device, int what)
{
    int value = 0;
    return cu->cuDeviceGetAttribute(&value, what, device) == 0 ? value : 0;
}

static mf_chip_class class_of(const mf_cu *cu, int device)
{
    const int major = attribute(cu, device, CU_MAJOR);
    const int minor = attribute(cu, device, CU_MINOR);
    if (attribute(cu, device, CU_INTEGRATED) != 0) {
        return MF_CLASS_NVIDIA_UNIFIED;
    }
    if (major == 6) {
        return MF_CLASS_NVIDIA_PASCAL;
    }
    return HBM_MAJORS(major, minor) ? MF_CLASS_NVIDIA_HBM : MF_CLASS_NVIDIA_GDDR;
}

static bool has_fp8(const mf_cu *cu, int device)
{
    return 10 * attribute(cu, device, CU_MAJOR) + attribute(cu, device, CU_MINOR) >= 89;
}

static double peak_of(const mf_cu *cu, int device)
{
    const bool b200 = attribute(cu, device, CU_MAJOR) == 10;
    return (b200 ? MOST_FLOP_PER_CYCLE_B200 : MOST_FLOP_PER_CYCLE) * CLOCK_MARGIN * 1e3 *
           attribute(cu, device, CU_CLOCK_KHZ) * attribute(cu, device, CU_MULTIPROCESSORS);
}

static void describe(mf_probe_place *place, const mf_cu *cu, int number)
{
    struct utsname system = {0};
    int device = 0;
    int version = 0;
    size_t memory = 0;
    *place = (mf_probe_place){.vendor = MF_VENDOR_NVIDIA};
    (void)cu->cuDeviceGet(&device, number);
    (void)cu->cuDeviceGetName(place->name, sizeof place->name, device);
    (void)cu->cuDriverGetVersion(&version);
    (void)cu->cuDeviceTotalMem_v2(&memory, device);
    (void)uname(&system);
    (void)snprintf(
        place->system, sizeof place->system, "%.40s %.60s", system.sysname, system.release);
    (void)snprintf(place->driver,
                   sizeof place->driver,
                   "CUDA driver %d.%d",
                   version / 1000,
                   version % 1000 / 10);
    place->chip_class = class_of(cu, device);
    place->cores = (uint32_t)attribute(cu, device, CU_MULTIPROCESSORS);
    place->memory_bytes = memory;
    place->unified = attribute(cu, device, CU_INTEGRATED) != 0;
    place->peak_flop_per_s = peak_of(cu, device);
}

static mf_status available(mf_probe_place *places, size_t *n_places, void *context, mf_error *err)
{
    (void)context;
    mf_cu cu = {0};
    int n = 0;
    mf_status status = load(&cu, err);
    if (status == MF_OK && (cu.cuDeviceGetCount(&n) != 0 || n <= 0)) {
        status = mf_fail(err, MF_E_UNSUPPORTED, "the NVIDIA driver shows no device");
    }
    if (status != MF_OK) {
        return status;
    }
    *n_places = n < MF_MAX_PLACES_LISTED ? (size_t)n : MF_MAX_PLACES_LISTED;
    for (size_t i = 0; i < *n_places; i++) {
        describe(&places[i], &cu, (int)i);
    }
    return MF_OK;
}

static bool has(const void *device, mf_probe probe)
{
    const cuda *c = device;
    return mf_cuda_blas_is(probe) ? mf_cuda_blas_has(&c->blas, probe) : c->kernels[probe] != NULL;
}

/* A buffer is a device address; 0 is none. */
static mf_status make(void **buffer, void *device, size_t n_bytes, mf_error *err)
{
    mf_cu_pointer address = 0;
    const int code = ((const cuda *)device)->cu.cuMemAlloc_v2(&address, n_bytes);
    if (code != 0) {
        return mf_fail(err, MF_E_NOMEM, "CUDA gives no buffer of %zu bytes (%d)", n_bytes, code);
    }
    const uintptr_t as_pointer = (uintptr_t)address;
    memcpy(buffer, &as_pointer, sizeof as_pointer);
    return MF_OK;
}

static void drop(void *device, void *buffer)
{
    if (buffer != NULL) {
        (void)((const cuda *)device)->cu.cuMemFree_v2((uintptr_t)buffer);
    }
}

static mf_status
write_buffer(void *device, void *buffer, const void *from, size_t n_bytes, mf_error *err)
{
    const int code = ((const cuda *)device)->cu.cuMemcpyHtoD_v2((uintptr_t)buffer, from, n_bytes);
    return code == 0 ? MF_OK : mf_fail(err, MF_E_IO, "CUDA can't write a buffer (%d)", code);
}

static mf_status read_buffer(void *to, void *device, void *buffer, size_t n_bytes, mf_error *err)
{
    const int code = ((const cuda *)device)->cu.cuMemcpyDtoH_v2(to, (uintptr_t)buffer, n_bytes);
    return code == 0 ? MF_OK : mf_fail(err, MF_E_IO, "CUDA can't read a buffer (%d)", code);
}

static int start_kernel(const cuda *c, const mf_gpu_job *job)
{
    mf_cu_pointer buffers[3] = {(uintptr_t)job->a, (uintptr_t)job->b, (uintptr_t)job->out};
    mf_gpu_args args = job->args;
    void *arguments[4] = {&buffers[0], &buffers[1], &buffers[2], &args};
    return c->cu.cuLaunchKernel(c->kernels[job->probe],
                                (unsigned)job->groups[0],
                                (unsigned)job->groups[1],
                                1,
                                (unsigned)job->threads,
                                1,
                                1,
                                0,
                                NULL,
                                arguments,
                                NULL);
}

static mf_status
launch(mf_probe_time *time, void *device, const mf_gpu_job *job, uint32_t n_calls, mf_error *err)
{
    cuda *c = device;
    float milliseconds = 0;
    const double start_s = c->now_s(c->payload);
    int code = c->cu.cuEventRecord(c->events[0], NULL);
    for (uint32_t i = 0; code == 0 && i < n_calls; i++) {
        code = mf_cuda_blas_is(job->probe) ? mf_cuda_blas_multiply(&c->blas, job)
                                           : start_kernel(c, job);
    }
    code = code != 0 ? code : c->cu.cuEventRecord(c->events[1], NULL);
    code = code != 0 ? code : c->cu.cuCtxSynchronize();
    time->wall_s = c->now_s(c->payload) - start_s;
    if (code != 0) {
        return mf_fail(err, MF_E_IO, "CUDA can't run a kernel (%d)", code);
    }
    const bool timed = c->cu.cuEventElapsedTime(&milliseconds, c->events[0], c->events[1]) == 0;
    time->device_clock = timed;
    time->time_s = timed ? 1e-3 * (double)milliseconds : 0;
    return MF_OK;
}

static const mf_gpu_driver driver = {.has = has,
                                     .make = make,
                                     .drop = drop,
                                     .write = write_buffer,
                                     .read = read_buffer,
                                     .launch = launch};

static void close_cuda(void *state)
{
    cuda *c = state;
    if (c == NULL) {
        return;
    }
    mf_gpu_clear(&c->gpu);
    mf_cuda_blas_close(&c->blas);
    for (size_t i = 0; i < 2; i++) {
        if (c->events[i] != NULL) {
            (void)c->cu.cuEventDestroy_v2(c->events[i]);
        }
    }
    if (c->module != NULL) {
        (void)c->cu.cuModuleUnload(c->module);
    }
    if (c->retained) {
        (void)c->cu.cuDevicePrimaryCtxRelease_v2(c->device);
    }
    free(c);
}

static mf_status load_kernels(cuda *c, mf_error *err)
{
    char log[300] = "";
    int options[2] = {CU_JIT_ERROR_LOG, CU_JIT_ERROR_LOG_SIZE};
    void *values[2] = {log, NULL};
    const uintptr_t log_size = sizeof log - 1; /* the driver reads the number out of the pointer */
    memcpy(&values[1], &log_size, sizeof log_size);
    const int code = c->cu.cuModuleLoadDataEx(&c->module, mf_cuda_source, 2, options, values);
    if (code != 0) {
        c->module = NULL;
        return mf_fail(
            err, MF_E_UNSUPPORTED, "the driver does not take the kernels (%d): %s", code, log);
    }
    for (size_t p = 0; p < MF_PROBE_COUNT; p++) {
        if (mf_gpu_kernels[p] != NULL &&
            c->cu.cuModuleGetFunction(&c->kernels[p], c->module, mf_gpu_kernels[p]) != 0) {
            c->kernels[p] = NULL;
        }
    }
    return MF_OK;
}

static mf_gpu_shape shape_of(size_t cores, bool small)
{
    const mf_gpu_shape shape = {.stream_groups = 16 * cores,
                                .stream_threads = 256,
                                .spin_groups = 16 * cores,
                                .spin_threads = 128,
                                .matvec_rows = 16,
                                .matvec_threads = 128,
                                .tile = 64,
                                .product_threads = 256,
                                .attend_threads = 128,
                                .product_size = cores > 40 ? 4096 : 2048,
                                .product_half_out = true,
                                .spin_turns = small ? 500 : 20000};
    return shape;
}

static mf_status start(cuda *c, size_t index, const mf_probe_options *options, mf_error *err)
{
    size_t memory = 0;
    mf_status status = load(&c->cu, err);
    if (status != MF_OK) {
        return status;
    }
    int code = c->cu.cuDeviceGet(&c->device, (int)index);
    if (code != 0) {
        return mf_fail(err, MF_E_USAGE, "CUDA has no device %zu (%d)", index, code);
    }
    code = c->cu.cuDevicePrimaryCtxRetain(&c->context, c->device);
    c->retained = code == 0;
    code = code != 0 ? code : c->cu.cuCtxSetCurrent(c->context);
    for (size_t i = 0; code == 0 && i < 2; i++) {
        code = c->cu.cuEventCreate(&c->events[i], 0);
    }
    code = code != 0 ? code : c->cu.cuDeviceTotalMem_v2(&memory, c->device);
    if (code != 0) {
        return mf_fail(err, MF_E_UNSUPPORTED, "CUDA gives no context (%d)", code);
    }
    const size_t cores = (size_t)attribute(&c->cu, c->device, CU_MULTIPROCESSORS);
    c->gpu.device = c;
    c->gpu.peak_flop_per_s = peak_of(&c->cu, c->device);
    c->gpu.shape = shape_of(cores > 0 ? cores : 1, options->buffer_bytes > 0);
    mf_gpu_set_sizes(&c->gpu, options, memory, memory);
    status = load_kernels(c, err);
    if (status == MF_OK) {
        mf_cuda_blas_open(&c->blas, has_fp8(&c->cu, c->device));
    }
    return status;
}

static mf_status
open_cuda(void **state, size_t index, const mf_probe_options *options, void *context, mf_error *err)
{
    (void)context;
    cuda *c = calloc(1, sizeof *c);
    if (c == NULL) {
        return mf_fail(err, MF_E_NOMEM, "out of memory for CUDA's tests");
    }
    c->now_s = options->now_s;
    c->payload = options->payload;
    c->gpu.driver = &driver;
    c->gpu.device = c;
    const mf_status status = start(c, index, options, err);
    if (status != MF_OK) {
        close_cuda(c);
        return status;
    }
    *state = c;
    return MF_OK;
}

const mf_prober mf_prober_cuda = {.id = MF_PROBE_BACKEND_CUDA,
                                  .available = available,
                                  .open = open_cuda,
                                  .supports = mf_gpu_supports,
                                  .prepare = mf_gpu_prepare,
                                  .run = mf_gpu_run,
                                  .close = close_cuda};
