#include "detect/internal.h"

mf_status mf_detect(mf_detected *out, mf_detect_places places, mf_error *err)
{
    mf_detected found = {0};
#ifdef __APPLE__
    (void)places;
    const mf_status status = mf_detect_macos(&found, err);
#else
    const mf_status status = mf_detect_linux(&found, &places, err);
#endif
    if (status == MF_OK) {
        *out = found;
    }
    return status;
}
