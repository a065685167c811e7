#include "memfit/status.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

const char *mf_status_text(mf_status status)
{
    switch (status) {
#define STATUS_TEXT(name, value, text, exit_code)                                                  \
    case name:                                                                                     \
        return text;
        MF_STATUS_LIST(STATUS_TEXT)
#undef STATUS_TEXT
    }
    return "unknown status";
}

int mf_status_exit_code(mf_status status)
{
    switch (status) {
#define STATUS_EXIT(name, value, text, exit_code)                                                  \
    case name:                                                                                     \
        return exit_code;
        MF_STATUS_LIST(STATUS_EXIT)
#undef STATUS_EXIT
    }
    return mf_status_exit_code(MF_E_INTERNAL);
}

mf_status(mf_fail)(mf_error *err, mf_status status, const char *format, ...)
{
    if (err != NULL) {
        va_list args;
        va_start(args, format);
        err->status = status;
        (void)vsnprintf(err->message, sizeof err->message, format, args);
        va_end(args);
    }
    return status;
}

void mf_error_prefix(mf_error *err, const char *format, ...)
{
    if (err == NULL) {
        return;
    }
    char old[MF_ERROR_MESSAGE_SIZE];
    memcpy(old, err->message, sizeof old);
    va_list args;
    va_start(args, format);
    const int n = vsnprintf(err->message, sizeof err->message, format, args);
    va_end(args);
    if (n >= 0 && (size_t)n < sizeof err->message) {
        (void)snprintf(err->message + n, sizeof err->message - (size_t)n, "%s", old);
    }
}
