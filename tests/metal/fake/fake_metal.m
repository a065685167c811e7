/* The stand-in's inside. Compiled for GCC's Objective-C runtime, without ARC; the code under test is compiled with ARC for
   ObjFW's, whose calls that runtime has too. Dead objects keep their memory, so that a later use is told, not crashed. */
#import <Foundation/Foundation.h>
#import <Metal/Metal.h>
#import <MetalPerformanceShaders/MetalPerformanceShaders.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "calibrate/blocks.h"
#include "fake_metal.h"
#include "runner.h"

struct fake_knobs fake_knobs;
struct fake_counts fake_counts;

extern id class_createInstance(Class type, size_t extra);
extern id objc_autorelease(id object);

#define MISUSE(...)                                                                                \
    do {                                                                                           \
        fprintf(stderr, "metal misuse: " __VA_ARGS__);                                             \
        fputc('\n', stderr);                                                                       \
        fake_counts.misuse++;                                                                      \
    } while (0)

void fake_reset(void)
{
    fake_knobs = (struct fake_knobs){.chip = "Apple M1 Pro",
                                     .cores = 4,
                                     .limit_bytes = 11453251584u,
                                     .most_buffer_bytes = 8ull << 30,
                                     .buffers_left = -1,
                                     .submissions_left = -1,
                                     .bench_source = fake_knobs.bench_source,
                                     .tensor_source = fake_knobs.tensor_source};
    fake_counts.misuse = fake_counts.dispatches = fake_counts.products = 0;
}

static double now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec + t.tv_nsec * 1e-9;
}

@implementation NSObject
+ (id)alloc
{
    NSObject *o = class_createInstance((Class)self, 0);
    o->references = 1;
    fake_counts.live++;
    return o;
}
+ (id)new
{
    return [[self alloc] init];
}
- (id)init
{
    return self;
}
- (id)retain
{
    if (references <= 0) MISUSE("retain of a dead object");
    references++;
    return self;
}
- (oneway void)release
{
    if (references <= 0) {
        MISUSE("release of a dead object");
        return;
    }
    references--;
    if (references == 0) [self dealloc];
}
- (id)autorelease
{
    return objc_autorelease(self);
}
- (void)dealloc
{
    fake_counts.live--;
}
@end

@implementation NSString
+ (instancetype)stringWithUTF8String:(const char *)from
{
    NSString *o = [[self alloc] init];
    o->text = strdup(from);
    return [o autorelease];
}
- (const char *)UTF8String
{
    return text;
}
- (void)dealloc
{
    free(text);
    text = NULL;
    [super dealloc];
}
@end

@interface NSError (Making)
+ (NSError *)saying:(const char *)text;
@end
@implementation NSError
+ (NSError *)saying:(const char *)text
{
    if (fake_knobs.silent_errors) return nil;
    NSError *e = [[self alloc] init];
    e->words = [[NSString stringWithUTF8String:text] retain];
    return [e autorelease];
}
- (NSString *)localizedDescription
{
    return words;
}
- (void)dealloc
{
    [words release];
    [super dealloc];
}
@end

@interface NSArray (Making)
- (id)initWithOnly:(id)object;
@end
@implementation NSArray
- (id)initWithOnly:(id)object
{
    only = [object retain];
    return self;
}
- (NSUInteger)count
{
    return only != nil ? 1 : 0;
}
- (id)objectAtIndex:(NSUInteger)index
{
    if (index >= self.count) MISUSE("item %lu of an array of %lu", index, self.count);
    return only;
}
- (void)dealloc
{
    [only release];
    [super dealloc];
}
@end

