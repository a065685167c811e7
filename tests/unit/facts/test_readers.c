#include "facts/readers.h"

#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <stdio.h>
#include <string.h>

#include "base/str.h"

static const char device_text[] =
    "{\"schema\": 1, \"id\": \"x-40c\", \"name\": \"X\", \"vendor\": \"apple\", \"architecture\": "
    "\"m4\",\n"
    " \"class\": \"apple-m3-m4\", \"memory_type\": \"LPDDR5X\", \"released\": \"2024-10\",\n"
    " \"memory\": null, \"bandwidth\": \"546 GB/s\", \"measured_bandwidth\": null, \"cores\": 40,\n"
    " \"fp32\": \"17 TFLOP/s\", \"int32\": null, \"fp16\": \"17.5 TFLOP/s\", \"fp16_matrix\": "
    "null,\n"
    " \"bf16_matrix\": null, \"int8_matrix\": \"70 TOP/s\", \"fp8_matrix\": null, \"fp4_matrix\": "
    "null,\n"
    " \"cache\": \"48 MiB\", \"power\": \"145 W\", \"host_link\": null, \"peer_link\": null,\n"
    " \"sources\": [{\"for\": \"bandwidth, cores\", \"kind\": \"vendor\", \"title\": \"a\", "
    "\"url\": null, \"seen\": null},\n"
    "  {\"for\": \"*\", \"kind\": \"derived\", \"title\": \"b\", \"url\": \"http://x\", \"seen\": "
    "\"2026-01-31\"}],\n"
    " \"notes\": []}";

static const char machine_text[] =
    "{\"schema\": 1, \"id\": \"pc\", \"name\": \"PC\", \"released\": null, \"status\": null, "
    "\"fanless\": true,\n"
    " \"nodes\": 3,\n"
    " \"memory\": [{\"name\": \"vram\", \"kind\": \"device\", \"capacity\": \"24 GiB\", "
    "\"usable\": null, \"bandwidth\": \"936 GB/s\"},\n"
    "  {\"name\": \"host\", \"kind\": \"host\", \"capacity\": \"64 GiB\", \"usable\": null, "
    "\"bandwidth\": null}],\n"
    " \"devices\": [{\"device\": \"cpu\", \"count\": 1, \"memory\": \"host\"},\n"
    "  {\"device\": \"gpu\", \"count\": 7, \"memory\": \"vram\"}],\n"
    " \"host_link\": null, \"device_link\": \"nvlink-3\", \"node_link\": null, \"idle\": \"70 W\", "
    "\"max\": null,\n"
    " \"sources\": [{\"for\": \"memory,idle\", \"kind\": \"assumed\", \"title\": \"t\", \"url\": "
    "null, \"seen\": null}],\n"
    " \"notes\": [\"n\"]}";

static mf_json *parsed(const char *text)
{
    mf_json *json = NULL;
    mf_error err = {0};
    cr_assert(
        eq(int, mf_json_parse(&json, text, strlen(text), "t", &err), MF_OK), "%s", err.message);
    return json;
}

/* text with the first `old` replaced. */
static const char *changed(mf_str *out, const char *text, const char *old, const char *new)
{
    const char *at = strstr(text, old);
    cr_assert(at != NULL, "no '%s'", old);
    mf_str_free(out);
    mf_str_add_n(out, text, (size_t)(at - text));
    mf_str_add(out, new);
    mf_str_add(out, at + strlen(old));
    return out->data;
}

