#include "calibrate/opencl.h"

#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>

/* Constants of CL/cl.h. */
#define CL_TYPE_CPU 2u
#define CL_TYPE_ALL 0xFFFFFFFFu
#define CL_DEVICE_TYPE_ 0x1000
#define CL_COMPUTE_UNITS 0x1002
#define CL_MAX_ALLOCATION 0x1010
#define CL_GLOBAL_MEMORY 0x101F
#define CL_DEVICE_NAME_ 0x102B
#define CL_DEVICE_VENDOR_ 0x102C
#define CL_DRIVER 0x102D
#define CL_HOST_UNIFIED 0x1035
#define CL_PLATFORM_NAME_ 0x0902
#define CL_BUILD_LOG 0x1183
#define CL_QUEUE_PROFILING 2u
#define CL_READ_WRITE 1u
#define CL_START 0x1282
#define CL_END 0x1283
#define MOST_PLATFORMS 8

static const char *const libraries[] = {
    "libOpenCL.so.1", "libOpenCL.so", "/System/Library/Frameworks/OpenCL.framework/OpenCL"};

typedef struct found_device {
    mf_cl_object *device;
    char platform[64];
} found_device;

typedef struct opencl {
    mf_gpu_tests gpu; /* first: prepare and run get it */
    mf_cl cl;
    mf_cl_object *device;
    mf_cl_object *context;
    mf_cl_object *queue;
    mf_cl_object *program;
    mf_cl_object *kernels[MF_PROBE_COUNT];
    double (*now_s)(void *payload);
    void *payload;
} opencl;

static void *find(void *library, const char *name, const char **missing)
{
    void *symbol = dlsym(library, name);
    *missing = symbol == NULL ? name : *missing;
    return symbol;
}