@implementation NSProcessInfo
+ (NSProcessInfo *)processInfo
{
    static NSProcessInfo *one;
    if (one == nil) {
        one = [NSProcessInfo new];
        fake_counts.live--; /* the system's, not the caller's */
    }
    return one;
}
- (NSOperatingSystemVersion)operatingSystemVersion
{
    return (NSOperatingSystemVersion){26, 2, 0};
}
- (NSProcessInfoThermalState)thermalState
{
    return NSProcessInfoThermalStateNominal;
}
- (BOOL)isLowPowerModeEnabled
{
    return YES;
}
@end

@implementation MTLCompileOptions
- (MTLLanguageVersion)languageVersion
{
    return version;
}
- (void)setLanguageVersion:(MTLLanguageVersion)v
{
    version = v;
}
@end

@interface FakeFunction : NSObject <MTLFunction> {
  @public
    const struct msl_kernel *which;
}
@end
@implementation FakeFunction
@end

@interface FakePipeline : NSObject <MTLComputePipelineState> {
  @public
    const struct msl_kernel *which;
}
@end
@implementation FakePipeline
- (NSUInteger)maxTotalThreadsPerThreadgroup
{
    return fake_knobs.small_pipeline ? 64 : 1024;
}
- (NSUInteger)threadExecutionWidth
{
    return 32;
}
@end

@interface FakeBuffer : NSObject <MTLBuffer> {
  @public
    void *memory;
    NSUInteger size;
    MTLResourceOptions options;
}
@end
@implementation FakeBuffer
- (NSUInteger)length
{
    return size;
}
- (void *)contents
{
    if ((options & MTLResourceStorageModePrivate) != 0) {
        MISUSE("contents of a private buffer");
        return NULL;
    }
    return memory;
}
- (void)dealloc
{
    free(memory);
    memory = NULL;
    [super dealloc];
}
@end

@interface FakeLibrary : NSObject <MTLLibrary>
@end
@implementation FakeLibrary
- (id<MTLFunction>)newFunctionWithName:(NSString *)name
{
    const struct msl_kernel *k = msl_find(name.UTF8String);
    if (k == NULL || fake_knobs.no_function) return nil;
    FakeFunction *f = [FakeFunction new];
    f->which = k;
    return f;
}
@end

struct command {
    FakePipeline *pipeline;
    FakeBuffer *buffers[MSL_BUFFERS];
    NSUInteger offsets[MSL_BUFFERS];
    void *bytes[MSL_BUFFERS];
    NSUInteger n_bytes[MSL_BUFFERS];
    unsigned group_bytes[MSL_BUFFERS];
    MTLSize groups, threads;
    MPSMatrix *left, *right, *result;
    struct command *next;
};

