/* The Metal backend. One file under ARC that defines no class and uses no literals of Objective-C, so that it also runs,
   unchanged, against the stand-in of tests/metal on any computer. */
#import <Foundation/Foundation.h>
#import <Metal/Metal.h>
#import <MetalPerformanceShaders/MetalPerformanceShaders.h>

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "calibrate/blocks.h"
#include "calibrate/kernels/metal_bindings.h"
#include "calibrate/metal.h"
#include "calibrate/gpu_check.h"

/* Values that the stand-ins copied: any build on a Mac proves them again. */
_Static_assert(MTLCommandBufferStatusCompleted == 4, "as in the stand-in");
_Static_assert(MTLResourceStorageModeShared == 0, "as in the stand-in");
_Static_assert(MTLGPUFamilyApple7 == 1007, "as in the stand-in");
_Static_assert((unsigned)MPSDataTypeFloat16 == 0x10000010u, "as in the stand-in");
_Static_assert((unsigned)MPSDataTypeFloat32 == 0x10000020u, "as in the stand-in");
_Static_assert(sizeof(MTLSize) == 24, "as in the stand-in");

#define FAMILY_METAL_4 5002 /* newer than the oldest SDK that this compiles with */
#define LANGUAGE_2_4 ((2 << 16) + 4)
#define LANGUAGE_3_0 (3 << 16)
#define LANGUAGE_4_0 (4 << 16)

#define DEFAULT_STREAM_BYTES (UINT64_C(1) << 30)
#define DEFAULT_MATRIX_BYTES (UINT64_C(288) << 20)
#define STREAM_SHARE 8 /* of the memory that the GPU may use */
#define MATRIX_SHARE 24
#define MOST_GEMM 4096 /* beyond it one product alone could take so long that macOS stops it */
#define MOST_CALLS 4096
#define SPIN_TURNS 20000
#define SPIN_GROUPS_PER_CORE 8
#define STREAM_GROUPS_PER_CORE 64

typedef struct arguments {
    uint32_t m;
    uint32_t n;
    uint32_t k;
    uint32_t turns;
} arguments;

/* What one call dispatches. Objects are kept as retained pointers: C memory can't hold ARC's. */
typedef struct job {
    void *pipeline; /* id<MTLComputePipelineState>, borrowed from the state */
    void *a;        /* id<MTLBuffer>, borrowed */
    void *b;
    void *out;
    arguments args;
    size_t groups[3];
    size_t threads;
    size_t group_bytes; /* threadgroup memory, twice this */
    bool library;       /* the matrix product of Metal Performance Shaders */
    bool half;
} job;

typedef struct metal {
    void *device; /* retained */
    void *queue;
    void *pipelines[MF_PROBE_COUNT];
    void *stream; /* buffers, retained; NULL until a test needs them */
    void *matrices[MF_PROBE_COUNT];
    void *operands[MF_PROBE_COUNT];
    void *results[MF_PROBE_COUNT];
    job jobs[MF_PROBE_COUNT];
    double (*now_s)(void *payload);
    void *payload;
    uint64_t random;
    uint64_t stream_bytes;
    uint64_t matrix_bytes;
    uint32_t cores;
    double peak_flop_per_s;
    bool shaders; /* Metal Performance Shaders take this device */
} metal;

static id<MTLDevice> device_of(const metal *m)
{
    return (__bridge id<MTLDevice>)m->device;
}

static id<MTLBuffer> buffer_of(void *buffer)
{
    return (__bridge id<MTLBuffer>)buffer;
}

/* Drops what a `__bridge_retained` cast kept. */
static void drop(void *object)
{
    if (object != NULL) {
        (void)(__bridge_transfer id)object;
    }
}

static id<MTLDevice> first_device(void)
{
    id<MTLDevice> device = MTLCreateSystemDefaultDevice();
    if (device == nil) {
        /* Programs without a window get nil on some systems. */
        NSArray<id<MTLDevice>> *all = MTLCopyAllDevices();
        device = all.count > 0 ? [all objectAtIndex:0] : nil;
    }
    return device;
}

