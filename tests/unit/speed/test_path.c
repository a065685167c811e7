#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <string.h>

#include "sample.h"
#include "speed/path.h"

/* The sample model on a machine of one to four sample cards with 64 GB/s of host memory. */
typedef struct bench {
    sample s;
    mf_device card;
    mf_device cards[4];
    mf_pool pools[2];
    mf_machine_device devices[1];
    mf_link link;
    mf_machine machine;
    mf_engine engine;
    mf_calibration *calibration;
    mf_case run;
} bench;

static mf_fact known(double value)
{
    return (mf_fact){.value = value, .known = true, .source = MF_NO_SOURCE};
}

static void bench_fill(bench *b, uint32_t n_cards)
{
    static char link_id[] = "pcie";
    memset(b, 0, sizeof *b);
    sample_fill(&b->s);
    b->card = sample_card();
    b->card.host_link = link_id;
    b->pools[0] = (mf_pool){.kind = MF_POOL_DEVICE, .bandwidth_bytes_per_s = known(1000e9)};
    b->pools[1] = (mf_pool){.kind = MF_POOL_HOST, .bandwidth_bytes_per_s = known(64e9)};
    b->devices[0] = (mf_machine_device){.count = n_cards, .device = &b->card};
    b->link = (mf_link){.id = link_id,
                        .bandwidth_bytes_per_s = known(30e9),
                        .measured_bytes_per_s = known(25e9),
                        .latency_s = known(5e-6)};
    b->machine = (mf_machine){.n_nodes = 1,
                              .pools = b->pools,
                              .n_pools = 2,
                              .devices = b->devices,
                              .n_devices = 1,
                              .links = &b->link,
                              .n_links = 1};
    b->engine.id = MF_ENGINE_LLAMACPP;
    cr_assert(eq(int, mf_calibration_new(&b->calibration, "llama.cpp", NULL), MF_OK));
    b->run = (mf_case){
        .model = &b->s.model,
        .machine = &b->machine,
        .engine = &b->engine,
        .backend = MF_BACKEND_CUDA,
        .workload = {.n_batch = 2048,
                     .n_ubatch = 512,
                     .flash_attention = true,
                     .gpu_layers = MF_ALL_LAYERS,
                     .kv_offload = true}
    };
}

static mf_path path_of(bench *b)
{
    mf_path path = {0};
    const char *reason = NULL;
    const mf_status status =
        mf_path_build(&path, &reason, &b->run, b->s.types, NULL, b->calibration, NULL);
    cr_assert(eq(int, status, MF_OK));
    cr_assert(eq(ptr, (void *)reason, NULL), "%s", reason);
    mf_calibration_free(b->calibration);
    return path;
}

static const mf_step step = {
    .n_tokens = 1024, .ubatch = 512, .cache = {2, 2}
};

Test(path, one_card_is_one_segment_without_links)
{
    bench b;
    bench_fill(&b, 1);
    const mf_path path = path_of(&b);
    cr_assert(eq(sz, path.n_segments, 1));
    cr_assert(not(path.on_host));
    cr_assert(epsilon_eq(dbl, mf_path_decode(&path, step).link_s, 0, 1e-15));
}

Test(path, lanes_unpack_quantized_weights_and_multiply_whole_ones)
{
    bench whole;
    bench packed;
    bench_fill(&whole, 1);
    bench_fill(&packed, 1);
    for (size_t i = 0; i < SAMPLE_TENSORS; i++) {
        const mf_tensor *t = &packed.s.tensors[i];
        const bool whole_blocks = t->n_dims > 1 && t->dims[0] % 32 == 0;
        packed.s.types[i] = whole_blocks ? MF_TYPE_Q8_0 : packed.s.types[i];
    }
    const mf_path plain = path_of(&whole);
    const mf_path quantized = path_of(&packed);
    const mf_path_time a = mf_path_decode(&plain, step);
    const mf_path_time b = mf_path_decode(&quantized, step);
    cr_assert(epsilon_eq(dbl, a.unpack_s, 0, 1e-15));
    cr_assert(gt(dbl, a.compute_s, 0));
    cr_assert(gt(dbl, b.unpack_s, 0));
    cr_assert(lt(dbl, b.compute_s, a.compute_s / 2));
}

Test(path, cards_in_a_row_add_their_times_and_hops)
{
    bench one;
    bench three;
    bench_fill(&one, 1);
    bench_fill(&three, 3);
    const mf_path single = path_of(&one);
    const mf_path split = path_of(&three);
    const double hop = 5e-6 + 256 * 2 / 25e9;
    const mf_path_time t = mf_path_decode(&split, step);
    cr_assert(eq(sz, split.n_segments, 3));
    cr_assert(epsilon_eq(dbl, t.link_s, 2 * hop, 1e-12));
    cr_assert(epsilon_eq(dbl, t.total_s - t.link_s, mf_path_decode(&single, step).total_s, 1e-9));
}