Test(readers, a_device_keeps_what_is_known_and_from_where)
{
    mf_json *json = parsed(device_text);
    mf_device *device = NULL;
    mf_error err = {0};
    cr_assert(eq(int, mf_device_read(&device, json, &err), MF_OK), "%s", err.message);
    mf_json_free(json);
    cr_expect(eq(str, device->id, "x-40c"));
    cr_expect(eq(int, device->vendor, MF_VENDOR_APPLE));
    cr_expect(eq(int, device->chip_class, MF_CLASS_APPLE_M3_M4));
    cr_expect(not(device->memory_bytes.known));
    cr_expect(epsilon_eq(dbl, device->bandwidth_bytes_per_s.value, 546e9, 1));
    cr_expect(eq(int, device->bandwidth_bytes_per_s.source, 0));
    cr_expect(epsilon_eq(dbl, device->cores.value, 40, 0));
    cr_expect(eq(int, device->fp32_flop_per_s.source, 1));
    cr_expect(epsilon_eq(dbl, device->cache_bytes.value, 48.0 * 1048576, 0));
    cr_expect(epsilon_eq(dbl, device->int8_matrix_op_per_s.value, 70e12, 1));
    cr_expect(device->host_link == NULL);
    cr_expect(eq(sz, device->sources.n_items, 2));
    cr_expect(eq(str, device->sources.items[1].seen, "2026-01-31"));
    cr_expect(eq(int, device->sources.items[1].kind, MF_SOURCE_DERIVED));
    mf_device_free(device);
}

typedef struct fault {
    const char *old;
    const char *new;
    const char *message;
} fault;

static const fault device_faults[] = {
    {"\"cores\": 40,",        "",                                "'cores' is missing, write null"                                  },
    {"\"name\": \"X\",",      "",                                "t:1:1: 'name' is missing"                                        },
    {"\"cores\": 40,",        "\"core\": 40,",                   "'cores' is missing"                                              },
    {"\"notes\": []",
     "\"notes\": [], \"bandwith\": null",                        "unknown key 'bandwith', did you mean 'bandwidth'?"               },
    {"\"notes\": []",         "\"notes\": [], \"zzzzzz\": null", "unknown key 'zzzzzz'"                                            },
    {"\"notes\": []",         "\"notes\": [1]",                  "'notes[0]' must be text"                                         },
    {"\"546 GB/s\"",          "546",                             "t:3:31: 'bandwidth' must be text with a unit, write \"273 GB/s\""},
    {"\"546 GB/s\"",          "\"546\"",                         "'546' has no unit"                                               },
    {"\"546 GB/s\"",          "\"546 TB/s\"",                    "'bandwidth' is above 100000 GB/s, check its unit"                },
    {"\"546 GB/s\"",          "\"0 GB/s\"",                      "'bandwidth' is 0, write null"                                    },
    {"\"48 MiB\"",            "\"48 MB\"",                       "memory in 'MB' is ambiguous"                                     },
    {"\"cores\": 40",         "\"cores\": 40.5",                 "'cores' must be a whole number"                                  },
    {"\"cores\": 40",         "\"cores\": -4",                   "'cores' must be a whole number"                                  },
    {"\"cores\": 40",         "\"cores\": \"40\"",               "'cores' must be a whole number"                                  },
    {"\"apple\"",             "\"aple\"",                        "'vendor' can't be 'aple', did you mean 'apple'?"                 },
    {"\"apple\"",             "\"xxxxxxxx\"",                    "it is one of apple, nvidia, amd, intel, other"                   },
    {"\"apple\"",             "null",                            "'vendor' must be text"                                           },
    {"\"schema\": 1",         "\"schema\": 2",                   "'schema' is above 1"                                             },
    {"\"2024-10\"",           "\"2024-13\"",                     "'released' must be a date"                                       },
    {"\"2024-10\"",           "\"October\"",                     "'released' must be a date"                                       },
    {"\"X\"",                 "\"\"",                            "'name' is empty"                                                 },
    {"\"X\"",                 "7",                               "'name' must be text"                                             },
    {"\"for\": \"*\"",        "\"for\": \"fp32\"",               "'fp16' has no source"                                            },
    {"\"kind\": \"derived\"", "\"kind\": \"guess\"",             "'sources[1].kind' can't be 'guess'"                              },
    {"\"title\": \"b\",",     "",                                "'sources[1].title' is missing"                                   },
};