static void describe_system(mf_probe_place *place)
{
    NSProcessInfo *process = NSProcessInfo.processInfo;
    const NSOperatingSystemVersion version = process.operatingSystemVersion;
    bool low_power = false;
    if (@available(macOS 12.0, *)) {
        low_power = process.lowPowerModeEnabled;
    }
    (void)snprintf(place->system,
                   sizeof place->system,
                   "macOS %ld.%ld%s, thermal state %ld",
                   (long)version.majorVersion,
                   (long)version.minorVersion,
                   low_power ? ", low power mode" : "",
                   (long)process.thermalState);
}

static mf_status available(mf_probe_place *places, size_t *n_places, void *context, mf_error *err)
{
    (void)context;
    @autoreleasepool {
        id<MTLDevice> device = first_device();
        if (device == nil) {
            return mf_fail(err, MF_E_UNSUPPORTED, "this Mac shows no Metal device");
        }
        if (![device supportsFamily:MTLGPUFamilyApple7]) {
            return mf_fail(err,
                           MF_E_UNSUPPORTED,
                           "'%.64s' is older than the M1, whose kernels these are",
                           device.name.UTF8String);
        }
        mf_metal_facts facts;
        mf_metal_facts_read(&facts);
        mf_probe_place *place = &places[0];
        *place = (mf_probe_place){.unified = device.hasUnifiedMemory != 0};
        (void)snprintf(place->name, sizeof place->name, "%s", device.name.UTF8String);
        (void)snprintf(place->driver,
                       sizeof place->driver,
                       "Metal%s",
                       [device supportsFamily:(MTLGPUFamily)FAMILY_METAL_4] ? " 4" : "");
        describe_system(place);
        place->memory_bytes = facts.memory_bytes;
        /* It follows iogpu.wired_limit_mb, so it is the one truth about the limit. */
        place->limit_bytes = device.recommendedMaxWorkingSetSize;
        mf_apple_place(place, facts.cores);
        *n_places = 1;
    }
    return MF_OK;
}

/* NULL and a message where the text does not compile. */
static id<MTLLibrary> compile(id<MTLDevice> device, const char *source, NSUInteger version, mf_error *err)
{
    NSError *why = nil;
    MTLCompileOptions *options = [MTLCompileOptions new];
    options.languageVersion = (MTLLanguageVersion)version;
    NSString *text = [NSString stringWithUTF8String:source];
    id<MTLLibrary> library = [device newLibraryWithSource:text options:options error:&why];
    if (library == nil) {
        const char *words = why.localizedDescription.UTF8String;
        (void)mf_fail(err,
                      MF_E_UNSUPPORTED,
                      "the kernels do not compile: %.300s",
                      words != NULL ? words : "no reason given");
    }
    return library;
}

static const struct {
    const char *name;
    bool tensor;
} kernels[MF_PROBE_COUNT] = {
    [MF_PROBE_CLOCK] = {"spin", false},
    [MF_PROBE_LAUNCH] = {"noop", false},
    [MF_PROBE_READ] = {"stream_read", false},
    [MF_PROBE_COPY] = {"stream_copy", false},
    [MF_PROBE_TRIAD] = {"stream_triad", false},
    [MF_PROBE_GEMM_F32_OWN] = {"gemm_f32", false},
    [MF_PROBE_GEMM_F16_OWN] = {"gemm_f16", false},
    [MF_PROBE_GEMM_F16_TENSOR] = {"gemm_tensor", true},
    [MF_PROBE_MATVEC_F16] = {"matvec_f16", false},
    [MF_PROBE_MATVEC_Q8_0] = {"matvec_q8_0", false},
    [MF_PROBE_MATVEC_Q4_0] = {"matvec_q4_0", false},
    [MF_PROBE_MATVEC_Q4_K] = {"matvec_q4_K", false},
    [MF_PROBE_KV_F16] = {"attend", false},
};