@interface FakeEncoder : NSObject <MTLComputeCommandEncoder> {
  @public
    struct command now;
    struct command *first, **tail;
    BOOL ended;
}
@end
@implementation FakeEncoder
- (id)init
{
    tail = &first;
    return self;
}
- (void)setComputePipelineState:(id<MTLComputePipelineState>)pipeline
{
    if (pipeline == nil) MISUSE("no pipeline");
    now.pipeline = (FakePipeline *)pipeline;
}
- (void)setBuffer:(id<MTLBuffer>)buffer offset:(NSUInteger)offset atIndex:(NSUInteger)index
{
    if (index >= MSL_BUFFERS) {
        MISUSE("buffer index %lu", index);
        return;
    }
    now.buffers[index] = (FakeBuffer *)buffer;
    now.offsets[index] = offset;
    now.bytes[index] = NULL;
    if (buffer != nil && offset >= ((FakeBuffer *)buffer)->size) MISUSE("an offset behind the buffer");
    if (buffer != nil && ((FakeBuffer *)buffer)->references <= 0) MISUSE("a dead buffer is bound");
}
- (void)setBytes:(const void *)bytes length:(NSUInteger)length atIndex:(NSUInteger)index
{
    if (index >= MSL_BUFFERS || length > 4096) {
        MISUSE("setBytes of %lu at %lu", length, index);
        return;
    }
    now.bytes[index] = malloc(length);
    now.n_bytes[index] = length;
    memcpy(now.bytes[index], bytes, length);
    now.buffers[index] = nil;
}
- (void)setThreadgroupMemoryLength:(NSUInteger)length atIndex:(NSUInteger)index
{
    if (index >= MSL_BUFFERS || length % 16 != 0) {
        MISUSE("threadgroup memory of %lu bytes, no multiple of 16", length);
        return;
    }
    now.group_bytes[index] = (unsigned)length;
}
- (void)dispatchThreadgroups:(MTLSize)groups threadsPerThreadgroup:(MTLSize)threads
{
    unsigned sum = 0;
    if (ended) MISUSE("dispatch after endEncoding");
    if (now.pipeline == nil) {
        MISUSE("dispatch without a pipeline");
        return;
    }
    for (int i = 0; i < MSL_BUFFERS; i++) sum += now.group_bytes[i];
    if (sum > 32768) MISUSE("%u bytes of threadgroup memory", sum);
    if (threads.width * threads.height * threads.depth > 1024 || threads.width * threads.height * threads.depth == 0)
        MISUSE("a threadgroup of that size");
    if (groups.width * groups.height * groups.depth == 0) MISUSE("an empty grid");
    struct command *c = malloc(sizeof *c);
    *c = now;
    c->groups = groups;
    c->threads = threads;
    c->next = NULL;
    [c->pipeline retain];
    for (int i = 0; i < MSL_BUFFERS; i++) {
        [c->buffers[i] retain];
        if (c->bytes[i] != NULL) { /* each command has its own copy */
            c->bytes[i] = malloc(c->n_bytes[i]);
            memcpy(c->bytes[i], now.bytes[i], c->n_bytes[i]);
        }
    }
    *tail = c;
    tail = &c->next;
}
- (void)endEncoding
{
    if (ended) MISUSE("endEncoding twice");
    ended = YES;
}
- (void)dealloc
{
    if (!ended) MISUSE("an encoder is freed before endEncoding");
    for (struct command *c = first, *next; c != NULL; c = next) {
        next = c->next;
        [c->pipeline release];
        for (int i = 0; i < MSL_BUFFERS; i++) {
            [c->buffers[i] release];
            free(c->bytes[i]);
        }
        free(c);
    }
    for (int i = 0; i < MSL_BUFFERS; i++) free(now.bytes[i]);
    [super dealloc];
}
@end

@interface FakeCommands : NSObject <MTLCommandBuffer> {
  @public
    FakeEncoder *encoder;
    struct command *products, **tail;
    BOOL committed, done;
    double start_s, end_s;
    MTLCommandBufferStatus state;
    NSError *why;
}
- (void)add:(struct command)c;
@end

static void spoil(const struct command *c)
{
    FakeBuffer *out = c->buffers[2];
    for (NSUInteger i = 0; fake_knobs.wrong_results && out != nil && i < out->size / 4; i++)
        ((float *)out->memory)[i] *= 1.01f;
}

static double element(const MPSMatrix *m, NSUInteger row, NSUInteger column)
{
    const char *at = (char *)((FakeBuffer *)m->buffer)->memory + row * m->descriptor->row_bytes;
    return m->descriptor->type == MPSDataTypeFloat16 ? mf_half_value(((const uint16_t *)at)[column])
                                                     : ((const float *)at)[column];
}

static void multiply(const struct command *c)
{
    for (NSUInteger i = 0; i < c->result->descriptor->rows; i++)
        for (NSUInteger j = 0; j < c->result->descriptor->columns; j++) {
            double sum = 0;
            for (NSUInteger k = 0; k < c->left->descriptor->columns; k++) sum += element(c->left, i, k) * element(c->right, k, j);
            if (fake_knobs.wrong_results) sum *= 1.01;
            char *at = (char *)((FakeBuffer *)c->result->buffer)->memory + i * c->result->descriptor->row_bytes;
            if (c->result->descriptor->type == MPSDataTypeFloat16)
                ((uint16_t *)at)[j] = mf_half_from((float)sum);
            else
                ((float *)at)[j] = (float)sum;
        }
}

