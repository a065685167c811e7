#include <gsl/gsl_errno.h>

#include "memfit/memfit.h"

const char *mf_version(void)
{
    return MF_VERSION;
}

void mf_init(void)
{
    (void)gsl_set_error_handler_off();
}