/* A kernel whose pipeline is missing, or too small for its threadgroups, is no test. */
static void make_pipelines(metal *m, id<MTLLibrary> library, bool tensor)
{
    for (size_t p = 0; p < MF_PROBE_COUNT; p++) {
        if (kernels[p].name == NULL || kernels[p].tensor != tensor) {
            continue;
        }
        NSError *why = nil;
        id<MTLFunction> function =
            [library newFunctionWithName:[NSString stringWithUTF8String:kernels[p].name]];
        id<MTLComputePipelineState> pipeline = nil;
        if (function != nil) {
            pipeline = [device_of(m) newComputePipelineStateWithFunction:function error:&why];
        }
        if (pipeline != nil && pipeline.threadExecutionWidth == MF_SIMD_WIDTH &&
            pipeline.maxTotalThreadsPerThreadgroup >= MF_STREAM_THREADS) {
            m->pipelines[p] = (__bridge_retained void *)pipeline;
        }
    }
}

static void close_metal(void *state)
{
    metal *m = state;
    if (m == NULL) {
        return;
    }
    @autoreleasepool {
        for (size_t p = 0; p < MF_PROBE_COUNT; p++) {
            drop(m->pipelines[p]);
            drop(m->matrices[p]);
            drop(m->operands[p]);
            drop(m->results[p]);
        }
        drop(m->stream);
        drop(m->queue);
        drop(m->device);
    }
    free(m);
}

static uint64_t least(uint64_t a, uint64_t b)
{
    return a < b ? a : b;
}

static void set_sizes(metal *m, const mf_probe_options *options)
{
    const uint64_t limit = device_of(m).recommendedMaxWorkingSetSize;
    const uint64_t largest = device_of(m).maxBufferLength;
    m->stream_bytes = options->buffer_bytes;
    m->matrix_bytes = options->buffer_bytes / 4;
    if (m->stream_bytes == 0) {
        m->stream_bytes = least(DEFAULT_STREAM_BYTES, limit / STREAM_SHARE);
        m->matrix_bytes = least(DEFAULT_MATRIX_BYTES, limit / MATRIX_SHARE);
    }
    m->stream_bytes = least(m->stream_bytes, largest);
    m->matrix_bytes = least(m->matrix_bytes, largest);
}

static mf_status start(metal *m, const mf_probe_options *options, mf_error *err)
{
    mf_probe_place place[MF_MAX_PLACES_LISTED];
    size_t n = 0;
    const mf_status status = available(place, &n, NULL, err);
    if (status != MF_OK) {
        return status;
    }
    id<MTLDevice> device = first_device();
    m->device = (__bridge_retained void *)device;
    m->cores = place[0].cores > 0 ? place[0].cores : 8;
    m->peak_flop_per_s = place[0].peak_flop_per_s;
    m->queue = (__bridge_retained void *)[device newCommandQueue];
    if (m->queue == NULL) {
        return mf_fail(err, MF_E_UNSUPPORTED, "the device gives no command queue");
    }
    NSUInteger version = LANGUAGE_2_4;
    if (@available(macOS 13.0, *)) {
        version = LANGUAGE_3_0;
    }
    id<MTLLibrary> library = compile(device, mf_metal_bench_source, version, err);
    if (library == nil) {
        return MF_E_UNSUPPORTED;
    }
    make_pipelines(m, library, false);
    if ([device supportsFamily:(MTLGPUFamily)FAMILY_METAL_4]) {
        /* A text that an older compiler refuses costs one test only. */
        mf_error ignored = {0};
        library = compile(device, mf_metal_tensor_source, LANGUAGE_4_0, &ignored);
        if (library != nil) {
            make_pipelines(m, library, true);
        }
    }
    m->shaders = MPSSupportsMTLDevice(device) != 0;
    set_sizes(m, options);
    return MF_OK;
}

static mf_status open_metal(
    void **state, size_t index, const mf_probe_options *options, void *context, mf_error *err)
{
    (void)index;
    (void)context;
    metal *m = calloc(1, sizeof *m);
    if (m == NULL) {
        return mf_fail(err, MF_E_NOMEM, "out of memory for Metal's tests");
    }
    m->now_s = options->now_s;
    m->payload = options->payload;
    m->random = options->seed != 0 ? options->seed : 1;
    mf_status status = MF_OK;
    @autoreleasepool {
        status = start(m, options, err);
    }
    if (status != MF_OK) {
        close_metal(m);
        return status;
    }
    *state = m;
    return MF_OK;
}

