#include "base/checked.h"
#include "memory/internal.h"

#define TERM_KEY(name, key, title) [name] = (key),
#define TERM_TITLE(name, key, title) [name] = (title),

const char *mf_memory_term_key(mf_memory_term term)
{
    static const char *const keys[MF_TERM_COUNT] = {MF_TERM_LIST(TERM_KEY)};
    return keys[term];
}

const char *mf_memory_term_title(mf_memory_term term)
{
    static const char *const titles[MF_TERM_COUNT] = {MF_TERM_LIST(TERM_TITLE)};
    return titles[term];
}

int64_t mf_memory_headroom(const mf_memory *memory)
{
    int64_t least = mf_least_left(INT64_MAX, memory->total_bytes, memory->shared_limit_bytes);
    for (size_t i = 0; i < memory->n_places; i++) {
        least = mf_least_left(least, memory->places[i].need_bytes, memory->places[i].limit_bytes);
    }
    return least;
}

bool mf_memory_is_exact(const mf_memory *memory, mf_memory_term term)
{
    return !(memory->ranges[term].below > 0 || memory->ranges[term].above > 0);
}

uint64_t mf_memory_low_bytes(const mf_memory *memory, mf_memory_term term, uint64_t bytes)
{
    return bytes - (uint64_t)(memory->ranges[term].below * (double)bytes + 0.5);
}

uint64_t mf_memory_high_bytes(const mf_memory *memory, mf_memory_term term, uint64_t bytes)
{
    return bytes + (uint64_t)(memory->ranges[term].above * (double)bytes + 0.5);
}

mf_status
mf_memory_add(mf_memory *memory, size_t place, mf_memory_term term, uint64_t bytes, mf_error *err)
{
    mf_place *p = &memory->places[place];
    if (!mf_add(&p->terms[term], p->terms[term], bytes) ||
        !mf_add(&p->need_bytes, p->need_bytes, bytes) ||
        !mf_add(&memory->terms[term], memory->terms[term], bytes) ||
        !mf_add(&memory->total_bytes, memory->total_bytes, bytes)) {
        return mf_fail(err, MF_E_OVERFLOW, "the memory need exceeds 64 bits");
    }
    return MF_OK;
}
