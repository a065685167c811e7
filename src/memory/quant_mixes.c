#include "memory/quant_mixes.h"

#include <stddef.h>
#include <strings.h>

/* One mix a line: a table to read across. */
/* clang-format off */
#define BASE MIX_BASE
#define T(type) MF_TYPE_##type
#define NO_RULE {NEVER, BASE, BASE}
#define SET(type) {ALWAYS, T(type), BASE}
#define WHEN(condition, type) {condition, T(type), BASE}
#define IF(condition, type, other) {condition, T(type), T(other)}

/* name, base, output, embedding, attn_v, ffn_down, attn_output, attn_k and attn_q, gate and up, 8 experts */
static const quant_mix mixes[] = {
    {"Q4_0", T(Q4_0), T(Q6_K), BASE, NO_RULE, NO_RULE, BASE, BASE, NO_RULE, false},
    {"Q4_1", T(Q4_1), T(Q6_K), BASE, NO_RULE, NO_RULE, BASE, BASE, NO_RULE, false},
    {"Q5_0", T(Q5_0), T(Q6_K), BASE, NO_RULE, NO_RULE, BASE, BASE, NO_RULE, false},
    {"Q5_1", T(Q5_1), T(Q6_K), BASE, NO_RULE, NO_RULE, BASE, BASE, NO_RULE, false},
    {"Q8_0", T(Q8_0), T(Q8_0), BASE, NO_RULE, NO_RULE, BASE, BASE, NO_RULE, false},
    {"Q6_K", T(Q6_K), T(Q6_K), BASE, NO_RULE, NO_RULE, BASE, BASE, NO_RULE, false},
    {"Q2_K", T(Q2_K), T(Q6_K), BASE, IF(GQA_OF_FOUR, Q4_K, Q3_K), SET(Q3_K), T(Q3_K), BASE, NO_RULE, true},
    {"Q2_K_S", T(Q2_K), T(Q6_K), BASE, WHEN(GQA_OF_FOUR, Q4_K), WHEN(FIRST_EIGHTH, Q4_K), BASE, BASE, NO_RULE, false},
    {"Q3_K_S", T(Q3_K), T(Q6_K), BASE, NO_RULE, NO_RULE, BASE, BASE, NO_RULE, true},
    {"Q3_K_M", T(Q3_K), T(Q6_K), BASE, IF(FIRST_TWO, Q5_K, Q4_K), IF(FIRST_SIXTEENTH, Q5_K, Q4_K), T(Q4_K), BASE, NO_RULE, true},
    {"Q3_K_L", T(Q3_K), T(Q6_K), BASE, SET(Q5_K), SET(Q5_K), T(Q5_K), BASE, NO_RULE, false},
    {"Q4_K_S", T(Q4_K), T(Q6_K), BASE, WHEN(FIRST_FOUR, Q5_K), WHEN(FIRST_EIGHTH, Q5_K), BASE, BASE, NO_RULE, true},
    {"Q4_K_M", T(Q4_K), T(Q6_K), BASE, WHEN(MORE_BITS, Q6_K), WHEN(MORE_BITS, Q6_K), BASE, BASE, NO_RULE, true},
    {"Q5_K_S", T(Q5_K), T(Q6_K), BASE, NO_RULE, NO_RULE, BASE, BASE, NO_RULE, false},
    {"Q5_K_M", T(Q5_K), T(Q6_K), BASE, WHEN(MORE_BITS, Q6_K), WHEN(MORE_BITS, Q6_K), BASE, BASE, NO_RULE, false},
    {"IQ4_NL", T(IQ4_NL), T(Q6_K), BASE, WHEN(GQA_OF_FOUR, Q5_K), WHEN(FIRST_EIGHTH, Q5_K), BASE, BASE, NO_RULE, true},
    {"IQ4_XS", T(IQ4_XS), T(Q6_K), BASE, WHEN(GQA_OF_FOUR, Q5_K), WHEN(FIRST_EIGHTH, Q5_K), BASE, BASE, NO_RULE, true},
    {"IQ3_S", T(IQ3_S), T(Q6_K), BASE, WHEN(GQA_OF_FOUR, Q4_K), NO_RULE, BASE, BASE, NO_RULE, true},
    {"IQ3_M", T(IQ3_S), T(Q6_K), BASE, SET(Q4_K), WHEN(FIRST_EIGHTH, Q4_K), T(Q4_K), BASE, NO_RULE, true},
    {"IQ3_XS", T(IQ3_S), T(Q6_K), BASE, WHEN(GQA_OF_FOUR, Q4_K), NO_RULE, BASE, T(IQ3_XXS), WHEN(MIDDLE, IQ3_XXS), true},
    {"IQ3_XXS", T(IQ3_XXS), T(Q5_K), T(IQ3_S), IF(GQA_OF_FOUR, Q4_K, IQ3_S), IF(FIRST_EIGHTH, Q4_K, Q3_K), T(IQ3_S), T(IQ2_S),
     NO_RULE, true},
    {"IQ2_M", T(IQ2_S), T(Q5_K), T(IQ3_S), IF(GQA_OR_EXPERTS, Q4_K, IQ3_S), WHEN(FIRST_EIGHTH, IQ3_S), T(IQ3_S), BASE, NO_RULE, true},
    {"IQ2_S", T(IQ2_XS), T(Q5_K), T(IQ3_S), IF(GQA_OR_EXPERTS, Q4_K, IQ3_S), WHEN(FIRST_EIGHTH, IQ3_S), T(IQ3_S), BASE, NO_RULE, true},
    {"IQ2_XS", T(IQ2_XS), T(Q5_K), T(Q2_K), IF(GQA_OR_EXPERTS, Q4_K, Q2_K), WHEN(FIRST_EIGHTH, Q2_K), BASE, BASE, NO_RULE, true},
    {"IQ2_XXS", T(IQ2_XXS), T(Q5_K), T(Q2_K), IF(GQA_OR_EXPERTS, Q4_K, Q2_K), WHEN(FIRST_EIGHTH, Q2_K), BASE, BASE, NO_RULE, true},
    {"IQ1_M", T(IQ1_M), T(Q5_K), T(Q2_K), IF(GQA_OR_EXPERTS, Q4_K, Q2_K), WHEN(FIRST_EIGHTH, Q2_K), T(IQ2_XXS), BASE, NO_RULE, true},
    {"IQ1_S", T(IQ1_S), T(Q5_K), T(Q2_K), IF(GQA_OR_EXPERTS, Q4_K, Q2_K), WHEN(FIRST_EIGHTH, Q2_K), T(IQ2_XXS), BASE, NO_RULE, true},
    {"TQ1_0", T(TQ1_0), T(Q6_K), T(Q4_K), NO_RULE, NO_RULE, BASE, BASE, NO_RULE, false},
    {"TQ2_0", T(TQ2_0), T(Q6_K), T(Q4_K), NO_RULE, NO_RULE, BASE, BASE, NO_RULE, false},
    {"MXFP4_MOE", T(Q8_0), T(Q8_0), BASE, NO_RULE, NO_RULE, BASE, BASE, NO_RULE, false},
};
/* clang-format on */

const quant_mix *mf_find_mix(const char *name)
{
    for (size_t i = 0; name != NULL && i < sizeof mixes / sizeof mixes[0]; i++) {
        if (strcasecmp(mixes[i].name, name) == 0) {
            return &mixes[i];
        }
    }
    return NULL;
}