static bool is_library(mf_probe probe)
{
    return probe == MF_PROBE_GEMM_F32 || probe == MF_PROBE_GEMM_F16;
}

static bool supports(const void *state, mf_probe probe)
{
    const metal *m = state;
    return is_library(probe) ? m->shaders : m->pipelines[probe] != NULL;
}

/* Makes *slot a shared buffer of at least this size; a larger one replaces a smaller one. */
static mf_status need_buffer(void **slot, metal *m, uint64_t bytes, mf_error *err)
{
    if (*slot != NULL && buffer_of(*slot).length >= bytes) {
        return MF_OK;
    }
    drop(*slot);
    *slot = NULL;
    id<MTLBuffer> buffer = [device_of(m) newBufferWithLength:(NSUInteger)bytes
                                                     options:MTLResourceStorageModeShared];
    if (buffer == nil) {
        return mf_fail(err, MF_E_NOMEM, "no GPU buffer of %llu bytes", (unsigned long long)bytes);
    }
    *slot = (__bridge_retained void *)buffer;
    return MF_OK;
}

static void encode_library(metal *m, const job *j, id<MTLCommandBuffer> commands, uint32_t n_calls)
{
    const NSUInteger rows = j->args.m, columns = j->args.n, depth = j->args.k;
    const MPSDataType type = j->half ? MPSDataTypeFloat16 : MPSDataTypeFloat32;
    const NSUInteger size = j->half ? 2 : 4;
    /* Dense rows: the operands are shared with the other kernels. */
    MPSMatrixDescriptor *da = [MPSMatrixDescriptor matrixDescriptorWithRows:rows
                                                                    columns:depth
                                                                   rowBytes:depth * size
                                                                   dataType:type];
    MPSMatrixDescriptor *db = [MPSMatrixDescriptor matrixDescriptorWithRows:depth
                                                                    columns:columns
                                                                   rowBytes:columns * size
                                                                   dataType:type];
    MPSMatrixDescriptor *dc = [MPSMatrixDescriptor matrixDescriptorWithRows:rows
                                                                    columns:columns
                                                                   rowBytes:columns * size
                                                                   dataType:type];
    MPSMatrix *a = [[MPSMatrix alloc] initWithBuffer:buffer_of(j->a) descriptor:da];
    MPSMatrix *b = [[MPSMatrix alloc] initWithBuffer:buffer_of(j->b) descriptor:db];
    MPSMatrix *c = [[MPSMatrix alloc] initWithBuffer:buffer_of(j->out) descriptor:dc];
    MPSMatrixMultiplication *product =
        [[MPSMatrixMultiplication alloc] initWithDevice:device_of(m)
                                          transposeLeft:NO
                                         transposeRight:NO
                                             resultRows:rows
                                          resultColumns:columns
                                        interiorColumns:depth
                                                  alpha:1.0
                                                   beta:0.0];
    for (uint32_t i = 0; i < n_calls; i++) {
        [product encodeToCommandBuffer:commands leftMatrix:a rightMatrix:b resultMatrix:c];
    }
}

static void encode_kernel(const job *j, id<MTLCommandBuffer> commands, uint32_t n_calls)
{
    /* Serial: each dispatch waits for the one before, as the layers of a model do. */
    id<MTLComputeCommandEncoder> encoder = [commands computeCommandEncoder];
    [encoder setComputePipelineState:(__bridge id<MTLComputePipelineState>)j->pipeline];
    if (j->a != NULL) {
        [encoder setBuffer:buffer_of(j->a) offset:0 atIndex:MF_BIND_A];
    }
    if (j->b != NULL) {
        [encoder setBuffer:buffer_of(j->b) offset:0 atIndex:MF_BIND_B];
    }
    [encoder setBuffer:buffer_of(j->out) offset:0 atIndex:MF_BIND_OUT];
    [encoder setBytes:&j->args length:sizeof j->args atIndex:MF_BIND_ARGS];
    if (j->group_bytes > 0) {
        [encoder setThreadgroupMemoryLength:j->group_bytes atIndex:MF_GROUP_A];
        [encoder setThreadgroupMemoryLength:j->group_bytes atIndex:MF_GROUP_B];
    }
    const MTLSize groups = MTLSizeMake(j->groups[0], j->groups[1], j->groups[2]);
    for (uint32_t i = 0; i < n_calls; i++) {
        [encoder dispatchThreadgroups:groups threadsPerThreadgroup:MTLSizeMake(j->threads, 1, 1)];
    }
    [encoder endEncoding];
}

