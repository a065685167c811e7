/*
 * internal.h - what the files of this layer share: one function a system.
 */
#ifndef MF_DETECT_INTERNAL_H
#define MF_DETECT_INTERNAL_H

#include "memfit/detect.h"

mf_status mf_detect_linux(mf_detected *out, const mf_detect_places *places, mf_error *err);
mf_status mf_detect_macos(mf_detected *out, mf_error *err);

/* Adds NVIDIA's cards; says in out->note why if they can't be asked. */
void mf_detect_nvidia(mf_detected *out, const mf_detect_places *places);

/* Copies text without the spaces around it. */
void mf_detect_copy(char *to, size_t size, const char *text);

#endif