Test(readers, a_faulty_device_is_refused_with_its_place)
{
    mf_str text = {0};
    for (size_t i = 0; i < sizeof device_faults / sizeof device_faults[0]; i++) {
        const fault *row = &device_faults[i];
        mf_json *json = parsed(changed(&text, device_text, row->old, row->new));
        mf_device *device = NULL;
        mf_error err = {0};
        cr_expect(eq(int, mf_device_read(&device, json, &err), MF_E_DATA), "%s", row->message);
        cr_expect(device == NULL);
        cr_expect(strstr(err.message, row->message) != NULL, "%s: %s", row->message, err.message);
        mf_json_free(json);
    }
    mf_str_free(&text);
}

Test(readers, a_device_that_is_not_an_object_is_refused)
{
    mf_json *json = parsed("[1]");
    mf_device *device = NULL;
    mf_error err = {0};
    cr_expect(eq(int, mf_device_read(&device, json, &err), MF_E_DATA));
    cr_expect(eq(str, err.message, "t:1:1: must be an object"));
    mf_json_free(json);
}

Test(readers, a_schema_for_editors_may_be_named)
{
    mf_str text = {0};
    mf_json *json =
        parsed(changed(&text, device_text, "{", "{\"$schema\": \"../device.schema.json\","));
    mf_device *device = NULL;
    cr_expect(eq(int, mf_device_read(&device, json, NULL), MF_OK));
    mf_device_free(device);
    mf_json_free(json);
    mf_str_free(&text);
}

Test(readers, a_machine_ties_devices_to_pools)
{
    mf_json *json = parsed(machine_text);
    mf_machine *machine = NULL;
    mf_error err = {0};
    cr_assert(eq(int, mf_machine_read(&machine, json, &err), MF_OK), "%s", err.message);
    mf_json_free(json);
    cr_expect(machine->fanless);
    cr_expect(eq(u32, machine->n_nodes, 3));
    cr_expect(eq(sz, machine->n_pools, 2));
    cr_expect(eq(int, machine->pools[0].kind, MF_POOL_DEVICE));
    cr_expect(eq(int, machine->pools[1].kind, MF_POOL_HOST));
    cr_expect(not(machine->pools[1].bandwidth_bytes_per_s.known));
    cr_expect(eq(sz, machine->n_devices, 2));
    cr_expect(eq(str, machine->devices[1].device_id, "gpu"));
    cr_expect(eq(u32, machine->devices[1].count, 7));
    cr_expect(eq(sz, machine->devices[1].pool, 0));
    cr_expect(eq(sz, machine->devices[0].pool, 1));
    cr_expect(eq(str, machine->device_link, "nvlink-3"));
    cr_expect(machine->idle_w.known);
    cr_expect(not(machine->max_w.known));
    mf_machine_free(machine);
}

static const fault machine_faults[] = {
    {"\"memory\": \"vram\"", "\"memory\": \"vrm\"",            "t:6:43: 'devices[1].memory' names 'vrm'"      },
    {"\"count\": 7",         "\"count\": 0",                   "'devices[1].count' is below 1"                },
    {"\"nodes\": 3",         "\"nodes\": 0",                   "'nodes' is below 1"                           },
    {"\"memory,idle\"",      "\"idle\"",                       "'memory[0].capacity' has no source"           },
    {"\"memory,idle\"",      "\"memory,idles\"",               "'idle' has no source"                         },
    {"\"fanless\": true",    "\"fanless\": 1",                 "'fanless' must be true or false"              },
    {"\"64 GiB\"",           "null",                           "'memory[1].capacity' must be text with a unit"},
    {"\"memory\": [",        "\"memory\": null, \"memry\": [", "'memory' must be a list"                      },
};

