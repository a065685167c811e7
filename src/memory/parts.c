#include "memory/parts.h"

#include <string.h>

#define BLOCK_PART_NAME(suffix, name) [PART_##suffix] = (name),

static const char *const names[PART_COUNT] = {BLOCK_PART_LIST(BLOCK_PART_NAME)};

block_part mf_block_part_of(const mf_tensor *tensor)
{
    static const char unsuffixed[] = "exp_probs_b"; /* so hy_v3 has it */
    const char *dot = tensor->layer >= 0 ? strchr(tensor->name + strlen("blk."), '.') : NULL;
    if (dot != NULL && strcmp(dot + 1, unsuffixed) == 0) {
        return PART_FFN_EXP_PROBS_B;
    }
    size_t low = 0;
    size_t high = dot != NULL ? PART_COUNT : 0;
    while (low < high) {
        const size_t middle = low + (high - low) / 2;
        const int order = strcmp(names[middle], dot + 1);
        if (order == 0) {
            return (block_part)middle;
        }
        low = order < 0 ? middle + 1 : low;
        high = order < 0 ? high : middle;
    }
    return PART_COUNT;
}