Test(path, micro_batches_follow_each_other_through_the_cards)
{
    bench one;
    bench two;
    bench_fill(&one, 1);
    bench_fill(&two, 2);
    const mf_path single = path_of(&one);
    const mf_path split = path_of(&two);
    mf_path_time a = {0};
    mf_path_time b = {0};
    const char *reason = NULL;
    cr_assert(mf_path_prefill(&a, &reason, &single, step));
    cr_assert(mf_path_prefill(&b, &reason, &split, step));
    cr_assert(epsilon_eq(dbl, b.total_s - b.link_s, a.total_s * 3 / 4, 1e-9),
              "two micro-batches on two cards take three half rounds of four");
}

/* Backends without events, hosts in the way, and computers joined by a network: one micro-batch after the other. */
Test(path, micro_batches_wait_where_devices_cant_overlap)
{
    for (int i = 0; i < 3; i++) {
        bench one;
        bench two;
        bench_fill(&one, 1);
        bench_fill(&two, 2);
        two.run.backend = i == 0 ? MF_BACKEND_VULKAN : MF_BACKEND_CUDA;
        one.run.backend = two.run.backend;
        two.machine.n_nodes = i == 1 ? 2 : 1;
        two.devices[0].count = i == 1 ? 1 : 2;
        two.run.workload.split = MF_SPLIT_LAYER;
        const mf_path single = path_of(&one);
        mf_path split = path_of(&two);
        split.on_host = i == 2;
        mf_path_time a = {0};
        mf_path_time b = {0};
        const char *reason = NULL;
        cr_assert(mf_path_prefill(&a, &reason, &single, step));
        cr_assert(mf_path_prefill(&b, &reason, &split, step));
        cr_assert(epsilon_eq(dbl, (b.total_s - b.link_s) / a.total_s, 1, 1e-9), "case %d", i);
    }
}

/* A queue of 1 024 launches: 40 layers of 22 kernels on each of two cards leave no room for a second micro-batch. */
Test(path, a_full_queue_of_launches_keeps_devices_apart)
{
    bench one;
    bench two;
    bench_fill(&one, 1);
    bench_fill(&two, 2);
    mf_path single = path_of(&one);
    mf_path split = path_of(&two);
    mf_step long_step = step;
    long_step.n_tokens = 2048;
    mf_path_time a = {0};
    mf_path_time b = {0};
    const char *reason = NULL;
    single.segments[0].work.n_layers = 80;
    split.segments[0].work.n_layers = 40;
    split.segments[1].work.n_layers = 40;
    cr_assert(mf_path_prefill(&a, &reason, &single, long_step));
    cr_assert(mf_path_prefill(&b, &reason, &split, long_step));
    cr_assert(epsilon_eq(dbl, (b.total_s - b.link_s) / a.total_s, 1 / 1.2, 1e-9));
    single.segments[0].work.n_layers = 40;
    split.segments[0].work.n_layers = 20;
    split.segments[1].work.n_layers = 20;
    cr_assert(mf_path_prefill(&a, &reason, &single, long_step));
    cr_assert(mf_path_prefill(&b, &reason, &split, long_step));
    cr_assert(epsilon_eq(dbl, (b.total_s - b.link_s) / a.total_s, 5.0 / 8, 1e-9));
}

Test(path, a_tensor_split_divides_the_time_and_pays_two_reductions_per_layer)
{
    bench b;
    bench_fill(&b, 2);
    b.run.workload.split = MF_SPLIT_TENSOR;
    const mf_path path = path_of(&b);
    const mf_path_time t = mf_path_decode(&path, step);
    const double reduction = 5e-6 + 256 * 2 / 25e9;
    cr_assert(path.parallel);
    cr_assert(epsilon_eq(dbl, t.link_s, 2 * 3 * reduction, 1e-12));
}

Test(path, layers_on_the_host_run_at_its_bandwidth)
{
    bench all;
    bench some;
    bench_fill(&all, 1);
    bench_fill(&some, 1);
    some.run.workload.gpu_layers = 2;
    const mf_path fast = path_of(&all);
    const mf_path slow = path_of(&some);
    cr_assert(eq(sz, slow.n_segments, 2));
    cr_assert(slow.on_host);
    cr_assert(epsilon_eq(dbl, slow.segments[1].work.n_layers, 2, 1e-9));
    cr_assert(gt(dbl, mf_path_decode(&slow, step).total_s, mf_path_decode(&fast, step).total_s));
}

