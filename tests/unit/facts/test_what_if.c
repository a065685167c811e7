#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <string.h>

#include "memfit/database.h"

static mf_machine *parsed(const char *text)
{
    mf_machine *machine = NULL;
    mf_error err = {0};
    cr_assert(eq(int, mf_machine_parse(&machine, text, &err), MF_OK), "%s", err.message);
    return machine;
}

Test(what_if, a_text_with_an_equals_sign_is_one)
{
    cr_expect(mf_machine_is_what_if("mem=64GiB"));
    cr_expect(not(mf_machine_is_what_if("mac-studio-m4-max-40c-128gb")));
}

Test(what_if, memory_and_bandwidth_are_enough)
{
    mf_machine *machine = parsed("mem=48GiB bw=273GB/s");
    cr_expect(eq(sz, machine->n_pools, 1));
    cr_expect(eq(int, machine->pools[0].kind, MF_POOL_DEVICE));
    cr_expect(epsilon_eq(dbl, machine->pools[0].capacity_bytes.value, 48.0 * 1073741824, 0));
    cr_expect(epsilon_eq(dbl, machine->pools[0].bandwidth_bytes_per_s.value, 273e9, 1));
    cr_expect(eq(u32, machine->devices[0].count, 1));
    const mf_device *device = machine->devices[0].device;
    cr_expect(eq(int, device->chip_class, MF_CLASS_UNKNOWN));
    cr_expect(not(device->fp16_flop_per_s.known));
    cr_expect(eq(
        int, device->sources.items[device->bandwidth_bytes_per_s.source].kind, MF_SOURCE_ASSUMED));
    mf_machine_free(machine);
}

Test(what_if, every_word_counts)
{
    mf_machine *machine = parsed(" fp16=30TFLOP/s,fp32=15TFLOP/s mem=24GiB bw=1TB/s host=96GiB "
                                 "hostbw=90GB/s count=3 like=nvidia-gddr ");
    cr_expect(eq(sz, machine->n_pools, 2));
    cr_expect(eq(int, machine->pools[1].kind, MF_POOL_HOST));
    cr_expect(epsilon_eq(dbl, machine->pools[1].bandwidth_bytes_per_s.value, 90e9, 1));
    cr_expect(eq(u32, machine->devices[0].count, 3));
    const mf_device *device = machine->devices[0].device;
    cr_expect(eq(int, device->chip_class, MF_CLASS_NVIDIA_GDDR));
    cr_expect(eq(int, device->vendor, MF_VENDOR_NVIDIA));
    cr_expect(epsilon_eq(dbl, device->bf16_matrix_flop_per_s.value, 30e12, 1));
    cr_expect(epsilon_eq(dbl, device->fp32_flop_per_s.value, 15e12, 1));
    mf_machine_free(machine);
}

Test(what_if, unified_memory_is_shared)
{
    mf_machine *machine = parsed("unified mem=64GiB bw=273GB/s");
    cr_expect(eq(int, machine->pools[0].kind, MF_POOL_UNIFIED));
    mf_machine_free(machine);
}

static const struct {
    const char *text;
    const char *message;
} faults[] = {
    {"bw=273GB/s",                           "needs 'mem'"                                   },
    {"mem=64GiB",                            "needs 'bw'"                                    },
    {"mem=64GB bw=273GB/s",                  "'mem': memory in 'GB' is ambiguous"            },
    {"mem=64GiB bw=273",                     "'bw': '273' has no unit"                       },
    {"mem=64GiB bw=0GB/s",                   "'bw=0GB/s' is no size of a real machine"       },
    {"mem=64GiB bw=273PB/s",                 "'bw': '273PB/s' has the unknown unit"          },
    {"mem=64GiB bw=999TB/s",                 "'bw=999TB/s' is no size of a real machine"     },
    {"mem=64GiB bw=",                        "'bw': '' is not a quantity"                    },
    {"mem=-64GiB bw=1GB/s",                  "'mem': '-64GiB' is not a quantity"             },
    {"mem=64GiB mem=32GiB bw=1GB/s",         "'mem' is given twice"                          },
    {"mem=64GiB bw=1GB/s fast",              "unknown word 'fast'"                           },
    {"mem=64GiB bw=1GB/s unifed",            "unknown word 'unifed', did you mean 'unified'?"},
    {"mem=64GiB bw=1GB/s cont=2",            "unknown word 'cont', did you mean 'count'?"    },
    {"mem=64GiB bw=1GB/s like=",             "unknown word 'like'"                           },
    {"mem=64GiB bw=1GB/s count=0",           "'count=0' must be 1 to 64"                     },
    {"mem=64GiB bw=1GB/s count=65",          "'count=65' must be 1 to 64"                    },
    {"mem=64GiB bw=1GB/s unified host=8GiB", "leave 'host' out"                              },
    {"mem=64GiB bw=1GB/s unified count=2",   "leave 'count' out"                             },
    {"mem=64GiB bw=1GB/s hostbw=8GB/s",      "'hostbw' needs 'host'"                         },
    {"=",                                    "unknown word ''"                               },
    {"mem="
     "000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000064"
     "GiB",                             "is too long"                                   },
};

