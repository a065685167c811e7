#include "calibrate/cpu.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>
#include <unistd.h>

#ifdef __APPLE__
#include <sys/sysctl.h>
#endif

#define DEFAULT_STREAM_BYTES (UINT64_C(1) << 30)
#define DEFAULT_MATRIX_BYTES (UINT64_C(256) << 20)
#define STREAM_SHARE 8  /* of the memory, at most */
#define MATRIX_SHARE 32 /* there are four */

static uint64_t memory_bytes(void)
{
#ifdef __APPLE__
    uint64_t bytes = 0;
    size_t size = sizeof bytes;
    return sysctlbyname("hw.memsize", &bytes, &size, NULL, 0) == 0 ? bytes : 0;
#else
    const long pages = sysconf(_SC_PHYS_PAGES);
    const long page = sysconf(_SC_PAGESIZE);
    return pages > 0 && page > 0 ? (uint64_t)pages * (uint64_t)page : 0;
#endif
}

static uint32_t count_cores(void)
{
#ifdef __APPLE__
    /* Engines use the fast cores only: the slow ones would hold them up at each barrier. */
    int32_t n = 0;
    size_t size = sizeof n;
    if (sysctlbyname("hw.perflevel0.physicalcpu", &n, &size, NULL, 0) == 0 && n > 0) {
        return (uint32_t)n;
    }
#endif
    const long online = sysconf(_SC_NPROCESSORS_ONLN);
    return online > 0 ? (uint32_t)online : 1;
}

static void name_processor(char name[MF_PLACE_TEXT_SIZE], const char *machine)
{
    (void)snprintf(name, MF_PLACE_TEXT_SIZE, "%s processor", machine);
#ifdef __APPLE__
    size_t size = MF_PLACE_TEXT_SIZE;
    (void)sysctlbyname("machdep.cpu.brand_string", name, &size, NULL, 0);
#else
    FILE *file = fopen("/proc/cpuinfo", "r");
    char line[256];
    while (file != NULL && fgets(line, sizeof line, file) != NULL) {
        const char *colon = strchr(line, ':');
        if (colon != NULL && strncmp(line, "model name", 10) == 0) {
            const int size = (int)strcspn(colon + 1, "\n");
            (void)snprintf(name, MF_PLACE_TEXT_SIZE, "%.*s", size > 0 ? size - 1 : 0, colon + 2);
            break;
        }
    }
    if (file != NULL) {
        (void)fclose(file);
    }
#endif
}

static mf_vendor vendor_of(const char *name)
{
    static const struct {
        const char *word;
        mf_vendor vendor;
    } makers[] = {
        {"Apple",  MF_VENDOR_APPLE },
        {"AMD",    MF_VENDOR_AMD   },
        {"Intel",  MF_VENDOR_INTEL },
        {"NVIDIA", MF_VENDOR_NVIDIA}
    };
    for (size_t i = 0; i < sizeof makers / sizeof makers[0]; i++) {
        if (strstr(name, makers[i].word) != NULL) {
            return makers[i].vendor;
        }
    }
    return MF_VENDOR_OTHER;
}

static mf_status available(mf_probe_place *places, size_t *n_places, void *context, mf_error *err)
{
    (void)context;
    (void)err;
    struct utsname system = {0};
    mf_blas blas = {0};
    mf_probe_place *place = &places[0];
    *place = (mf_probe_place){.chip_class = MF_CLASS_CPU, .unified = true};
    (void)uname(&system);
    name_processor(place->name, system.machine);
    (void)snprintf(place->system,
                   sizeof place->system,
                   "%.40s %.60s %.20s",
                   system.sysname,
                   system.release,
                   system.machine);
    const mf_cpu_kernels *sets[MF_MOST_CPU_KERNELS] = {0};
    const size_t n_sets = mf_cpu_kernels_list(sets);
    place->cores = count_cores();
    mf_blas_open(&blas, place->cores);
    (void)snprintf(place->driver,
                   sizeof place->driver,
                   "%s kernels, %s",
                   sets[n_sets - 1]->name,
                   blas.name != NULL ? blas.name : "no BLAS found");
    mf_blas_close(&blas);
    place->vendor = vendor_of(place->name);
    place->memory_bytes = memory_bytes();
    *n_places = 1;
    return MF_OK;
}

static uint64_t least(uint64_t a, uint64_t b)
{
    return a < b ? a : b;
}

static void free_matrix(mf_cpu_matrix *matrix)
{
    free(matrix->weights);
    free(matrix->activations);
    free(matrix->out);
}

static void close_cpu(void *state)
{
    mf_cpu *cpu = state;
    if (cpu == NULL) {
        return;
    }
    mf_workers_free(cpu->workers);
    for (size_t f = 0; f < MF_BLOCK_FORMAT_COUNT; f++) {
        free_matrix(&cpu->tall[f]);
        free_matrix(&cpu->cached[f]);
    }
    mf_blas_close(&cpu->blas);
    free(cpu->stream);
    free(cpu->sums);
    free(cpu->gemm_data);
    free(cpu->scratch);
    free(cpu->kv);
    free(cpu->queries);
    free(cpu);
}

static mf_status
open_cpu(void **state, size_t index, const mf_probe_options *options, void *context, mf_error *err)
{
    (void)index;
    (void)context;
    mf_cpu *cpu = calloc(1, sizeof *cpu);
    if (cpu == NULL) {
        return mf_fail(err, MF_E_NOMEM, "out of memory for the CPU's tests");
    }
    const mf_cpu_kernels *sets[MF_MOST_CPU_KERNELS] = {0};
    const size_t n_sets = mf_cpu_kernels_list(sets);
    const uint64_t memory = memory_bytes();
    cpu->kernels = sets[n_sets - 1];
    cpu->n_threads = options->n_threads > 0 ? options->n_threads : count_cores();
    cpu->now_s = options->now_s;
    cpu->payload = options->payload;
    cpu->random = options->seed != 0 ? options->seed : 1;
    cpu->stream_bytes = options->buffer_bytes;
    cpu->matrix_bytes = options->buffer_bytes / 4;
    if (cpu->stream_bytes == 0) {
        cpu->stream_bytes =
            memory > 0 ? least(DEFAULT_STREAM_BYTES, memory / STREAM_SHARE) : DEFAULT_STREAM_BYTES;
        cpu->matrix_bytes =
            memory > 0 ? least(DEFAULT_MATRIX_BYTES, memory / MATRIX_SHARE) : DEFAULT_MATRIX_BYTES;
    }
    cpu->sums = calloc(cpu->n_threads * MF_CPU_LINE, sizeof *cpu->sums);
    mf_blas_open(&cpu->blas, cpu->n_threads);
    const mf_status status = cpu->sums != NULL
                                 ? mf_workers_new(&cpu->workers, cpu->n_threads, err)
                                 : mf_fail(err, MF_E_NOMEM, "out of memory for the CPU's tests");
    if (status != MF_OK) {
        close_cpu(cpu);
        return status;
    }
    *state = cpu;
    return MF_OK;
}

const mf_prober mf_prober_cpu = {.id = MF_PROBE_BACKEND_CPU,
                                 .available = available,
                                 .open = open_cpu,
                                 .supports = mf_cpu_supports,
                                 .prepare = mf_cpu_prepare,
                                 .run = mf_cpu_run,
                                 .close = close_cpu};
