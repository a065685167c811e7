#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <math.h>

#include "served.h"
#include "simulate/experts.h"
#include "simulate/pace_make.h"

/* A card that streams 1 GB/s and multiplies as fast as a test likes. */
static mf_kernel_rates rates_of(double flop_per_s)
{
    return (mf_kernel_rates){.weight_bytes_per_s = 1e9,
                             .weight_32_bytes_per_s = 1e9,
                             .flop_per_s = flop_per_s,
                             .fp8_flop_per_s = 2 * flop_per_s,
                             .unpack_per_s = 1e30,
                             .activation_bytes_per_s = 1e30};
}

static mf_expert_work experts_of(double n, double n_used)
{
    mf_expert_work made = {.n_layers = 3, .n_experts = n, .n_used = n_used, .bytes = 7e6};
    made.weights[MF_FORMAT_BF16] = 3.5e6;
    return made;
}

Test(experts, one_token_touches_those_that_it_picks)
{
    cr_expect(epsilon_eq(dbl, mf_experts_touched(97, 5, 1), 5, 1e-9));
    cr_expect(epsilon_eq(dbl, mf_experts_touched(3, 3, 1), 3, 1e-9));
}

/* More tokens touch more, never more than there are, and fewer than if all were picked alike. */
Test(experts, many_tokens_touch_more)
{
    double before = 5;
    for (uint32_t n = 2; n < 100000; n *= 3) {
        const double touched = mf_experts_touched(97, 5, n);
        const double even = 97 * (1 - pow(1 - 5.0 / 97, n));
        cr_expect(touched >= before && touched <= 97 && touched <= even, "%u tokens", n);
        before = touched;
    }
    cr_expect(mf_experts_touched(97, 5, 100000) > 96.9);
}

Test(experts, rows_fill_whole_tiles)
{
    mf_expert_work experts = experts_of(97, 5);
    cr_expect(epsilon_eq(dbl, mf_experts_rows(&experts, 1), 5 * 16, 1e-9));
    /* Of many tokens, each expert's last tile is half full. */
    const double rows = mf_experts_rows(&experts, 20000);
    cr_expect(rows > 100000 + 96 * 31 && rows < 100000 + 97 * 32);
    experts.is_packed = true;
    cr_expect(epsilon_eq(dbl, mf_experts_rows(&experts, 1), 5 * 8, 1e-9), "Marlin's tiles");
}

Test(experts, weights_are_streamed_as_far_as_they_are_touched)
{
    const mf_kernel_rates rates = rates_of(1e30);
    const mf_expert_work experts = experts_of(97, 5);
    const double all_s = 7e6 / 1e9;
    cr_expect(epsilon_eq(dbl, mf_experts_s(&rates, &experts, 1), all_s * 5 / 97, 1e-9));
    cr_expect(mf_experts_s(&rates, &experts, 30000) > 0.99 * all_s);
    cr_expect(epsilon_eq(dbl, mf_experts_s(&rates, &experts, 0), 0, 0));
    const mf_expert_work none = {0};
    cr_expect(epsilon_eq(dbl, mf_experts_s(&rates, &none, 9), 0, 0));
}

Test(experts, padded_rows_are_multiplied_too)
{
    const mf_kernel_rates slow = rates_of(1e6);
    const mf_expert_work experts = experts_of(97, 5);
    const double flop = 2 * 3.5e6 / 97 * 5 * 16;
    const double s = mf_experts_s(&slow, &experts, 1);
    cr_expect(epsilon_eq(dbl, s, 1.25 * flop / 1e6, 1e-3 * s), "%g", s);
}

static double weighed_s(const mf_kernel_rates *rates, mf_format format)
{
    mf_product product = {.bytes = 1, .n_rows = 7};
    product.weights[format] = 1e6;
    return mf_product_s(rates, &product);
}

Test(products, fp8_is_twice_as_fast_where_the_card_has_it)
{
    mf_kernel_rates rates = rates_of(1e9);
    rates.fp8_is_native = true;
    const double half = weighed_s(&rates, MF_FORMAT_BF16);
    cr_expect(epsilon_eq(dbl, weighed_s(&rates, MF_FORMAT_FP8), half / 2, 1e-6 * half));
    rates.fp8_is_native = false;
    cr_expect(epsilon_eq(dbl, weighed_s(&rates, MF_FORMAT_FP8), half, 1e-6 * half));
}

