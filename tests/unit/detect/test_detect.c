/* What Linux and NVIDIA's library tell, and which devices of hwdb that means. */
#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "memfit/detect.h"

#define ROOT MF_SOURCE_DIR "/tests/unit/detect/root"

static mf_detected ask(const char *cards)
{
    mf_detected found;
    mf_error err = {0};
    mf_detect_places places = {.root = ROOT, .nvml = "/nonexistent/libnvidia-ml.so"};
    if (cards != NULL) {
        (void)setenv("MEMFIT_FAKE_NVML", cards, 1);
        places.nvml = MF_FAKE_NVML;
    }
    cr_assert(mf_detect(&found, places, &err) == MF_OK, "%s", err.message);
    return found;
}

static mf_database *open_database(void)
{
    static const char *const folders[] = {MF_SOURCE_DIR};
    mf_database *database = NULL;
    cr_assert(eq(int, mf_database_open(&database, folders, 1, NULL), MF_OK));
    return database;
}

static mf_machine *machine_of(const mf_detected *found, mf_status *status, mf_error *err)
{
    mf_database *database = open_database();
    mf_machine *machine = NULL;
    *status = mf_detected_machine(&machine, found, database, err);
    mf_database_close(database);
    return machine;
}

Test(detect, proc_tells_memory_and_processor)
{
    const mf_detected found = ask(NULL);
    cr_expect(eq(u64, found.memory_bytes, UINT64_C(65758312) * 1024));
    cr_expect(eq(str, (char *)found.processor, "Made Up(R) CPU @ 3.40GHz"));
    cr_expect(eq(u32, found.n_threads, 3));
    cr_expect(eq(sz, found.n_gpus, 0));
    cr_expect(strstr(found.note, "GPU of AMD") != NULL, "%s", found.note);
}

Test(detect, without_memory_there_is_no_answer)
{
    mf_detected found;
    mf_error err = {0};
    const mf_detect_places places = {.root = MF_SOURCE_DIR "/tests/unit/detect/empty"};
    cr_expect(eq(int, mf_detect(&found, places, &err), MF_E_IO));
    cr_expect(strstr(err.message, "MemTotal") != NULL);
}

Test(detect, a_driver_that_does_not_answer_is_noted)
{
    mf_error err = {0};
    mf_detected found;
    (void)unsetenv("MEMFIT_FAKE_NVML");
    const mf_detect_places places = {.root = ROOT, .nvml = MF_FAKE_NVML};
    cr_assert(eq(int, mf_detect(&found, places, &err), MF_OK));
    cr_expect(strstr(found.note, "does not answer") != NULL, "%s", found.note);
}

typedef struct card {
    const char *told;
    const char *device; /* NULL: hwdb has none that it could be */
} card;

static const card cards[] = {
    {"NVIDIA GeForce RTX 4090=24564",                           "nvidia-rtx-4090"                     },
    {"NVIDIA GeForce RTX 4090 D=24564",                         "nvidia-rtx-4090-d"                   },
    {"NVIDIA GeForce RTX 4060 Laptop GPU=8188",                 "nvidia-rtx-4060-mobile"              },
    {"NVIDIA GeForce RTX 3060=12288",                           "nvidia-rtx-3060-12gb"                },
    {"NVIDIA GeForce RTX 3060=8192",                            NULL                                  },
    {"NVIDIA GeForce RTX 3080=10240",                           "nvidia-rtx-3080"                     },
    {"NVIDIA GeForce RTX 3080 Ti=12288",                        "nvidia-rtx-3080-ti"                  },
    {"NVIDIA GeForce RTX 3050=8192",                            NULL                                  },
    {"NVIDIA A100-SXM4-80GB=81920",                             "nvidia-a100-sxm-80gb"                },
    {"NVIDIA A100 80GB PCIe=81920",                             "nvidia-a100-pcie-80gb"               },
    {"NVIDIA A100-PCIE-40GB=40960",                             "nvidia-a100-pcie-40gb"               },
    {"NVIDIA H100 80GB HBM3=81559",                             "nvidia-h100-sxm"                     },
    {"NVIDIA H100 PCIe=81559",                                  "nvidia-h100-pcie"                    },
    {"NVIDIA H100 NVL=95830",                                   NULL                                  },
    {"NVIDIA H200=143771",                                      "nvidia-h200-sxm"                     },
    {"NVIDIA RTX PRO 6000 Blackwell Workstation Edition=97887", "nvidia-rtx-pro-6000-blackwell"       },
    {"NVIDIA RTX PRO 6000 Blackwell Server Edition=97887",      "nvidia-rtx-pro-6000-blackwell-server"},
    {"NVIDIA RTX 6000 Ada Generation=49140",                    "nvidia-rtx-6000-ada"                 },
    {"Quadro RTX 6000=24220",                                   "nvidia-quadro-rtx-6000"              },
    {"Tesla T4=15360",                                          "nvidia-tesla-t4"                     },
    {"Tesla V100-SXM2-16GB=16160",                              NULL                                  },
};

