#include "report/study.h"

#include <string.h>

static const struct {
    const char *name;
    mf_study_fn *run;
} studies[] = {
    {"offload",   mf_study_offload  },
    {"switches",  mf_study_switches },
    {"scaling",   mf_study_scaling  },
    {"prompts",   mf_study_prompts  },
    {"crossover", mf_study_crossover},
    {"depth",     mf_study_depth    },
    {"value",     mf_study_value    },
    {"memory",    mf_study_memory   },
    {"roofline",  mf_study_roofline },
};

mf_study_fn *mf_study_by_name(const char *name)
{
    for (size_t i = 0; i < sizeof studies / sizeof studies[0]; i++) {
        if (strcmp(studies[i].name, name) == 0) {
            return studies[i].run;
        }
    }
    return NULL;
}
