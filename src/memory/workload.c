#include "memfit/workload.h"

uint64_t mf_workload_streams(const mf_workload *w)
{
    return w->kv_unified || w->n_parallel == 0 ? 1 : w->n_parallel;
}

mf_status mf_workload_check(const mf_workload *w, mf_error *err)
{
    if (w->n_ctx == 0 || w->n_parallel == 0 || w->n_batch == 0 || w->n_ubatch == 0) {
        return mf_fail(err, MF_E_USAGE, "context, parallel, batch and ubatch must be at least 1");
    }
    const uint64_t per_sequence = w->n_ctx / mf_workload_streams(w);
    if (w->n_prompt > per_sequence || w->n_output > per_sequence - w->n_prompt) {
        return mf_fail(err,
                       MF_E_USAGE,
                       "prompt %llu + output %llu do not fit a sequence's context of %llu, raise "
                       "--ctx or ask for less",
                       (unsigned long long)w->n_prompt,
                       (unsigned long long)w->n_output,
                       (unsigned long long)per_sequence);
    }
    if (!w->flash_attention && mf_tensor_type_get(w->kv_type_v)->block_elements > 1) {
        return mf_fail(
            err, MF_E_USAGE, "a quantized V cache needs flash attention, use --flash-attn on");
    }
    return MF_OK;
}
