/* calibration.h: a coefficient of the speed law before anything was measured. */
#include <stdio.h>

#include <memfit/calibration.h>

int main(void)
{
    mf_error err = {0};
    mf_calibration *calibration = NULL;
    const mf_status status = mf_calibration_new(&calibration, "llama.cpp", &err);
    if (status != MF_OK) {
        fprintf(stderr, "%s\n", err.message);
        return mf_status_exit_code(status);
    }
    const mf_setting setting = {.chip_class = MF_CLASS_APPLE_M3_M4, .runtime = MF_RUNTIME_METAL};
    const double eta = mf_calibration_value(calibration, MF_KNOB_ETA, &setting, MF_FORMAT_Q4_K);
    printf("%s: %.0f %% of the specified bandwidth\n", mf_knob_name(MF_KNOB_ETA), 100 * eta);
    mf_calibration_free(calibration);
    return 0;
}
