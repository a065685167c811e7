/* The names and units of record.h without the reader of records. */
#include "memfit/record.h"

#define PROBE_NAME(name, text, unit, help) [name] = (text),
#define PROBE_UNIT(name, text, unit, help) [name] = (unit),
static const char *const names[] = {MF_PROBE_LIST(PROBE_NAME)};
static const mf_work_unit units[] = {MF_PROBE_LIST(PROBE_UNIT)};

const char *mf_probe_name(mf_probe probe)
{
    return names[probe];
}

mf_work_unit mf_probe_unit(mf_probe probe)
{
    return units[probe];
}