Test(path, experts_on_the_host_leave_attention_on_the_card)
{
    bench b;
    bench_fill(&b, 1);
    b.run.workload.n_cpu_moe = 3;
    const mf_path path = path_of(&b);
    cr_assert(eq(sz, path.n_segments, 2));
    cr_assert(epsilon_eq(dbl, path.segments[1].work.read_bytes, 2 * 64.0 * 256 * 2, 1e-6));
    cr_assert(eq(sz, path.segments[1].work.n_groups, 0));
}

Test(path, a_prompt_streams_the_host_weights_over_the_link)
{
    bench b;
    bench_fill(&b, 1);
    b.run.workload.n_cpu_moe = 3;
    const mf_path path = path_of(&b);
    mf_path_time t = {0};
    const char *reason = NULL;
    cr_assert(mf_path_prefill(&t, &reason, &path, step));
    const double experts = 2 * 64.0 * 256 * 8;
    cr_assert(epsilon_eq(dbl, t.link_s, 2 * experts / 25e9, 1e-9));
}

Test(path, without_the_links_rate_a_streamed_prompt_is_not_known)
{
    bench b;
    bench_fill(&b, 1);
    b.run.workload.n_cpu_moe = 3;
    b.machine.n_links = 0;
    const mf_path path = path_of(&b);
    mf_path_time t = {0};
    const char *reason = NULL;
    cr_assert(not(mf_path_prefill(&t, &reason, &path, step)));
    cr_assert(ne(ptr, (void *)reason, NULL));
}

Test(path, the_cpu_backend_needs_only_the_hosts_memory)
{
    bench b;
    bench_fill(&b, 1);
    b.run.backend = MF_BACKEND_CPU;
    const mf_path path = path_of(&b);
    cr_assert(eq(sz, path.n_segments, 1));
    cr_assert(epsilon_eq(dbl, path.segments[0].peaks.bandwidth_bytes_per_s, 64e9, 1));
    mf_path_time t = {0};
    const char *reason = NULL;
    cr_assert(not(mf_path_prefill(&t, &reason, &path, step)), "its FP32 rate is not known");
}

Test(path, a_processor_of_unknown_rates_decodes_by_its_bandwidth)
{
    bench b;
    bench_fill(&b, 1);
    b.run.backend = MF_BACKEND_CPU;
    b.card.chip_class = MF_CLASS_CPU;
    b.card.fp32_flop_per_s.known = false;
    b.card.bandwidth_bytes_per_s = known(460e9);
    const mf_path path = path_of(&b);
    mf_path_time t = {0};
    const char *reason = NULL;
    cr_assert(epsilon_eq(dbl, path.segments[0].peaks.bandwidth_bytes_per_s, 460e9, 1));
    cr_assert(gt(dbl, mf_path_decode(&path, step).total_s, 0));
    cr_assert(not(mf_path_prefill(&t, &reason, &path, step)));
}

Test(path, an_unknown_bandwidth_is_a_reason_not_an_error)
{
    bench b;
    bench_fill(&b, 1);
    b.card.bandwidth_bytes_per_s.known = false;
    mf_path path = {0};
    const char *reason = NULL;
    const mf_status status =
        mf_path_build(&path, &reason, &b.run, b.s.types, NULL, b.calibration, NULL);
    cr_assert(eq(int, status, MF_OK));
    cr_assert(ne(ptr, (void *)reason, NULL));
    mf_calibration_free(b.calibration);
}

Test(path, mlx_has_no_speed_on_other_vendors_cards)
{
    bench b;
    bench_fill(&b, 1);
    b.engine.id = MF_ENGINE_MLX;
    b.card.vendor = MF_VENDOR_NVIDIA;
    mf_path path = {0};
    const char *reason = NULL;
    const mf_status status =
        mf_path_build(&path, &reason, &b.run, b.s.types, NULL, b.calibration, NULL);
    cr_assert(eq(int, status, MF_OK));
    cr_assert(eq(str, (char *)(uintptr_t)reason, "mlx runs on Apple's GPUs"));
    mf_calibration_free(b.calibration);
}

Test(path, nodes_multiply_the_devices)
{
    bench b;
    bench_fill(&b, 2);
    b.machine.n_nodes = 3;
    const mf_path path = path_of(&b);
    cr_assert(eq(sz, path.n_segments, 6));
    cr_assert(path.link_assumed, "no link between the nodes is named");
}