Test(readers, a_faulty_machine_is_refused_with_its_place)
{
    mf_str text = {0};
    for (size_t i = 0; i < sizeof machine_faults / sizeof machine_faults[0]; i++) {
        const fault *row = &machine_faults[i];
        mf_json *json = parsed(changed(&text, machine_text, row->old, row->new));
        mf_machine *machine = NULL;
        mf_error err = {0};
        cr_expect(eq(int, mf_machine_read(&machine, json, &err), MF_E_DATA), "%s", row->message);
        cr_expect(machine == NULL);
        cr_expect(strstr(err.message, row->message) != NULL, "%s: %s", row->message, err.message);
        mf_json_free(json);
    }
    mf_str_free(&text);
}

Test(readers, a_machine_needs_a_memory_and_a_device)
{
    mf_str text = {0};
    mf_str other = {0};
    const char *at = strstr(machine_text, "[{\"device\"");
    const char *end = strstr(at, "],");
    mf_str_add_n(&other, at, (size_t)(end - at));
    mf_json *json = parsed(changed(&text, machine_text, other.data, "["));
    mf_machine *machine = NULL;
    mf_error err = {0};
    cr_expect(eq(int, mf_machine_read(&machine, json, &err), MF_E_DATA));
    cr_expect(strstr(err.message, "'devices' needs an entry") != NULL, "%s", err.message);
    mf_json_free(json);
    mf_str_free(&text);
    mf_str_free(&other);
}

static void count_problem(void *payload, const char *message)
{
    (void)message;
    ++*(int *)payload;
}

Test(readers, a_checking_reader_hears_of_every_problem)
{
    mf_str text = {0};
    mf_str more = {0};
    (void)changed(&text, device_text, "\"546 GB/s\"", "\"546\"");
    (void)changed(&more, text.data, "\"cores\": 40", "\"cores\": true");
    mf_json *json = parsed(changed(&text, more.data, "\"notes\": []", "\"x\": 1"));
    int n = 0;
    mf_error err = {0};
    mf_reader reader = {.json = json, .err = &err, .on_problem = count_problem, .payload = &n};
    cr_expect(mf_fields_read(&reader, &mf_device_table, mf_json_root(json), NULL));
    cr_expect(eq(int, n, 4)); /* bandwidth, cores, notes missing, x unknown */
    cr_expect(eq(int, reader.status, MF_E_DATA));
    cr_expect(strstr(err.message, "'bandwidth'") != NULL, "the first one stays: %s", err.message);
    mf_json_free(json);
    mf_str_free(&text);
    mf_str_free(&more);
}

static const char links_text[] =
    "{\"schema\": 1, \"rows\": [\n"
    " {\"id\": \"a\", \"name\": \"A\", \"kind\": \"host to GPU\", \"bandwidth\": \"31 GB/s\", "
    "\"measured\": null,\n"
    "  \"latency\": \"5 us\", \"source\": {\"kind\": \"measured\", \"title\": \"own\", \"url\": "
    "null, \"seen\": null}, \"note\": null},\n"
    " {\"id\": \"b\", \"name\": \"B\", \"kind\": \"storage\", \"bandwidth\": \"7 GB/s\", "
    "\"measured\": null, \"latency\": null,\n"
    "  \"source\": null, \"note\": null}],\n"
    " \"sources\": [{\"for\": \"bandwidth\", \"kind\": \"vendor\", \"title\": \"file\", \"url\": "
    "null, \"seen\": null}]}";

static mf_row row_of(const mf_json *json, size_t index)
{
    const mf_node *node = mf_node_first(mf_node_get(mf_json_root(json), "rows"));
    for (size_t i = 0; i < index; i++) {
        node = mf_node_next(node);
    }
    return (mf_row){.node = node, .index = index};
}

Test(readers, a_link_stands_on_its_own_source_or_the_files)
{
    mf_json *json = parsed(links_text);
    mf_link *own = NULL;
    mf_link *shared = NULL;
    mf_error err = {0};
    cr_assert(eq(int, mf_link_read(&own, json, row_of(json, 0), &err), MF_OK), "%s", err.message);
    cr_assert(
        eq(int, mf_link_read(&shared, json, row_of(json, 1), &err), MF_OK), "%s", err.message);
    mf_json_free(json);
    cr_expect(epsilon_eq(dbl, own->latency_s.value, 5e-6, 1e-12));
    cr_expect(eq(str, own->sources.items[own->latency_s.source].title, "own"));
    cr_expect(eq(str, shared->sources.items[shared->bandwidth_bytes_per_s.source].title, "file"));
    mf_link_free(own);
    mf_link_free(shared);
}