Test(what_if, a_faulty_word_is_named)
{
    for (size_t i = 0; i < sizeof faults / sizeof faults[0]; i++) {
        mf_machine *machine = NULL;
        mf_error err = {0};
        cr_expect(eq(int, mf_machine_parse(&machine, faults[i].text, &err), MF_E_USAGE),
                  "%s",
                  faults[i].text);
        cr_expect(machine == NULL);
        cr_expect(
            strstr(err.message, faults[i].message) != NULL, "%s: %s", faults[i].text, err.message);
    }
}

Test(what_if, the_database_finds_the_class_of_a_device_it_is_like)
{
    const char *folder = MF_SOURCE_DIR "/tests/unit/facts/db";
    mf_database *database = NULL;
    mf_machine *machine = NULL;
    mf_error err = {0};
    cr_assert(eq(int, mf_database_open(&database, &folder, 1, &err), MF_OK));
    cr_assert(
        eq(int,
           mf_database_machine(&machine, database, "mem=64GiB bw=273GB/s like=apple-t1-40c", &err),
           MF_OK),
        "%s",
        err.message);
    cr_expect(eq(int, machine->devices[0].device->chip_class, MF_CLASS_APPLE_M3_M4));
    mf_machine_free(machine);
    machine = NULL;
    cr_expect(
        eq(int,
           mf_database_machine(&machine, database, "mem=64GiB bw=273GB/s like=apple-t1-4c", &err),
           MF_E_UNKNOWN));
    cr_expect(strstr(err.message, "did you mean 'apple-t1-40c'?") != NULL, "%s", err.message);
    cr_assert(eq(int,
                 mf_database_machine(&machine, database, "mem=64GiB bw=273GB/s like=cpu", &err),
                 MF_OK),
              "%s",
              err.message);
    cr_expect(eq(int, machine->devices[0].device->chip_class, MF_CLASS_CPU));
    mf_machine_free(machine);
    mf_database_close(database);
}

static mf_device *what_if_device(mf_machine **machine, const char *text)
{
    const char *folder = MF_SOURCE_DIR;
    mf_database *database = NULL;
    mf_error err = {0};
    cr_assert(eq(int, mf_database_open(&database, &folder, 1, &err), MF_OK));
    cr_assert(
        eq(int, mf_database_machine(machine, database, text, &err), MF_OK), "%s", err.message);
    mf_database_close(database);
    return (*machine)->devices[0].device;
}

/* 18 TFLOP/s and 70 of its matrix units. */
Test(what_if, rates_that_nobody_said_are_those_of_the_chip_in_proportion)
{
    mf_machine *machine = NULL;
    const mf_device *d =
        what_if_device(&machine, "mem=64GiB bw=1TB/s fp32=36TFLOP/s unified like=apple-m5-max-40c");
    cr_expect(epsilon_eq(dbl, d->fp32_flop_per_s.value, 36e12, 1));
    cr_assert(d->fp16_matrix_flop_per_s.known);
    cr_expect(epsilon_eq(dbl, d->fp16_matrix_flop_per_s.value, 140e12, 1));
    cr_expect(ne(int, d->fp16_matrix_flop_per_s.source, d->fp32_flop_per_s.source));
    mf_machine_free(machine);
    d = what_if_device(&machine, "mem=64GiB bw=1TB/s fp16=105TFLOP/s like=apple-m5-max-40c");
    cr_expect(epsilon_eq(dbl, d->fp16_matrix_flop_per_s.value, 105e12, 1));
    cr_expect(epsilon_eq(dbl, d->fp32_flop_per_s.value, 27e12, 1));
    mf_machine_free(machine);
    d = what_if_device(&machine, "mem=64GiB bw=1TB/s fp32=20TFLOP/s unified like=apple-m3-max-40c");
    cr_expect(eq(int, d->fp16_matrix_flop_per_s.known, 0), "it has no matrix units");
    mf_machine_free(machine);
}
