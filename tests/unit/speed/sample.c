#include "sample.h"

#include <stdio.h>
#include <string.h>

static void set_tensor(mf_tensor *t, const char *name, uint64_t a, uint64_t b, uint64_t c)
{
    memset(t, 0, sizeof *t);
    snprintf(t->name, sizeof t->name, "%s", name);
    t->dims[0] = a;
    t->dims[1] = b;
    t->dims[2] = c;
    t->dims[3] = 1;
    t->n_dims = c > 1 ? 3 : 2;
    t->role = mf_tensor_role_of(name, &t->layer);
}

void sample_fill(sample *s)
{
    memset(s, 0, sizeof *s);
    set_tensor(&s->tensors[0], "token_embd.weight", 256, 1000, 1);
    set_tensor(&s->tensors[1], "output.weight", 256, 1000, 1);
    set_tensor(&s->tensors[2], "blk.0.attn_q.weight", 256, 288, 1);
    set_tensor(&s->tensors[3], "blk.0.ffn_down.weight", 512, 256, 1);
    set_tensor(&s->tensors[4], "blk.1.attn_q.weight", 256, 288, 1);
    set_tensor(&s->tensors[5], "blk.1.ffn_down_exps.weight", 64, 256, 8);
    set_tensor(&s->tensors[6], "blk.1.ffn_gate_inp.weight", 256, 8, 1);
    set_tensor(&s->tensors[7], "blk.2.ssm_out.weight", 256, 256, 1);
    set_tensor(&s->tensors[8], "blk.2.ffn_down.weight", 512, 256, 1);
    for (size_t i = 0; i < SAMPLE_TENSORS; i++) {
        s->types[i] = MF_TYPE_F16;
    }
    const mf_attention attention = {
        .kind = MF_ATTENTION_GQA, .n_heads = 6, .n_kv_heads = 2, .key_dim = 48, .value_dim = 32};
    s->layers[0].attention = attention;
    s->layers[0].ffn.kind = MF_FFN_DENSE;
    s->layers[1].attention = attention;
    s->layers[1].attention.window = 100;
    s->layers[1].ffn = (mf_ffn){.kind = MF_FFN_MOE, .n_experts = 8, .n_experts_used = 2};
    s->layers[2].recurrent =
        (mf_recurrent){.kind = MF_RECURRENT_DELTA, .conv_elements = 30, .state_elements = 500};
    s->layers[2].ffn.kind = MF_FFN_DENSE;
    s->model = (mf_model){.hidden = 256,
                          .vocabulary = 1000,
                          .layers = s->layers,
                          .n_layers = SAMPLE_LAYERS,
                          .tensors = s->tensors,
                          .n_tensors = SAMPLE_TENSORS};
}

static mf_fact known(double value)
{
    return (mf_fact){.value = value, .known = true, .source = MF_NO_SOURCE};
}

mf_device sample_card(void)
{
    static char id[] = "sample-card";
    return (mf_device){.id = id,
                       .name = id,
                       .vendor = MF_VENDOR_NVIDIA,
                       .chip_class = MF_CLASS_NVIDIA_GDDR,
                       .bandwidth_bytes_per_s = known(1000e9),
                       .fp32_flop_per_s = known(80e12),
                       .int32_op_per_s = known(40e12),
                       .fp16_flop_per_s = known(80e12),
                       .fp16_matrix_flop_per_s = known(320e12)};
}