@implementation FakeCommands
- (id)init
{
    tail = &products;
    return self;
}
- (id<MTLComputeCommandEncoder>)computeCommandEncoder
{
    if (committed) MISUSE("an encoder after commit");
    if (encoder != nil && !encoder->ended) MISUSE("a second encoder before the first has ended");
    encoder = [FakeEncoder new];
    return encoder;
}
- (void)add:(struct command)c
{
    if (committed) MISUSE("a product after commit");
    struct command *copy = malloc(sizeof *copy);
    *copy = c;
    [copy->left retain];
    [copy->right retain];
    [copy->result retain];
    *tail = copy;
    tail = &copy->next;
}
- (void)commit
{
    if (committed) MISUSE("commit twice");
    if (encoder != nil && !encoder->ended) MISUSE("commit before endEncoding");
    committed = YES;
    state = MTLCommandBufferStatusCommitted;
}
- (void)execute:(BOOL *)failed
{
    for (struct command *c = encoder != nil ? encoder->first : NULL; c != NULL; c = c->next) {
        void *buffers[MSL_BUFFERS];
        for (int i = 0; i < MSL_BUFFERS; i++)
            buffers[i] = c->buffers[i] != nil ? (char *)c->buffers[i]->memory + c->offsets[i] : c->bytes[i];
        const unsigned groups[3] = {c->groups.width, c->groups.height, c->groups.depth};
        const unsigned threads[3] = {c->threads.width, c->threads.height, c->threads.depth};
        *failed |= msl_dispatch(c->pipeline->which, buffers, c->group_bytes, groups, threads, MSL_FORWARD) != 0;
        if (*failed) MISUSE("a dispatch of '%s' can't run", c->pipeline->which->name);
        spoil(c);
        fake_counts.dispatches++;
    }
    for (struct command *c = products; c != NULL; c = c->next) {
        multiply(c);
        fake_counts.products++;
    }
}
- (void)waitUntilCompleted
{
    if (!committed) {
        MISUSE("wait before commit: a real one hangs");
        return;
    }
    BOOL failed = fake_knobs.submissions_left == 0;
    if (done) return;
    fake_knobs.submissions_left -= fake_knobs.submissions_left > 0;
    start_s = now();
    if (!failed) [self execute:&failed];
    end_s = now();
    done = YES;
    state = failed ? MTLCommandBufferStatusError : MTLCommandBufferStatusCompleted;
    if (failed) why = [[NSError saying:"a fault of the fake GPU"] retain];
}
- (CFTimeInterval)GPUStartTime
{
    if (!done) MISUSE("GPUStartTime before completion");
    return fake_knobs.zero_times ? 0 : start_s;
}
- (CFTimeInterval)GPUEndTime
{
    if (!done) MISUSE("GPUEndTime before completion");
    return fake_knobs.zero_times ? 0 : end_s;
}
- (MTLCommandBufferStatus)status
{
    return state;
}
- (NSError *)error
{
    return why;
}
- (void)dealloc
{
    if (committed && !done) MISUSE("a command buffer is freed before it is done");
    for (struct command *c = products, *next; c != NULL; c = next) {
        next = c->next;
        [c->left release];
        [c->right release];
        [c->result release];
        free(c);
    }
    [encoder release];
    [why release];
    [super dealloc];
}
@end

@implementation MPSMatrixDescriptor
+ (instancetype)matrixDescriptorWithRows:(NSUInteger)rows
                                 columns:(NSUInteger)columns
                                rowBytes:(NSUInteger)rowBytes
                                dataType:(MPSDataType)dataType
{
    MPSMatrixDescriptor *d = [[self alloc] init];
    d->rows = rows;
    d->columns = columns;
    d->row_bytes = rowBytes;
    d->type = dataType;
    if (rowBytes < columns * (dataType == MPSDataTypeFloat16 ? 2 : 4)) MISUSE("rows of %lu bytes", rowBytes);
    return [d autorelease];
}
@end

