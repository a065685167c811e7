#include <ctype.h>
#include <stdio.h>
#include <string.h>

#include "detect/internal.h"

void mf_detect_copy(char *to, size_t size, const char *text)
{
    text += strspn(text, " \t\n");
    (void)snprintf(to, size, "%s", text);
    size_t n = strlen(to);
    while (n > 0 && isspace((unsigned char)to[n - 1])) {
        to[--n] = '\0';
    }
}

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
