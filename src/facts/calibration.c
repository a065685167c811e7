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
        c->spreads = calloc(mf_effect_family_count(), sizeof *c->spreads);
    }
    if (!c || !c->engine || !c->effects || !c->spreads) {
        mf_calibration_free(c);
        return mf_fail(err, MF_E_NOMEM, "no memory for the calibration of '%s'", engine);
    }
    for (size_t i = 0; i < n; i++) {
        const mf_effect_info info = mf_effect_describe(i);
        c->effects[i] = (mf_effect){.log_value = info.prior_log_value, .log_sd = info.prior_log_sd};
    }
    for (size_t f = 0; f < mf_effect_family_count(); f++) {
        c->spreads[f] = mf_effect_family_sd(f);
    }
    for (size_t k = 0; k < MF_KNOB_COUNT; k++) {
        c->chip_spreads[k] = mf_chip_effect_sd((mf_knob)k);
    }
    for (size_t t = 0; t < MF_TEST_COUNT; t++) {
        c->architecture_spreads[t] = mf_architecture_effect_sd((mf_speed_test)t);
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
    for (size_t i = 0; calibration->architectures && i < calibration->n_architectures; i++) {
        free(calibration->architectures[i].name);
    }
    free(calibration->chips);
    free(calibration->architectures);
    free(calibration->spreads);
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

static int compare_architecture(const void *key, const void *item)
{
    return strcmp(key, ((const mf_architecture_effects *)item)->name);
}

const mf_architecture_effects *mf_calibration_architecture(const mf_calibration *calibration,
                                                           const char *name)
{
    if (!name || calibration->n_architectures == 0) {
        return NULL;
    }
    return bsearch(name,
                   calibration->architectures,
                   calibration->n_architectures,
                   sizeof *calibration->architectures,
                   compare_architecture);
}

double mf_calibration_value(const mf_calibration *calibration,
                            mf_knob knob,
                            const mf_setting *setting,
                            mf_format format)
{
    const mf_knob_logs logs = mf_calibration_logs(calibration, setting);
    return exp(knob == MF_KNOB_LANE   ? logs.lane[format]
               : knob == MF_KNOB_WORK ? logs.work[format]
                                      : logs.value[knob]);
}