Test(products, packed_weights_are_unpacked_first)
{
    mf_kernel_rates rates = rates_of(1e30);
    rates.unpack_per_s = 1e6;
    cr_expect(epsilon_eq(dbl, weighed_s(&rates, MF_FORMAT_INT4), 1, 1e-3));
    cr_expect(epsilon_eq(dbl, weighed_s(&rates, MF_FORMAT_MXFP4), 1, 1e-3));
    cr_expect(epsilon_eq(dbl, weighed_s(&rates, MF_FORMAT_FP8), 1, 1e-3), "Marlin's");
    cr_expect(weighed_s(&rates, MF_FORMAT_BF16) < 1e-6);
    rates.fp8_is_native = true;
    cr_expect(weighed_s(&rates, MF_FORMAT_FP8) < 1e-6);
}

static mf_kernel_rates rates_on(const char *machine)
{
    mf_kernel_rates rates = {0};
    served_case c = open_case("qwen3-14b", "FP8", machine, "vllm");
    cr_assert(eq(int, mf_kernel_rates_of(&rates, &c.run, NULL), MF_OK));
    close_case(&c);
    return rates;
}

/* Ada and Hopper multiply FP8, Ampere unpacks it; GeForce's sheet counts FP16 sums, which nobody uses. */
Test(products, fp8_goes_by_the_generation_of_the_card)
{
    const mf_kernel_rates ampere = rates_on("pc-rtx-3090");
    const mf_kernel_rates ada = rates_on("pc-rtx-5000-ada");
    const mf_kernel_rates geforce = rates_on("pc-rtx-4090");
    const mf_kernel_rates hopper = rates_on("server-h100-sxm");
    cr_expect_not(ampere.fp8_is_native);
    cr_expect(ada.fp8_is_native && hopper.fp8_is_native);
    cr_expect(epsilon_eq(dbl, geforce.fp8_flop_per_s, 0.74 * 330.4e12, 1e12));
    cr_expect(epsilon_eq(dbl, hopper.fp8_flop_per_s, 0.74 * 1978e12, 1e12));
    cr_expect(ada.fp8_product_s <= 0 && rates_on("pc-rtx-5090").fp8_product_s > 0);
    const mf_kernel_rates rdna4 = rates_on("pc-r9700");
    cr_expect(rdna4.fp8_product_s > 0 && rdna4.fp8_flop_per_s < 0.3 * 382e12, "not tuned");
}

static mf_kernel_rates pair_rates(const char *machine)
{
    mf_kernel_rates rates = {0};
    served_case c = open_case("qwen3-32b", "bf16", machine, "vllm");
    cr_assert(eq(int, mf_kernel_rates_of(&rates, &c.run, NULL), MF_OK));
    close_case(&c);
    return rates;
}

/* vLLM's own kernel sums what is little, where a card may read its peer's memory; beyond 8 MiB and on GeForce NCCL does. */
Test(reductions, little_is_summed_by_reading_the_peer)
{
    const mf_kernel_rates pro = pair_rates("server-2x-rtx-pro-6000-blackwell-server");
    const mf_kernel_rates geforce = pair_rates("pc-2x-rtx-5090");
    cr_expect(pro.little.least_s < pro.reduce.least_s);
    cr_expect(pro.little.bytes_per_s < pro.reduce.bytes_per_s);
    cr_expect(epsilon_eq(dbl, geforce.little.least_s, geforce.reduce.least_s, 1e-12));
    const mf_kernel_work work = {.n_reduces = 1, .reduce_bytes = 1048576};
    const double below = mf_kernel_step_s(&pro, &work, 7, 0);
    const double above = mf_kernel_step_s(&pro, &work, 8, 0);
    cr_expect(epsilon_eq(dbl, below, mf_reduction_s(&pro.little, 7 * 1048576.0), 1e-12));
    cr_expect(epsilon_eq(dbl, above, mf_reduction_s(&pro.reduce, 8 * 1048576.0), 1e-12));
}

/* A captured graph's idle rows cost dense products, not experts. */
Test(experts, padding_of_a_graph_touches_none)
{
    mf_pace pace = {0};
    mf_pace_ground ground = {0};
    served_case c = open_case("qwen3-30b-a3b", "BF16", "server-h100-sxm", "vllm");
    const mf_pace_size size = {.max_sequences = 40, .max_tokens = 64};
    cr_assert(eq(int, mf_pace_from_kernels(&pace, &ground, &c.run, size, NULL), MF_OK));
    cr_expect(pace.decode_ps[9] < pace.decode_ps[12] && pace.decode_ps[12] < pace.decode_ps[16]);
    mf_pace_free(&pace);
    close_case(&c);
}