static mf_status dispatch(mf_probe_time *time, metal *m, const job *j, uint32_t n_calls, mf_error *err)
{
    @autoreleasepool {
        id<MTLCommandBuffer> commands = [(__bridge id<MTLCommandQueue>)m->queue commandBuffer];
        if (commands == nil) {
            return mf_fail(err, MF_E_IO, "the queue gives no command buffer");
        }
        if (j->library) {
            encode_library(m, j, commands, n_calls);
        } else {
            encode_kernel(j, commands, n_calls);
        }
        const double start_s = m->now_s(m->payload);
        [commands commit];
        [commands waitUntilCompleted];
        time->wall_s = m->now_s(m->payload) - start_s;
        if (commands.status != MTLCommandBufferStatusCompleted) {
            const char *words = commands.error.localizedDescription.UTF8String;
            return mf_fail(
                err, MF_E_IO, "the GPU failed: %.200s", words != NULL ? words : "no reason given");
        }
        time->time_s = commands.GPUEndTime - commands.GPUStartTime;
        time->device_clock = true;
    }
    return MF_OK;
}

static mf_status run(mf_probe_time *time, void *state, mf_probe probe, uint32_t n_calls, mf_error *err)
{
    metal *m = state;
    return dispatch(time, m, &m->jobs[probe], n_calls, err);
}

static mf_status run_once(metal *m, const job *j, mf_error *err)
{
    mf_probe_time time = {0};
    return dispatch(&time, m, j, 1, err);
}

static mf_status need_stream(metal *m, double bytes, mf_error *err)
{
    const uint64_t largest = device_of(m).maxBufferLength;
    const uint64_t wanted = least(bytes > 0 ? (uint64_t)bytes : m->stream_bytes, largest) / 192 * 192;
    const bool filled = m->stream != NULL && buffer_of(m->stream).length >= wanted;
    const mf_status status = need_buffer(&m->stream, m, wanted, err);
    if (status == MF_OK && !filled) {
        mf_gpu_fill_floats(buffer_of(m->stream).contents, wanted, &m->random);
    }
    m->stream_bytes = status == MF_OK ? wanted : m->stream_bytes;
    return status;
}

static size_t stream_groups(const metal *m, uint64_t n_vectors)
{
    const uint64_t wanted = (uint64_t)m->cores * STREAM_GROUPS_PER_CORE;
    const uint64_t all = n_vectors / MF_STREAM_THREADS + 1;
    return (size_t)least(wanted, all);
}

static mf_status
prepare_stream(mf_probe_plan *plan, metal *m, mf_probe probe, double bytes, mf_error *err)
{
    mf_status status = need_stream(m, bytes, err);
    const bool triad = probe == MF_PROBE_TRIAD;
    const uint64_t n_parts = probe == MF_PROBE_READ ? 1 : triad ? 3 : 2;
    /* Operands lie one after the other in the stream; what is written has a buffer of its own. */
    const uint64_t part = m->stream_bytes / n_parts / 16 * 16;
    const uint64_t n_vectors = part / 16;
    job *j = &m->jobs[probe];
    *j = (job){.pipeline = m->pipelines[probe], .a = m->stream, .threads = MF_STREAM_THREADS};
    j->groups[0] = stream_groups(m, n_vectors);
    j->groups[1] = j->groups[2] = 1;
    j->args.n = (uint32_t)n_vectors;
    const uint64_t out_bytes =
        probe == MF_PROBE_READ ? j->groups[0] * MF_STREAM_THREADS * sizeof(float) : part;
    if (status == MF_OK) {
        status = need_buffer(&m->results[probe], m, out_bytes, err);
    }
    if (status == MF_OK && triad) {
        status = need_buffer(&m->operands[probe], m, part, err);
    }
    if (status != MF_OK) {
        return status;
    }
    j->out = m->results[probe];
    if (triad) {
        j->b = m->operands[probe];
        mf_gpu_fill_floats(buffer_of(j->b).contents, part, &m->random);
    }
    memset(buffer_of(j->out).contents, 0xff, out_bytes);
    status = run_once(m, j, err);
    if (status == MF_OK) {
        const float *a = buffer_of(j->a).contents;
        const float *b = triad ? buffer_of(j->b).contents : NULL;
        const mf_gpu_stream s = {.a = a,
                                   .b = b,
                                   .out = buffer_of(j->out).contents,
                                   .n = (size_t)n_vectors * 4,
                                   .n_out = out_bytes / sizeof(float)};
        plan->error = mf_gpu_stream_error(&s, probe);
        plan->tolerance = mf_gpu_stream_tolerance(probe);
        plan->work = (double)part * (double)n_parts;
        plan->bytes = plan->work;
    }
    return status;
}