/* The library stays loaded: its threads outlive any use. */
static mf_status load(mf_cl *cl, mf_error *err)
{
    void *library = NULL;
    for (size_t i = 0; library == NULL && i < sizeof libraries / sizeof libraries[0]; i++) {
        library = dlopen(libraries[i], RTLD_NOW | RTLD_LOCAL);
    }
    if (library == NULL) {
        return mf_fail(err, MF_E_UNSUPPORTED, "no OpenCL library (libOpenCL.so.1) is installed");
    }
    const char *missing = NULL;
    void *symbol = NULL;
#define LOAD(result, name, arguments)                                                              \
    symbol = find(library, #name, &missing);                                                       \
    memcpy(&cl->name, &symbol, sizeof symbol);
    MF_CL_FUNCTIONS(LOAD)
#undef LOAD
    return missing == NULL
               ? MF_OK
               : mf_fail(err, MF_E_UNSUPPORTED, "the OpenCL library has no '%s'", missing);
}

static mf_status find_devices(found_device devices[MF_MAX_PLACES_LISTED],
                              size_t *n_devices,
                              const mf_cl *cl,
                              mf_error *err)
{
    mf_cl_object *platforms[MOST_PLATFORMS] = {NULL};
    mf_cl_uint n_platforms = 0;
    *n_devices = 0;
    if (cl->clGetPlatformIDs(MOST_PLATFORMS, platforms, &n_platforms) != 0) {
        n_platforms = 0;
    }
    for (mf_cl_uint p = 0; p < n_platforms && p < MOST_PLATFORMS; p++) {
        mf_cl_object *ids[MF_MAX_PLACES_LISTED] = {NULL};
        mf_cl_uint n = 0;
        const mf_cl_uint room = MF_MAX_PLACES_LISTED - (mf_cl_uint)*n_devices;
        if (room == 0 || cl->clGetDeviceIDs(platforms[p], CL_TYPE_ALL, room, ids, &n) != 0) {
            continue;
        }
        for (mf_cl_uint i = 0; i < n && i < room; i++) {
            found_device *found = &devices[*n_devices];
            *found = (found_device){.device = ids[i]};
            (void)cl->clGetPlatformInfo(
                platforms[p], CL_PLATFORM_NAME_, sizeof found->platform - 1, found->platform, NULL);
            (*n_devices)++;
        }
    }
    return *n_devices > 0 ? MF_OK
                          : mf_fail(err, MF_E_UNSUPPORTED, "the OpenCL library shows no device");
}

static uint64_t number(const mf_cl *cl, mf_cl_object *device, mf_cl_uint what, size_t size)
{
    uint64_t wide = 0;
    uint32_t narrow = 0;
    const mf_cl_int code = cl->clGetDeviceInfo(
        device, what, size, size == sizeof wide ? (void *)&wide : &narrow, NULL);
    return code != 0 ? 0 : size == sizeof wide ? wide : narrow;
}

static bool is_cpu(const mf_cl *cl, mf_cl_object *device)
{
    return (number(cl, device, CL_DEVICE_TYPE_, sizeof(uint64_t)) & CL_TYPE_CPU) != 0;
}

static mf_vendor vendor_of(const char *name)
{
    static const struct {
        const char *word;
        mf_vendor vendor;
    } makers[] = {
        {"NVIDIA",   MF_VENDOR_NVIDIA},
        {"Advanced", MF_VENDOR_AMD   },
        {"AMD",      MF_VENDOR_AMD   },
        {"Intel",    MF_VENDOR_INTEL },
        {"Apple",    MF_VENDOR_APPLE }
    };
    for (size_t i = 0; i < sizeof makers / sizeof makers[0]; i++) {
        if (strstr(name, makers[i].word) != NULL) {
            return makers[i].vendor;
        }
    }
    return MF_VENDOR_OTHER;
}

static void describe(mf_probe_place *place, const mf_cl *cl, const found_device *found)
{
    char vendor[64] = "";
    char driver[48] = "";
    struct utsname system = {0};
    *place = (mf_probe_place){.chip_class = MF_CLASS_UNKNOWN};
    (void)cl->clGetDeviceInfo(
        found->device, CL_DEVICE_NAME_, sizeof place->name - 1, place->name, NULL);
    (void)cl->clGetDeviceInfo(found->device, CL_DEVICE_VENDOR_, sizeof vendor - 1, vendor, NULL);
    (void)cl->clGetDeviceInfo(found->device, CL_DRIVER, sizeof driver - 1, driver, NULL);
    (void)snprintf(place->driver, sizeof place->driver, "OpenCL, %s %s", found->platform, driver);
    (void)uname(&system);
    (void)snprintf(
        place->system, sizeof place->system, "%.40s %.60s", system.sysname, system.release);
    place->vendor = vendor_of(vendor);
    place->chip_class = is_cpu(cl, found->device) ? MF_CLASS_CPU : MF_CLASS_UNKNOWN;
    place->cores = (uint32_t)number(cl, found->device, CL_COMPUTE_UNITS, sizeof(uint32_t));
    place->memory_bytes = number(cl, found->device, CL_GLOBAL_MEMORY, sizeof(uint64_t));
    place->unified = number(cl, found->device, CL_HOST_UNIFIED, sizeof(uint32_t)) != 0;
}

static mf_status available(mf_probe_place *places, size_t *n_places, void *context, mf_error *err)
{
    (void)context;
    mf_cl cl = {0};
    found_device devices[MF_MAX_PLACES_LISTED];
    size_t n = 0;
    mf_status status = load(&cl, err);
    if (status == MF_OK) {
        status = find_devices(devices, &n, &cl, err);
    }
    for (size_t i = 0; status == MF_OK && i < n; i++) {
        describe(&places[i], &cl, &devices[i]);
    }
    if (status == MF_OK) {
        *n_places = n;
    }
    return status;
}

static bool has(const void *device, mf_probe probe)
{
    return ((const opencl *)device)->kernels[probe] != NULL;
}

static mf_status make(void **buffer, void *device, size_t n_bytes, mf_error *err)
{
    const opencl *o = device;
    mf_cl_int code = 0;
    *buffer = o->cl.clCreateBuffer(o->context, CL_READ_WRITE, n_bytes, NULL, &code);
    return code == 0 && *buffer != NULL
               ? MF_OK
               : mf_fail(
                     err, MF_E_NOMEM, "OpenCL gives no buffer of %zu bytes (%d)", n_bytes, code);
}

static void drop(void *device, void *buffer)
{
    if (buffer != NULL) {
        (void)((const opencl *)device)->cl.clReleaseMemObject(buffer);
    }
}

static mf_status
write_buffer(void *device, void *buffer, const void *from, size_t n_bytes, mf_error *err)
{
    const opencl *o = device;
    const mf_cl_int code =
        o->cl.clEnqueueWriteBuffer(o->queue, buffer, 1, 0, n_bytes, from, 0, NULL, NULL);
    return code == 0 ? MF_OK : mf_fail(err, MF_E_IO, "OpenCL can't write a buffer (%d)", code);
}

static mf_status read_buffer(void *to, void *device, void *buffer, size_t n_bytes, mf_error *err)
{
    const opencl *o = device;
    const mf_cl_int code =
        o->cl.clEnqueueReadBuffer(o->queue, buffer, 1, 0, n_bytes, to, 0, NULL, NULL);
    return code == 0 ? MF_OK : mf_fail(err, MF_E_IO, "OpenCL can't read a buffer (%d)", code);
}

static mf_cl_int set_arguments(const opencl *o, mf_cl_object *kernel, const mf_gpu_job *job)
{
    const void *const buffers[3] = {job->a, job->b, job->out};
    mf_cl_int code = 0;
    for (mf_cl_uint i = 0; i < 3; i++) {
        /* A kernel that does not use an operand gets its result's buffer. */
        const void *const buffer = buffers[i] != NULL ? buffers[i] : job->out;
        code = code != 0 ? code : o->cl.clSetKernelArg(kernel, i, sizeof buffer, &buffer);
    }
    return code != 0 ? code : o->cl.clSetKernelArg(kernel, 3, sizeof job->args, &job->args);
}

/* From the first launch's start to the last one's end, by the device's clock. */
static double event_seconds(const opencl *o, mf_cl_object *first, mf_cl_object *last)
{
    mf_cl_ulong start = 0;
    mf_cl_ulong end = 0;
    const bool known =
        o->cl.clGetEventProfilingInfo(first, CL_START, sizeof start, &start, NULL) == 0 &&
        o->cl.clGetEventProfilingInfo(last, CL_END, sizeof end, &end, NULL) == 0;
    return known && end > start ? 1e-9 * (double)(end - start) : 0;
}

static mf_status
launch(mf_probe_time *time, void *device, const mf_gpu_job *job, uint32_t n_calls, mf_error *err)
{
    const opencl *o = device;
    mf_cl_object *kernel = o->kernels[job->probe];
    const size_t local[2] = {job->threads, 1};
    const size_t global[2] = {job->groups[0] * job->threads, job->groups[1]};
    mf_cl_object *events[2] = {NULL, NULL};
    mf_cl_int code = set_arguments(o, kernel, job);
    const double start_s = o->now_s(o->payload);
    for (uint32_t i = 0; code == 0 && i < n_calls; i++) {
        const bool kept = i == 0 || i + 1 == n_calls;
        code = o->cl.clEnqueueNDRangeKernel(o->queue,
                                            kernel,
                                            2,
                                            NULL,
                                            global,
                                            local,
                                            0,
                                            NULL,
                                            kept ? &events[i == 0 ? 0 : 1] : NULL);
    }
    code = code != 0 ? code : o->cl.clFinish(o->queue);
    time->wall_s = o->now_s(o->payload) - start_s;
    if (code == 0) {
        time->time_s = event_seconds(o, events[0], n_calls > 1 ? events[1] : events[0]);
        time->device_clock = true;
    }
    for (size_t i = 0; i < 2; i++) {
        if (events[i] != NULL) {
            (void)o->cl.clReleaseEvent(events[i]);
        }
    }
    return code == 0 ? MF_OK : mf_fail(err, MF_E_IO, "OpenCL can't run a kernel (%d)", code);
}

static const mf_gpu_driver driver = {.has = has,
                                     .make = make,
                                     .drop = drop,
                                     .write = write_buffer,
                                     .read = read_buffer,
                                     .launch = launch};

static void close_opencl(void *state)
{
    opencl *o = state;
    if (o == NULL) {
        return;
    }
    mf_gpu_clear(&o->gpu);
    for (size_t p = 0; p < MF_PROBE_COUNT; p++) {
        if (o->kernels[p] != NULL) {
            (void)o->cl.clReleaseKernel(o->kernels[p]);
        }
    }
    if (o->program != NULL) {
        (void)o->cl.clReleaseProgram(o->program);
    }
    if (o->queue != NULL) {
        (void)o->cl.clReleaseCommandQueue(o->queue);
    }
    if (o->context != NULL) {
        (void)o->cl.clReleaseContext(o->context);
    }
    free(o);
}

static mf_status build(opencl *o, bool cpu, mf_error *err)
{
    mf_cl_int code = 0;
    const char *source = mf_opencl_source;
    o->program = o->cl.clCreateProgramWithSource(o->context, 1, &source, NULL, &code);
    if (code == 0) {
        code = o->cl.clBuildProgram(o->program,
                                    1,
                                    &o->device,
                                    cpu ? "-cl-mad-enable -DMF_CPU" : "-cl-mad-enable",
                                    NULL,
                                    NULL);
    }
    if (code != 0) {
        char log[300] = "";
        if (o->program != NULL) {
            (void)o->cl.clGetProgramBuildInfo(
                o->program, o->device, CL_BUILD_LOG, sizeof log - 1, log, NULL);
        }
        return mf_fail(err, MF_E_UNSUPPORTED, "the kernels do not compile (%d): %s", code, log);
    }
    for (size_t p = 0; p < MF_PROBE_COUNT; p++) {
        if (mf_gpu_kernels[p] != NULL) {
            o->kernels[p] = o->cl.clCreateKernel(o->program, mf_gpu_kernels[p], &code);
        }
    }
    return MF_OK;
}

/* A processor gets one work-item a core for streams, a GPU enough to hide its latency. */
static mf_gpu_shape shape_of(const mf_cl *cl, mf_cl_object *device, bool cpu, bool small)
{
    const size_t cores = (size_t)number(cl, device, CL_COMPUTE_UNITS, sizeof(uint32_t));
    mf_gpu_shape shape = {.stream_groups = cpu ? cores : 32 * cores,
                          .stream_threads = cpu ? 1 : 256,
                          .spin_groups = 8 * cores,
                          .spin_threads = 64,
                          .matvec_rows = cpu ? 1 : 4,
                          .matvec_threads = cpu ? 1 : 128,
                          .tile = 32,
                          .product_threads = 64,
                          .attend_threads = 4,
                          .product_size = cpu ? 512 : 2048,
                          .spin_turns = small ? 1000 : 20000};
    return shape;
}

static mf_status start(opencl *o, size_t index, const mf_probe_options *options, mf_error *err)
{
    found_device devices[MF_MAX_PLACES_LISTED];
    size_t n = 0;
    mf_cl_int code = 0;
    mf_status status = load(&o->cl, err);
    if (status == MF_OK) {
        status = find_devices(devices, &n, &o->cl, err);
    }
    if (status != MF_OK) {
        return status;
    }
    if (index >= n) {
        return mf_fail(err, MF_E_USAGE, "OpenCL has %zu devices", n);
    }
    o->device = devices[index].device;
    o->context = o->cl.clCreateContext(NULL, 1, &o->device, NULL, NULL, &code);
    if (code == 0) {
        o->queue = o->cl.clCreateCommandQueue(o->context, o->device, CL_QUEUE_PROFILING, &code);
    }
    if (code != 0) {
        return mf_fail(err, MF_E_UNSUPPORTED, "OpenCL gives no queue (%d)", code);
    }
    const bool cpu = is_cpu(&o->cl, o->device);
    o->gpu.driver = &driver;
    o->gpu.device = o;
    o->gpu.shape = shape_of(&o->cl, o->device, cpu, options->buffer_bytes > 0);
    mf_gpu_set_sizes(&o->gpu,
                     options,
                     number(&o->cl, o->device, CL_GLOBAL_MEMORY, sizeof(uint64_t)),
                     number(&o->cl, o->device, CL_MAX_ALLOCATION, sizeof(uint64_t)));
    return build(o, cpu, err);
}

static mf_status open_opencl(
    void **state, size_t index, const mf_probe_options *options, void *context, mf_error *err)
{
    (void)context;
    opencl *o = calloc(1, sizeof *o);
    if (o == NULL) {
        return mf_fail(err, MF_E_NOMEM, "out of memory for OpenCL's tests");
    }
    o->now_s = options->now_s;
    o->payload = options->payload;
    o->gpu.driver = &driver;
    const mf_status status = start(o, index, options, err);
    if (status != MF_OK) {
        close_opencl(o);
        return status;
    }
    *state = o;
    return MF_OK;
}

const mf_prober mf_prober_opencl = {.id = MF_PROBE_BACKEND_OPENCL,
                                    .available = available,
                                    .open = open_opencl,
                                    .supports = mf_gpu_supports,
                                    .prepare = mf_gpu_prepare,
                                    .run = mf_gpu_run,
                                    .close = close_opencl};
