#include "import/gguf_seen.h"

#include <string.h>

static const char *const suffixes[] = {
#define SUFFIX(name, suffix) [name] = (suffix),
    MF_SEEN_LIST(SUFFIX)
#undef SUFFIX
};

void mf_seen_note(mf_seen *seen, const mf_tensor *tensor)
{
    seen->has_any = true;
    seen->has_state = seen->has_state || tensor->role == MF_ROLE_RECURRENT;
    seen->has_ffn = seen->has_ffn || tensor->role == MF_ROLE_FFN || tensor->role == MF_ROLE_EXPERT;
    const char *suffix = strchr(tensor->name + strlen("blk."), '.');
    for (size_t i = 0; suffix != NULL && i < MF_SEEN_COUNT; i++) {
        if (strcmp(suffix + 1, suffixes[i]) == 0) {
            seen->of[i] = tensor;
        }
    }
}
