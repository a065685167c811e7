/* placement.h: where layers and tensors lie, as llama.cpp's options say it, written over a workload. */
#include <stdio.h>

#include <memfit/placement.h>

int main(void)
{
    mf_workload workload = {.gpu_layers = MF_ALL_LAYERS, .kv_offload = true};
    mf_saved_placement *placement = NULL;
    mf_error err = {0};
    mf_status status = mf_placement_new(&placement, &workload, &err);
    if (status == MF_OK) {
        status = mf_placement_set_split(placement, "3,1", &err);
    }
    if (status == MF_OK) {
        status = mf_placement_add_overrides(placement, "blk\\.[0-9]\\.ffn_.*_exps=CPU", &err);
    }
    if (status == MF_OK) {
        mf_placement_use(&workload, placement);
        printf("%zu devices, experts of the first ten layers on the host\n",
               workload.placement->n_split);
    } else {
        fprintf(stderr, "%s\n", err.message);
    }
    mf_placement_free(placement);
    return status == MF_OK ? 0 : 1;
}