static mf_status prepare_spin(mf_probe_plan *plan, metal *m, mf_probe probe, mf_error *err)
{
    job *j = &m->jobs[probe];
    *j = (job){.pipeline = m->pipelines[probe], .threads = MF_GROUP_THREADS};
    j->groups[0] = (size_t)m->cores * SPIN_GROUPS_PER_CORE;
    j->groups[1] = j->groups[2] = 1;
    j->args.turns = probe == MF_PROBE_CLOCK ? SPIN_TURNS : 0;
    if (m->matrix_bytes < DEFAULT_MATRIX_BYTES / 16) {
        j->args.turns /= 100; /* a device for tests */
    }
    const size_t n = j->groups[0] * j->threads;
    mf_status status = need_buffer(&m->results[probe], m, n * sizeof(float), err);
    if (status != MF_OK) {
        return status;
    }
    j->out = m->results[probe];
    status = run_once(m, j, err);
    if (status == MF_OK && probe == MF_PROBE_CLOCK) {
        plan->error = mf_gpu_spin_error(buffer_of(j->out).contents, n, j->args.turns);
        plan->tolerance = MF_GPU_SPIN_TOLERANCE;
        plan->work = 2.0 * MF_SPIN_CHAINS * j->args.turns * (double)n;
        plan->most_per_s = m->peak_flop_per_s;
    } else if (status == MF_OK) {
        plan->work = 1;
        j->groups[0] = 1;
    }
    return status;
}

static mf_block_format format_of(mf_probe probe)
{
    switch (probe) {
    case MF_PROBE_MATVEC_Q8_0:
        return MF_BLOCK_Q8_0;
    case MF_PROBE_MATVEC_Q4_0:
        return MF_BLOCK_Q4_0;
    case MF_PROBE_MATVEC_Q4_K:
        return MF_BLOCK_Q4_K;
    default:
        return MF_BLOCK_F16;
    }
}

static mf_status prepare_matvec(mf_probe_plan *plan, metal *m, mf_probe probe, mf_error *err)
{
    const mf_block_format format = format_of(probe);
    mf_gpu_matvec v = {.format = format, .k = MF_GPU_ROW_WEIGHTS};
    const size_t row_bytes = mf_blocks_bytes(format, v.k);
    /* Not a multiple of a threadgroup's rows: the last ones are checked too. */
    v.m = (size_t)(m->matrix_bytes / row_bytes) / MF_ROWS_PER_GROUP * MF_ROWS_PER_GROUP + 5;
    mf_status status = need_buffer(&m->matrices[probe], m, v.m * row_bytes, err);
    if (status == MF_OK) {
        status = need_buffer(&m->operands[probe], m, v.k * sizeof(float), err);
    }
    if (status == MF_OK) {
        status = need_buffer(&m->results[probe], m, (v.m + 1) * sizeof(float), err);
    }
    if (status != MF_OK) {
        return status;
    }
    job *j = &m->jobs[probe];
    *j = (job){.pipeline = m->pipelines[probe],
               .a = m->matrices[probe],
               .b = m->operands[probe],
               .out = m->results[probe],
               .args = {.m = (uint32_t)v.m, .k = (uint32_t)v.k},
               .threads = MF_GROUP_THREADS};
    j->groups[0] = (v.m + MF_ROWS_PER_GROUP - 1) / MF_ROWS_PER_GROUP;
    j->groups[1] = j->groups[2] = 1;
    v.weights = buffer_of(j->a).contents;
    v.x = buffer_of(j->b).contents;
    v.out = buffer_of(j->out).contents;
    mf_gpu_matvec_fill(&v, &m->random);
    status = run_once(m, j, err);
    if (status == MF_OK) {
        plan->error = mf_gpu_matvec_error(&v);
        plan->tolerance = MF_GPU_SUM_TOLERANCE;
        plan->work = (double)(v.m * row_bytes);
        plan->bytes = plan->work;
    }
    return status;
}

