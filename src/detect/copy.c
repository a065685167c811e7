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
