#include <criterion/criterion.h>
#include <criterion/new/assert.h>

#include <string.h>

#include "memfit/placement.h"

#define ON(pattern, device) "{\"pattern\": \"" pattern "\", \"device\": \"" device "\"}"
#define PLACEMENT(layers, experts, split, parts, overrides)                                        \
    "{\"schema\": \"memfit.placement/1\", \"gpu_layers\": " layers                                 \
    ", \"cpu_moe_layers\": " experts ", \"kv_offload\": false, \"split\": \"" split                \
    "\", \"tensor_split\": [" parts "], \"overrides\": [" overrides "]}"

static mf_status parse(mf_saved_placement **out, const char *text, mf_error *err)
{
    return mf_placement_parse(out, text, strlen(text), "p.json", err);
}

Test(placement, everything_in_a_file_reaches_the_workload)
{
    mf_saved_placement *saved = NULL;
    mf_workload w = {.kv_offload = true};
    const char *text = PLACEMENT("17",
                                 "3",
                                 "tensor",
                                 "3, 1.5",
                                 "{\"pattern\": \"ffn_up\", \"device\": \"gpu1\"}, "
                                 "{\"pattern\": \"exps\", \"device\": \"host\"}");
    cr_assert(eq(int, parse(&saved, text, NULL), MF_OK));
    mf_placement_use(&w, saved);
    cr_assert(eq(int, w.gpu_layers, 17));
    cr_assert(eq(u32, w.n_cpu_moe, 3));
    cr_assert(not(w.kv_offload));
    cr_assert(eq(int, w.split, MF_SPLIT_TENSOR));
    cr_assert(eq(sz, w.placement->n_split, 2));
    cr_assert(ieee_ulp_eq(dbl, w.placement->split[1], 1.5, 1));
    cr_assert(eq(sz, w.placement->n_overrides, 2));
    cr_assert(eq(str, (char *)w.placement->overrides[0].pattern, "ffn_up"));
    cr_assert(eq(int, w.placement->overrides[0].device, 1));
    cr_assert(eq(int, w.placement->overrides[1].device, MF_ON_HOST));
    mf_placement_free(saved);
}

Test(placement, null_layers_are_all_and_nothing_special_is_no_placement)
{
    mf_saved_placement *saved = NULL;
    mf_workload w = {.gpu_layers = 5};
    cr_assert(eq(int, parse(&saved, PLACEMENT("null", "0", "layer", "", ""), NULL), MF_OK));
    mf_placement_use(&w, saved);
    cr_assert(eq(int, w.gpu_layers, MF_ALL_LAYERS));
    cr_assert(eq(ptr, (void *)w.placement, NULL));
    mf_placement_free(saved);
}

Test(placement, faults_are_named)
{
    static const char *const faults[] = {
        "{\"schema\": \"memfit.prediction/1\"}",
        PLACEMENT("-1", "0", "layer", "", ""),
        PLACEMENT("1", "1e9", "layer", "", ""),
        PLACEMENT("1", "0", "row", "", ""),
        PLACEMENT("1", "0", "layer", "0, 0", ""),
        PLACEMENT("1", "0", "layer", "1, -1", ""),
        PLACEMENT("1", "0", "layer", "1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1", ""),
        PLACEMENT("1", "0", "layer", "", ON("a", "gpu16")),
        PLACEMENT("1", "0", "layer", "", "{\"device\": \"host\"}"),
    };
    static const char *const words[] = {"--save-placement",
                                        "gpu_layers",
                                        "cpu_moe_layers",
                                        "split",
                                        "nothing",
                                        "negative",
                                        "16",
                                        "device",
                                        "pattern"};
    for (size_t i = 0; i < sizeof faults / sizeof faults[0]; i++) {
        mf_saved_placement *saved = NULL;
        mf_error err = {0};
        cr_expect(eq(int, parse(&saved, faults[i], &err), MF_E_DATA), "%s", faults[i]);
        cr_expect(ne(ptr, strstr(err.message, words[i]), NULL), "%s", err.message);
        cr_expect(eq(ptr, saved, NULL));
    }
}

Test(placement, options_are_read_as_llama_cpp_writes_them)
{
    mf_saved_placement *saved = NULL;
    const mf_workload w = {.gpu_layers = MF_ALL_LAYERS, .kv_offload = true};
    cr_assert(eq(int, mf_placement_new(&saved, &w, NULL), MF_OK));
    cr_assert(
        eq(int, mf_placement_add_overrides(saved, "blk.1.ffn=CPU,a=b=gpu1,up=2", NULL), MF_OK));
    cr_assert(eq(int, mf_placement_set_split(saved, "3/1.5", NULL), MF_OK));
    cr_assert(eq(sz, saved->placement.n_overrides, 3));
    cr_assert(eq(str, (char *)saved->placement.overrides[1].pattern, "a=b"));
    cr_assert(eq(int, saved->placement.overrides[2].device, 2));
    cr_assert(eq(sz, saved->placement.n_split, 2));
    static const char *const bad_splits[] = {"", "1,", "1,x", "0,0", "-1,2", "1 2"};
    for (size_t i = 0; i < sizeof bad_splits / sizeof bad_splits[0]; i++) {
        cr_expect(eq(int, mf_placement_set_split(saved, bad_splits[i], NULL), MF_E_USAGE),
                  "%s",
                  bad_splits[i]);
    }
    static const char *const bad_overrides[] = {"", "a", "=CPU", "a=", "a=GPU", "a=16", "a=CPU,"};
    for (size_t i = 0; i < sizeof bad_overrides / sizeof bad_overrides[0]; i++) {
        cr_expect(eq(int, mf_placement_add_overrides(saved, bad_overrides[i], NULL), MF_E_USAGE),
                  "%s",
                  bad_overrides[i]);
    }
    mf_placement_free(saved);
}