static mf_status prepare_attend(mf_probe_plan *plan, metal *m, mf_probe probe, mf_error *err)
{
    mf_gpu_attend a = {.n_heads = 8};
    const uint64_t position_bytes = 2 * a.n_heads * MF_HEAD * sizeof(uint16_t);
    const uint64_t fit = m->matrix_bytes / position_bytes;
    /* Not a multiple of a block's positions. */
    a.n_positions = (size_t)fit / MF_KV_BLOCK * MF_KV_BLOCK + 37;
    a.n_blocks = (a.n_positions + MF_KV_BLOCK - 1) / MF_KV_BLOCK;
    const uint64_t n_queries = 4 * a.n_heads;
    const uint64_t out_bytes = n_queries * a.n_blocks * MF_KV_PARTIAL * sizeof(float);
    mf_status status = need_buffer(&m->matrices[probe], m, a.n_positions * position_bytes, err);
    if (status == MF_OK) {
        status = need_buffer(&m->operands[probe], m, n_queries * MF_HEAD * sizeof(float), err);
    }
    if (status == MF_OK) {
        status = need_buffer(&m->results[probe], m, out_bytes, err);
    }
    if (status != MF_OK) {
        return status;
    }
    job *j = &m->jobs[probe];
    *j = (job){.pipeline = m->pipelines[probe],
               .a = m->matrices[probe],
               .b = m->operands[probe],
               .out = m->results[probe],
               .args = {.n = (uint32_t)a.n_heads, .k = (uint32_t)a.n_positions},
               .threads = MF_GROUP_THREADS};
    j->groups[0] = a.n_blocks;
    j->groups[1] = a.n_heads;
    j->groups[2] = 1;
    a.cache = buffer_of(j->a).contents;
    a.queries = buffer_of(j->b).contents;
    a.out = buffer_of(j->out).contents;
    mf_gpu_attend_fill(&a, &m->random);
    memset(a.out, 0xff, out_bytes);
    status = run_once(m, j, err);
    if (status == MF_OK) {
        plan->error = mf_gpu_attend_error(&a);
        plan->tolerance = MF_GPU_SUM_TOLERANCE;
        plan->work = (double)(a.n_positions * position_bytes);
        plan->bytes = plan->work;
    }
    return status;
}

static void shape_product(job *j, size_t rows, size_t columns, size_t depth)
{
    j->args = (arguments){(uint32_t)rows, (uint32_t)columns, (uint32_t)depth, 0};
    j->groups[0] = columns / MF_TILE;
    j->groups[1] = rows / MF_TILE;
    j->groups[2] = 1;
}

/* Largest error over two shapes that are not square and whose factors do not commute. */
static mf_status check_product(double *error, metal *m, job *j, bool half_out, mf_error *err)
{
    static const size_t shapes[][3] = {{64, 192, 96}, {128, 192, 96}};
    mf_status status = MF_OK;
    *error = 0;
    for (size_t s = 0; status == MF_OK && s < sizeof shapes / sizeof shapes[0]; s++) {
        mf_gpu_product p = {.number = j->half ? MF_GPU_F16 : MF_GPU_F32,
                              .out_number = half_out ? MF_GPU_F16 : MF_GPU_F32,
                              .m = shapes[s][0],
                              .n = shapes[s][1],
                              .k = shapes[s][2],
                              .a = buffer_of(j->a).contents,
                              .b = buffer_of(j->b).contents,
                              .out = buffer_of(j->out).contents};
        shape_product(j, p.m, p.n, p.k);
        mf_gpu_product_fill(&p, &m->random);
        status = run_once(m, j, err);
        if (status == MF_OK) {
            const double one = mf_gpu_product_error(&p);
            *error = one <= *error ? *error : one;
        }
    }
    return status;
}

