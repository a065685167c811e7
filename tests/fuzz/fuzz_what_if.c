/* What-if strings: any text is a machine or a refusal that says why. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "memfit/machine.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *text = malloc(size + 1);
    if (text == NULL) {
        return 0;
    }
    if (size > 0) {
        memcpy(text, data, size);
    }
    text[size] = '\0';
    mf_machine *machine = NULL;
    mf_error err = {0};
    if (mf_machine_parse(&machine, text, &err) == MF_OK) {
        mf_machine_free(machine);
    } else if (err.message[0] == '\0') {
        abort();
    }
    free(text);
    return 0;
}
