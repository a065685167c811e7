/* detect.h: the machine this runs on. */
#include <stdio.h>

#include <memfit/detect.h>

int main(void)
{
    mf_error err = {0};
    mf_detected found;
    const mf_status status = mf_detect(&found, (mf_detect_places){0}, &err);
    if (status == MF_OK) {
        printf("%s, %s, %llu bytes of memory, %zu GPUs\n",
               found.system,
               found.processor,
               (unsigned long long)found.memory_bytes,
               found.n_gpus);
    } else {
        fprintf(stderr, "%s\n", err.message);
    }
    return mf_status_exit_code(status);
}