Test(readers, a_row_without_ground_is_refused_with_its_index)
{
    mf_str text = {0};
    mf_json *json = parsed(changed(&text,
                                   links_text,
                                   "\"7 GB/s\", \"measured\": null",
                                   "\"7 GB/s\", \"measured\": \"6 GB/s\""));
    mf_link *link = NULL;
    mf_error err = {0};
    cr_expect(eq(int, mf_link_read(&link, json, row_of(json, 1), &err), MF_E_DATA));
    cr_expect(strstr(err.message, "'rows[1].measured' has no source") != NULL, "%s", err.message);
    mf_json_free(json);
    mf_str_free(&text);
}

Test(readers, a_quant_has_family_base_and_mix)
{
    mf_json *json = parsed(
        "{\"schema\": 1, \"rows\": [{\"id\": \"Q4_K_M\", \"family\": \"gguf\", \"base\": \"q4_K\", "
        "\"mix\": \"Q4_K_M\", \"source\": null, \"note\": null}], \"quality\": [], \"sources\": "
        "[]}");
    mf_quant *quant = NULL;
    mf_error err = {0};
    cr_assert(
        eq(int, mf_quant_read(&quant, json, row_of(json, 0), &err), MF_OK), "%s", err.message);
    cr_expect(eq(int, quant->family, MF_QUANT_GGUF));
    cr_expect(eq(int, quant->base, MF_TYPE_Q4_K));
    cr_expect(eq(str, quant->mix, "Q4_K_M"));
    mf_quant_free(quant);
    mf_json_free(json);
}

static const char engine_text[] =
    "{\"schema\": 1, \"id\": \"llama.cpp\", \"rules\": \"llama.cpp\", \"name\": \"llama.cpp\", "
    "\"version\": \"b1\",\n"
    " \"defaults\": {\"ctx\": 4096, \"prompt\": 512, \"output\": 128, \"parallel\": 1, "
    "\"kv_unified\": false,\n"
    "  \"kv_type_k\": \"q8_0\", \"kv_type_v\": \"f16\", \"batch\": 2048, \"ubatch\": 512, "
    "\"outputs\": 0,\n"
    "  \"flash_attention\": true, \"swa_full\": false, \"gpu_layers\": null, \"cpu_moe\": 0, "
    "\"kv_offload\": true,\n"
    "  \"split\": \"layer\"},\n"
    " \"runtime\": [{\"backend\": \"cpu\", \"memory\": \"0 MiB\", \"low\": null, \"high\": \"1 "
    "MiB\"}],\n"
    " \"sources\": [{\"for\": \"*\", \"kind\": \"measured\", \"title\": \"t\", \"url\": null, "
    "\"seen\": null}], \"notes\": []}";

Test(readers, an_engine_has_defaults_and_runtime_memory_by_backend)
{
    mf_json *json = parsed(engine_text);
    mf_engine *engine = NULL;
    mf_error err = {0};
    cr_assert(eq(int, mf_engine_read(&engine, json, &err), MF_OK), "%s", err.message);
    mf_json_free(json);
    cr_expect(eq(int, engine->id, MF_ENGINE_LLAMACPP));
    cr_expect(eq(u64, engine->defaults.n_ctx, 4096));
    cr_expect(eq(u32, engine->defaults.n_ubatch, 512));
    cr_expect(eq(int, engine->defaults.kv_type_k, MF_TYPE_Q8_0));
    cr_expect(eq(int, engine->defaults.gpu_layers, MF_ALL_LAYERS));
    cr_expect(engine->defaults.flash_attention);
    cr_expect(engine->runtime_bytes[MF_BACKEND_CPU].known);
    cr_expect(not(engine->runtime_low_bytes[MF_BACKEND_CPU].known));
    cr_expect(not(engine->runtime_bytes[MF_BACKEND_CUDA].known));
    mf_engine_free(engine);
}

