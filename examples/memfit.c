/* memfit.h: the library as a whole. */
#include <stdio.h>

#include <memfit/memfit.h>

int main(void)
{
    mf_init();
    printf("memfit %s\n", mf_version());
    return 0;
}
