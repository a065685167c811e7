/*
 * usage.h - who uses a machine and how, as read from a workload file: streams of users, agents or programs. docs/simulate.md
 * says what the keys mean.
 */
#ifndef MF_SIMULATE_USAGE_H
#define MF_SIMULATE_USAGE_H

#include "simulate/amount.h"

/* What is drawn for a stream. */
typedef enum mf_usage_part {
    MF_USAGE_TURNS,  /* of a session */
    MF_USAGE_SYSTEM, /* tokens that all sessions begin with */
    MF_USAGE_FIRST,  /* tokens of the first turn beside the system prompt; none: as INPUT */
    MF_USAGE_INPUT,  /* tokens that a turn adds */
    MF_USAGE_OUTPUT,
    MF_USAGE_PAUSE,     /* seconds from an answer to the next turn */
    MF_USAGE_AWAY,      /* seconds from a session's last answer to the user's next session */
    MF_USAGE_DOCUMENTS, /* texts that a turn adds in front of its input, found for it */
    MF_USAGE_DOCUMENT,  /* tokens of one */
    MF_USAGE_PART_COUNT
} mf_usage_part;

typedef struct mf_usage_stream {
    char name[MF_STREAM_NAME_SIZE];
    uint32_t n_users; /* 0: sessions begin by themselves, rate_per_s of them a second */
    double rate_per_s;
    mf_gap_kind gaps;
    double burstiness;
    mf_amount parts[MF_USAGE_PART_COUNT];
} mf_usage_stream;

struct mf_usage {
    mf_usage_stream streams[MF_MAX_STREAMS];
    size_t n_streams;
    double duration_s; /* 0: as long as there are requests to come */
};

/* From text in memory; `name` stands in messages. */
mf_status
mf_usage_parse(mf_usage **out, const char *text, size_t size, const char *name, mf_error *err);

/* How many requests a demand's usage makes; 0: as many as its duration brings. */
uint64_t mf_demand_count(const mf_demand *demand);

#endif