Test(readers, an_engine_takes_a_longer_context_where_gpus_have_more)
{
    mf_engine engine = {
        .defaults = {.n_ctx = 4096                                               },
        .contexts = { {.gpu_bytes = {.value = 23, .known = true}, .n_ctx = 32768},
                     {.gpu_bytes = {.value = 47, .known = true}, .n_ctx = 262144}},
        .n_contexts = 2
    };
    cr_expect(eq(u64, mf_engine_default_context(&engine, 22), 4096));
    cr_expect(eq(u64, mf_engine_default_context(&engine, 23), 32768));
    cr_expect(eq(u64, mf_engine_default_context(&engine, 46), 32768));
    cr_expect(eq(u64, mf_engine_default_context(&engine, 47), 262144));
}

Test(readers, engines_and_backends_are_found_by_name)
{
    mf_engine_id engine = MF_ENGINE_LLAMACPP;
    mf_backend backend = MF_BACKEND_METAL;
    mf_error err = {0};
    cr_expect(eq(int, mf_engine_by_name(&engine, "VLLM", &err), MF_OK));
    cr_expect(eq(int, engine, MF_ENGINE_VLLM));
    cr_expect(eq(int, mf_backend_by_name(&backend, "cuda", &err), MF_OK));
    cr_expect(eq(int, backend, MF_BACKEND_CUDA));
    cr_expect(eq(int, mf_engine_by_name(&engine, "lama.cpp", &err), MF_E_UNKNOWN));
    cr_expect(eq(str, err.message, "unknown engine 'lama.cpp', did you mean 'llama.cpp'?"));
    cr_expect(eq(int, mf_backend_by_name(&backend, "wwwwwwwwwwww", &err), MF_E_UNKNOWN));
    cr_expect(eq(str, err.message, "unknown backend 'wwwwwwwwwwww'"));
}

Test(readers, names_of_closed_sets)
{
    cr_expect(eq(str, (char *)mf_vendor_name(MF_VENDOR_AMD), "amd"));
    cr_expect(eq(str, (char *)mf_chip_class_name(MF_CLASS_AMD_HBM), "amd-hbm"));
    cr_expect(eq(int, mf_chip_class_vendor(MF_CLASS_AMD_HBM), MF_VENDOR_AMD));
    cr_expect(eq(str, (char *)mf_engine_name(MF_ENGINE_MLX), "mlx"));
    cr_expect(eq(str, (char *)mf_backend_name(MF_BACKEND_ROCM), "rocm"));
    cr_expect(eq(str, (char *)mf_quant_family_name(MF_QUANT_TENSOR), "tensor"));
    cr_expect(eq(str, (char *)mf_source_kind_name(MF_SOURCE_ASSUMED), "assumed"));
}

Test(readers, a_source_covers_its_paths_and_what_is_below_them)
{
    cr_expect(mf_source_covers("*", "memory[0].capacity"));
    cr_expect(mf_source_covers("idle,memory", "memory[12].capacity"));
    cr_expect(mf_source_covers("memory.capacity", "memory[0].capacity"));
    cr_expect(not(mf_source_covers("memory.usable", "memory[0].capacity")));
    cr_expect(not(mf_source_covers("fp", "fp32")));
    cr_expect(not(mf_source_covers("fp32x", "fp32")));
    cr_expect(not(mf_source_covers("", "fp32")));
    cr_expect(not(mf_source_covers(" , ,", "fp32")));
}

Test(readers, freeing_nothing_is_fine)
{
    mf_device_free(NULL);
    mf_machine_free(NULL);
    mf_link_free(NULL);
    mf_quant_free(NULL);
    mf_engine_free(NULL);
}