@implementation MPSMatrix
- (instancetype)initWithBuffer:(id<MTLBuffer>)b descriptor:(MPSMatrixDescriptor *)d
{
    if (b.length < d->rows * d->row_bytes) MISUSE("a matrix of %lu bytes in a buffer of %lu", d->rows * d->row_bytes, b.length);
    buffer = [(FakeBuffer *)b retain];
    descriptor = [d retain];
    return self;
}
- (void)dealloc
{
    [(FakeBuffer *)buffer release];
    [descriptor release];
    [super dealloc];
}
@end

@implementation MPSMatrixMultiplication
- (instancetype)initWithDevice:(id<MTLDevice>)device
                 transposeLeft:(BOOL)transposeLeft
                transposeRight:(BOOL)transposeRight
                    resultRows:(NSUInteger)resultRows
                 resultColumns:(NSUInteger)resultColumns
               interiorColumns:(NSUInteger)interiorColumns
                         alpha:(double)alpha
                          beta:(double)beta
{
    (void)device;
    if (transposeLeft || transposeRight || alpha != 1 || beta != 0) MISUSE("a product that the stand-in can't make");
    rows = resultRows;
    columns = resultColumns;
    depth = interiorColumns;
    return self;
}
- (void)encodeToCommandBuffer:(id<MTLCommandBuffer>)commands
                   leftMatrix:(MPSMatrix *)left
                  rightMatrix:(MPSMatrix *)right
                 resultMatrix:(MPSMatrix *)result
{
    if (left->descriptor->rows != rows || left->descriptor->columns != depth || right->descriptor->rows != depth ||
        right->descriptor->columns != columns || result->descriptor->rows != rows ||
        result->descriptor->columns != columns)
        MISUSE("matrices that do not fit the product");
    [(FakeCommands *)commands add:(struct command){.left = left, .right = right, .result = result}];
}
@end

BOOL MPSSupportsMTLDevice(id<MTLDevice> device)
{
    (void)device;
    return !fake_knobs.no_shaders;
}

@interface FakeQueue : NSObject <MTLCommandQueue>
@end
@implementation FakeQueue
- (id<MTLCommandBuffer>)commandBuffer
{
    return fake_knobs.no_command_buffer ? nil : [[FakeCommands new] autorelease];
}
@end

@interface FakeDevice : NSObject <MTLDevice>
@end
@implementation FakeDevice
- (NSString *)name
{
    return [NSString stringWithUTF8String:fake_knobs.chip];
}
- (uint64_t)recommendedMaxWorkingSetSize
{
    return fake_knobs.limit_bytes;
}
- (NSUInteger)maxBufferLength
{
    return fake_knobs.most_buffer_bytes;
}
- (BOOL)hasUnifiedMemory
{
    return YES;
}
- (BOOL)supportsFamily:(MTLGPUFamily)family
{
    return !fake_knobs.old_gpu && (family <= MTLGPUFamilyApple7 || ((long)family == 5002 && fake_knobs.metal_4));
}
- (id<MTLCommandQueue>)newCommandQueue
{
    return fake_knobs.no_queue ? nil : [FakeQueue new];
}
- (id<MTLBuffer>)newBufferWithLength:(NSUInteger)length options:(MTLResourceOptions)options
{
    if (fake_knobs.buffers_left == 0 || length > self.maxBufferLength) return nil;
    if (length == 0) MISUSE("a buffer of 0 bytes");
    fake_knobs.buffers_left -= fake_knobs.buffers_left > 0;
    FakeBuffer *b = [FakeBuffer new];
    b->memory = malloc(length);
    memset(b->memory, 0xCD, length); /* not cleared, unlike Apple's: nobody may count on it */
    b->size = length;
    b->options = options;
    return b;
}
- (id<MTLLibrary>)newLibraryWithSource:(NSString *)source
                               options:(MTLCompileOptions *)options
                                 error:(NSError **)error
{
    const bool tensor = strcmp(source.UTF8String, fake_knobs.tensor_source) == 0;
    const bool known = tensor || strcmp(source.UTF8String, fake_knobs.bench_source) == 0;
    const long version = (long)options.languageVersion;
    if (!known) MISUSE("a text that is not the kernels'");
    if (tensor != (version >= 4 << 16)) MISUSE("language version %lx", version);
    if (!known || (tensor ? fake_knobs.bad_tensor_compile : fake_knobs.bad_compile)) {
        if (error != NULL) *error = [NSError saying:"program_source:1: error: of the stand-in"];
        return nil;
    }
    return [FakeLibrary new];
}
- (id<MTLComputePipelineState>)newComputePipelineStateWithFunction:(id<MTLFunction>)function error:(NSError **)error
{
    if (fake_knobs.no_pipeline) {
        if (error != NULL) *error = [NSError saying:"no pipeline"];
        return nil;
    }
    FakePipeline *p = [FakePipeline new];
    p->which = ((FakeFunction *)function)->which;
    return p;
}
@end

