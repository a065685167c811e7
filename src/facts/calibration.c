#include "memfit/calibration.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/str.h"

mf_status mf_calibration_new(mf_calibration **out, const char *engine, mf_error *err)
{
    const size_t n = mf_effect_count();
    mf_calibration *c = calloc(1, sizeof *c);
    if (c) {
        c->engine = mf_strdup(engine);
        c->effects = calloc(n, sizeof *c->effects);
    }
    if (!c || !c->engine || !c->effects) {
        mf_calibration_free(c);
        return mf_fail(err, MF_E_NOMEM, "no memory for the calibration of '%s'", engine);
    }
    for (size_t i = 0; i < n; i++) {
        const mf_effect_info info = mf_effect_describe(i);
        c->effects[i] = (mf_effect){.log_value = info.prior_log_value, .log_sd = info.prior_log_sd};
    }
    *out = c;
    return MF_OK;
}

void mf_calibration_free(mf_calibration *calibration)
{
    if (!calibration) {
        return;
    }
    for (size_t i = 0; calibration->chips && i < calibration->n_chips; i++) {
        free(calibration->chips[i].device_id);
    }
    free(calibration->chips);
    free(calibration->pools);
    free(calibration->effects);
    free(calibration->engine);
    free(calibration->data);
    free(calibration->method);
    free(calibration->fitted);
    free(calibration);
}

static int compare_chip(const void *key, const void *item)
{
    return strcmp(key, ((const mf_chip_effects *)item)->device_id);
}

const mf_chip_effects *mf_calibration_chip(const mf_calibration *calibration, const char *device_id)
{
    if (!device_id || calibration->n_chips == 0) {
        return NULL;
    }
    return bsearch(device_id,
                   calibration->chips,
                   calibration->n_chips,
                   sizeof *calibration->chips,
                   compare_chip);
}

mf_chip_effects *mf_calibration_add_chip(mf_calibration *calibration, const char *device_id)
{
    size_t at = 0;
    while (at < calibration->n_chips && strcmp(calibration->chips[at].device_id, device_id) < 0) {
        at++;
    }
    if (at < calibration->n_chips && strcmp(calibration->chips[at].device_id, device_id) == 0) {
        return &calibration->chips[at];
    }
    char *id = mf_strdup(device_id);
    const size_t size = (calibration->n_chips + 1) * sizeof *calibration->chips;
    mf_chip_effects *chips = id != NULL ? realloc(calibration->chips, size) : NULL;
    if (chips == NULL) {
        free(id);
        return NULL;
    }
    calibration->chips = chips;
    memmove(chips + at + 1, chips + at, (calibration->n_chips - at) * sizeof *chips);
    calibration->n_chips++;
    chips[at] = (mf_chip_effects){.device_id = id};
    return &chips[at];
}

double mf_calibration_value(const mf_calibration *calibration,
                            mf_knob knob,
                            const mf_setting *setting,
                            mf_format format)
{
    size_t indices[MF_MAX_KNOB_EFFECTS];
    const size_t n = mf_knob_effects(indices, knob, setting, format);
    double sum = 0;
    for (size_t i = 0; i < n; i++) {
        sum += calibration->effects[indices[i]].log_value;
    }
    const mf_chip_effects *chip = mf_calibration_chip(calibration, setting->chip);
    if (chip != NULL) {
        sum += chip->knobs[knob].log_value;
        sum += knob == MF_KNOB_LANE ? chip->lane_log[format] : 0;
        sum += knob == MF_KNOB_WORK ? chip->work_log[format] : 0;
    }
    return exp(sum);
}
