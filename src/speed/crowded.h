/*
 * crowded.h - a card so full that its driver moves a part of what lies on it to the host's memory.
 *
 * Vulkan on AMD's cards does not fail where a card is full. Two R9700 ran gpt-oss-120b at an eighth of the speed that they had at
 * half the context once a card was 98.2 % full by memfit's breakdown, Devstral 2 at half with 97 to 98 %, and gpt-oss-120b at full
 * speed with 97.3 % (tests/truth/speed.csv). ROCm has no rows of these two there, and of all other models it has.
 */
#ifndef MF_SPEED_CROWDED_H
#define MF_SPEED_CROWDED_H

#include "memfit/memory.h"

/* Whether the driver is of that kind. */
bool mf_may_crowd(const mf_case *run);

/* Why the law has no ground for a case with this breakdown (static storage); NULL if it has. */
const char *mf_crowded(const mf_case *run, const mf_memory *memory);

#endif