id<MTLDevice> MTLCreateSystemDefaultDevice(void)
{
    return fake_knobs.no_device || fake_knobs.no_default_device ? nil : [FakeDevice new];
}

NSArray<id<MTLDevice>> *MTLCopyAllDevices(void)
{
    FakeDevice *device = fake_knobs.no_device ? nil : [FakeDevice new];
    NSArray *all = [[NSArray alloc] initWithOnly:device];
    [device release];
    return all;
}

/* What ARC calls, and its pools. */
static id pool[65536];
static int top;

id objc_retain(id o) { return [o retain]; }
void objc_release(id o) { [o release]; }
id objc_autorelease(id o)
{
    if (o == nil) return nil;
    if (fake_counts.pools == 0) MISUSE("autorelease without a pool");
    pool[top] = o;
    top++;
    return o;
}
id objc_retainAutorelease(id o) { return objc_autorelease([o retain]); }
id objc_retainAutoreleasedReturnValue(id o) { return [o retain]; }
id objc_unsafeClaimAutoreleasedReturnValue(id o) { return o; }
id objc_autoreleaseReturnValue(id o) { return objc_autorelease(o); }
id objc_retainAutoreleaseReturnValue(id o) { return objc_autorelease([o retain]); }
void objc_storeStrong(id *slot, id value)
{
    id old = *slot;
    [value retain];
    *slot = value;
    [old release];
}
void *objc_autoreleasePoolPush(void)
{
    fake_counts.pools++;
    return (void *)(intptr_t)(top + 1);
}
void objc_autoreleasePoolPop(void *mark)
{
    const int to = (int)(intptr_t)mark - 1;
    while (top > to) {
        top--;
        [pool[top] release];
    }
    fake_counts.pools--;
}

/* ObjFW's runtime looks up methods that return a struct by another name. */
extern void (*objc_msg_lookup(id receiver, SEL name))(void);
void (*objc_msg_lookup_stret(id receiver, SEL name))(void) { return objc_msg_lookup(receiver, name); }

/* Modules for ObjFW's runtime carry version 9 where GCC's takes 8; those without classes are the same otherwise. */
struct module {
    unsigned long version, size;
    const char *name;
    void *symbols;
};
void __real___objc_exec_class(struct module *m);
void __wrap___objc_exec_class(struct module *m)
{
    if (m->version != 8 || m->size != sizeof *m) {
        static struct module copies[16];
        static int n;
        struct module *c = &copies[n];
        n++;
        *c = *m;
        c->version = 8;
        c->size = sizeof *c;
        m = c;
    }
    __real___objc_exec_class(m);
}
