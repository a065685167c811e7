#include "memfit/cost.h"

#define KEY(name, key, title) [name] = (key),
#define TITLE(name, key, title) [name] = (title),
#define INPUT_KEY(name, key, title, kind) [name] = (key),
#define INPUT_TITLE(name, key, title, kind) [name] = (title),

const char *mf_cost_input_key(mf_cost_input input)
{
    static const char *const keys[] = {MF_COST_INPUT_LIST(INPUT_KEY)};
    return keys[input];
}

const char *mf_cost_input_title(mf_cost_input input)
{
    static const char *const titles[] = {MF_COST_INPUT_LIST(INPUT_TITLE)};
    return titles[input];
}

const char *mf_cost_way_key(mf_cost_way way)
{
    static const char *const keys[] = {MF_COST_WAY_LIST(KEY)};
    return keys[way];
}

const char *mf_cost_way_title(mf_cost_way way)
{
    static const char *const titles[] = {MF_COST_WAY_LIST(TITLE)};
    return titles[way];
}

const char *mf_cost_part_key(mf_cost_part part)
{
    static const char *const keys[] = {MF_COST_PART_LIST(KEY)};
    return keys[part];
}

const char *mf_cost_part_title(mf_cost_part part)
{
    static const char *const titles[] = {MF_COST_PART_LIST(TITLE)};
    return titles[part];
}

mf_status mf_cost_assume(mf_range *range, const mf_prices *prices, const char *id, mf_error *err)
{
    const mf_assumption *row = NULL;
    const mf_status status = mf_price_assumption(&row, prices, id, err);
    if (status == MF_OK) {
        range->value = row->value.value;
        range->low = row->low.known ? row->low.value : range->value;
        range->high = row->high.known ? row->high.value : range->value;
    }
    return status;
}