static size_t product_size(const metal *m)
{
    const size_t most = m->cores >= 24 ? MOST_GEMM : MOST_GEMM / 2;
    const double fit = sqrt((double)m->matrix_bytes / 4) / MF_TILE;
    const size_t n = (size_t)fit * MF_TILE;
    return n < 192 ? 192 : n > most ? most : n;
}

static mf_status prepare_product(mf_probe_plan *plan, metal *m, mf_probe probe, mf_error *err)
{
    const bool half = probe != MF_PROBE_GEMM_F32 && probe != MF_PROBE_GEMM_F32_OWN;
    const size_t n = product_size(m);
    const uint64_t bytes = (uint64_t)n * n * (half ? 2 : 4);
    mf_status status = need_buffer(&m->matrices[probe], m, bytes, err);
    if (status == MF_OK) {
        status = need_buffer(&m->operands[probe], m, bytes, err);
    }
    if (status == MF_OK) {
        status = need_buffer(&m->results[probe], m, (uint64_t)n * n * sizeof(float), err);
    }
    if (status != MF_OK) {
        return status;
    }
    job *j = &m->jobs[probe];
    *j = (job){.pipeline = m->pipelines[probe],
               .a = m->matrices[probe],
               .b = m->operands[probe],
               .out = m->results[probe],
               .threads = MF_GROUP_THREADS,
               .library = is_library(probe),
               .half = half};
    if (probe != MF_PROBE_GEMM_F16_TENSOR) {
        j->group_bytes = half ? MF_TILE * MF_DEPTH_F16 * 2 : MF_TILE * MF_DEPTH_F32 * 4;
    }
    status = check_product(&plan->error, m, j, is_library(probe) && half, err);
    /* The M5 multiplies FP32 as TF32; halves are rounded once more where the result is one. */
    plan->tolerance = MF_GPU_PRODUCT_TOLERANCE;
    if (status == MF_OK) {
        mf_gpu_product p = {.number = half ? MF_GPU_F16 : MF_GPU_F32, .m = n, .n = n, .k = n};
        p.a = buffer_of(j->a).contents;
        p.b = buffer_of(j->b).contents;
        mf_gpu_product_fill(&p, &m->random);
        shape_product(j, n, n, n);
        plan->work = 2.0 * (double)n * (double)n * (double)n;
        plan->most_per_s = m->peak_flop_per_s;
    }
    return status;
}

static mf_status prepare_any(mf_probe_plan *plan, metal *m, mf_probe probe, double bytes, mf_error *err)
{
    switch (probe) {
    case MF_PROBE_CLOCK:
    case MF_PROBE_LAUNCH:
        return prepare_spin(plan, m, probe, err);
    case MF_PROBE_READ:
    case MF_PROBE_COPY:
    case MF_PROBE_TRIAD:
        return prepare_stream(plan, m, probe, bytes, err);
    case MF_PROBE_KV_F16:
        return prepare_attend(plan, m, probe, err);
    case MF_PROBE_MATVEC_F16:
    case MF_PROBE_MATVEC_Q8_0:
    case MF_PROBE_MATVEC_Q4_0:
    case MF_PROBE_MATVEC_Q4_K:
        return prepare_matvec(plan, m, probe, err);
    default:
        return prepare_product(plan, m, probe, err);
    }
}

static mf_status prepare(mf_probe_plan *plan, void *state, mf_probe probe, double bytes, mf_error *err)
{
    *plan = (mf_probe_plan){.most_calls = MOST_CALLS};
    @autoreleasepool {
        return prepare_any(plan, state, probe, bytes, err);
    }
}

const mf_prober mf_prober_metal = {.id = MF_PROBE_BACKEND_METAL,
                                   .available = available,
                                   .open = open_metal,
                                   .supports = supports,
                                   .prepare = prepare,
                                   .run = run,
                                   .close = close_metal};
