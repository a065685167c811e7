/* status.h: how a failure comes back: a status, a message for people, an exit code for programs. */
#include <stdio.h>

#include <memfit/tensor_type.h>

int main(void)
{
    mf_error err = {0};
    mf_tensor_type type = 0;
    const mf_status status = mf_tensor_type_by_name(&type, "q9_z", &err);
    printf("%s: %s\n", mf_status_text(status), err.message);
    return mf_status_exit_code(status) == 2 ? 0 : 1;
}
