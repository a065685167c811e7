/* workload.h: what is asked of an engine, and how a setting that no engine takes is refused. */
#include <stdio.h>

#include <memfit/workload.h>

int main(void)
{
    const mf_workload workload = {.n_ctx = 4096,
                                  .n_prompt = 4000,
                                  .n_output = 512,
                                  .n_parallel = 1,
                                  .n_batch = 2048,
                                  .n_ubatch = 512,
                                  .gpu_layers = MF_ALL_LAYERS};
    mf_error err = {0};
    const mf_status status = mf_workload_check(&workload, &err);
    printf("%s: %s\n", mf_status_text(status), err.message);
    return status == MF_E_USAGE ? 0 : 1;
}
