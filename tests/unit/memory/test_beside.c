#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <string.h>

#include "small.h"

static mf_memory need_of(const mf_case *run)
{
    mf_memory memory;
    mf_error err = {0};
    cr_assert(eq(int, mf_memory_need(&memory, run, &err), MF_OK), "%s", err.message);
    return memory;
}

Test(beside, a_draft_model_takes_what_it_takes_alone)
{
    small s;
    small_build(&s);
    const mf_memory alone = need_of(&s.run);
    s.run.draft = &s.model;
    s.run.workload.gpu_layers = 0;
    const mf_memory both = need_of(&s.run);
    for (size_t i = 0; i < alone.n_places; i++) {
        cr_expect(eq(u64,
                     both.places[i].terms[MF_TERM_DRAFT],
                     alone.places[i].need_bytes - alone.places[i].terms[MF_TERM_RUNTIME]));
    }
}

Test(beside, the_vision_tower_lies_on_the_first_device_if_it_is_loaded)
{
    small s;
    small_build(&s);
    s.model.vision_parameters = 400000;
    s.model.vision = (mf_vision){.f32_parameters = 3000,
                                 .patches = 50,
                                 .first_patches = 40,
                                 .tokens = 7,
                                 .patch_floats = 900};
    cr_expect(eq(u64, need_of(&s.run).terms[MF_TERM_PROJECTOR], (uint64_t)0));
    s.run.projector = true;
    const mf_memory m = need_of(&s.run);
    const uint64_t buffers = UINT64_C(4) * 900 * 50;
    cr_expect(eq(u64, m.places[0].terms[MF_TERM_PROJECTOR], (uint64_t)806000));
    cr_expect(eq(u64, m.terms[MF_TERM_PROJECTOR], (uint64_t)806000));
    cr_expect(mf_memory_is_exact(&m, MF_TERM_PROJECTOR));
    cr_expect(eq(u64, m.places[0].terms[MF_TERM_PICTURE], buffers));
    cr_expect(eq(u64, mf_memory_low_bytes(&m, MF_TERM_PICTURE, buffers), buffers / 50 * 40));
    cr_expect(eq(u64, mf_memory_high_bytes(&m, MF_TERM_PICTURE, buffers), buffers));
}

Test(beside, a_vision_tower_of_unknown_size_is_refused)
{
    small s;
    small_build(&s);
    mf_memory memory;
    mf_error err = {0};
    s.run.projector = true;
    cr_expect(eq(int, mf_memory_need(&memory, &s.run, &err), MF_E_UNSUPPORTED));
    cr_expect(ne(ptr, strstr(err.message, "vision tower"), NULL));
}

Test(beside, a_draft_model_that_cannot_be_planned_is_named)
{
    small s;
    small_build(&s);
    mf_memory memory;
    mf_error err = {0};
    mf_engine vllm = {.id = MF_ENGINE_VLLM, .name = "vllm"};
    s.run.draft = &s.model;
    s.run.engine = &vllm;
    s.run.workload.n_outputs = 2;
    s.run.workload.n_batch = 32;
    cr_expect(eq(int, mf_memory_need(&memory, &s.run, &err), MF_E_UNSUPPORTED));
    cr_expect(ne(ptr, strstr(err.message, "draft"), NULL));
}

/* Of rank 4, for a matrix of the first and one of the last layer. */
Test(beside, an_adapter_lies_beside_the_tensors_that_it_changes)
{
    enum { RANK = 4, HALF_BYTES = 2, F32_BYTES = 4 };
    small s;
    small_build(&s);
    const mf_tensor *first = &s.tensors[2]; /* blk.0.attn_v.weight */
    const mf_tensor *last = &s.tensors[6];  /* blk.2.attn_v.weight */
    mf_adapter_part parts[] = {
        {.bytes = RANK * HALF_BYTES * first->dims[0], .input = first->dims[0]},
        {.bytes = RANK * HALF_BYTES * last->dims[1],  .width = last->dims[1] }
    };
    memcpy(parts[0].target, first->name, sizeof parts[0].target);
    memcpy(parts[1].target, last->name, sizeof parts[1].target);
    char architecture[] = "llama";
    mf_adapter adapter = {.architecture = architecture, .parts = parts, .n_parts = 2};
    s.run.adapter = &adapter;
    s.run.workload.gpu_layers = 2; /* the last layer and the output */
    const mf_memory m = need_of(&s.run);
    const uint64_t results = last->dims[1] * F32_BYTES * s.run.workload.n_ubatch;
    cr_expect(eq(u64, m.places[1].terms[MF_TERM_LORA], parts[0].bytes));
    cr_expect(eq(u64, m.places[0].terms[MF_TERM_LORA], parts[1].bytes + results));
    mf_memory refused;
    mf_error err = {0};
    parts[0].input++;
    cr_expect(eq(int, mf_memory_need(&refused, &s.run, &err), MF_E_DATA));
    cr_expect(strstr(err.message, "another model") != NULL, "%s", err.message);
}