Test(detect, cards_are_found_by_the_drivers_names)
{
    for (size_t i = 0; i < sizeof cards / sizeof cards[0]; i++) {
        mf_error err = {0};
        mf_status status = MF_OK;
        const mf_detected found = ask(cards[i].told);
        mf_machine *machine = machine_of(&found, &status, &err);
        if (cards[i].device == NULL) {
            cr_expect(eq(int, status, MF_E_UNKNOWN), "%s", cards[i].told);
            cr_expect(strstr(err.message, "does not know the card") != NULL, "%s", err.message);
        } else {
            cr_assert(eq(int, status, MF_OK), "%s", err.message);
            cr_expect(eq(str, machine->devices[0].device_id, (char *)cards[i].device));
            cr_expect(eq(sz, machine->n_pools, 2));
        }
        mf_machine_free(machine);
    }
}

/* As other drivers and llama.cpp's backends call their devices, without a size. */
Test(detect, devices_of_every_maker_by_the_drivers_names)
{
    static const card others[] = {
        {"AMD Radeon RX 7900 XTX (RADV NAVI31)", "amd-rx-7900-xtx"     },
        {"AMD Radeon AI PRO R9700",              "amd-r9700"           },
        {"Radeon 8060S Graphics",                "amd-strix-halo-8060s"},
        {"AMD Instinct MI300X",                  "amd-mi300x"          },
        {"Intel(R) Arc(TM) B580 Graphics",       "intel-arc-b580"      },
        {"NVIDIA GB10",                          "nvidia-gb10"         },
        {"AMD Radeon Graphics",                  NULL                  },
        {"Apple M2 Max",                         NULL                  }, /* 30 or 38 cores */
        {"(never closed",                        NULL                  },
        {"",                                     NULL                  },
    };
    mf_database *database = open_database();
    for (size_t i = 0; i < sizeof others / sizeof others[0]; i++) {
        mf_gpu gpu = {0};
        mf_device *device = NULL;
        (void)snprintf(gpu.name, sizeof gpu.name, "%s", others[i].told);
        const mf_status status = mf_detected_device(&device, &gpu, database, NULL);
        cr_assert(eq(int, status, others[i].device != NULL ? MF_OK : MF_E_UNKNOWN), "%s", gpu.name);
        if (device != NULL) {
            cr_expect(eq(str, device->id, (char *)others[i].device));
        }
        mf_device_free(device);
    }
    mf_database_close(database);
}

Test(detect, cards_alike_are_counted_and_others_have_memory_of_their_own)
{
    mf_error err = {0};
    mf_status status = MF_OK;
    const mf_detected found = ask("NVIDIA GeForce RTX 3090=24576;NVIDIA GeForce RTX 3090=24576;"
                                  "NVIDIA GeForce RTX 4090=24564");
    mf_machine *machine = machine_of(&found, &status, &err);
    cr_assert(eq(int, status, MF_OK), "%s", err.message);
    cr_expect(eq(sz, machine->n_devices, 2));
    cr_expect(eq(u32, machine->devices[0].count, 2));
    cr_expect(eq(sz, machine->devices[1].pool, 1));
    cr_expect(eq(sz, machine->n_pools, 3));
    cr_expect(eq(int, (int)machine->pools[2].kind, MF_POOL_HOST));
    cr_expect(epsilon_eq(dbl, machine->pools[1].capacity_bytes.value, 24564.0 * 1048576, 1.0));
    mf_machine_free(machine);
}

Test(detect, a_macs_chip_is_found_by_name_and_cores)
{
    mf_error err = {0};
    mf_status status = MF_OK;
    mf_detected found = {.system = "macOS 26.1",
                         .memory_bytes = UINT64_C(137438953472),
                         .gpu_limit_bytes = UINT64_C(115448725504),
                         .gpus = {{.name = "Apple M4 Max", .cores = 40}},
                         .n_gpus = 1};
    mf_machine *machine = machine_of(&found, &status, &err);
    cr_assert(eq(int, status, MF_OK), "%s", err.message);
    cr_expect(eq(str, machine->devices[0].device_id, "apple-m4-max-40c"));
    cr_expect(eq(int, (int)machine->pools[0].kind, MF_POOL_UNIFIED));
    cr_expect(epsilon_eq(dbl, machine->pools[0].usable_bytes.value, 115448725504.0, 1.0));
    mf_machine_free(machine);
    found.gpus[0].cores = 39;
    machine = machine_of(&found, &status, &err);
    cr_expect(eq(int, status, MF_E_UNKNOWN));
    mf_machine_free(machine);
}

Test(detect, a_processor_alone_has_memory_but_no_known_bandwidth)
{
    mf_error err = {0};
    mf_status status = MF_OK;
    const mf_detected found = ask(NULL);
    mf_machine *machine = machine_of(&found, &status, &err);
    cr_assert(eq(int, status, MF_OK), "%s", err.message);
    cr_expect(not(machine->devices[0].device->bandwidth_bytes_per_s.known));
    cr_expect(machine->pools[0].capacity_bytes.known);
    mf_machine_free(machine);
}
