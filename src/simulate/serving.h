/*
 * serving.h - what an engine gets to work with on a machine: its settings, and the cache that the memory model leaves.
 */
#ifndef MF_SIMULATE_SERVING_H
#define MF_SIMULATE_SERVING_H

#include "memfit/simulate.h"
#include "simulate/pace_make.h"
#include "simulate/server.h"

/* One server and how many there are. End with mf_served_free. */
typedef struct mf_served_setup {
    mf_case one;        /* the case of one server, as it holds max_sequences */
    mf_machine machine; /* of one server: borrows all but the list of devices */
    mf_machine_device device;
    mf_server_settings settings;
    uint32_t n_servers;
    uint32_t n_together; /* of them step together: they share a mixture's experts */
    uint32_t devices_per_server;
    const mf_rules *rules;
    mf_pace pace;
    mf_pace_ground ground;
    bool fits;
    char why[MF_WARNING_SIZE]; /* it does not */
} mf_served_setup;

mf_status mf_served_set_up(mf_served_setup *setup, const mf_simulation_run *run, mf_error *err);
void mf_served_free(mf_served_setup *setup);

#endif
