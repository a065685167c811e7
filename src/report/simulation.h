/*
 * simulation.h - a simulation as JSON (schema memfit.simulation/1, docs/json.md), as a document, and its requests as CSV.
 */
#ifndef MF_REPORT_SIMULATION_H
#define MF_REPORT_SIMULATION_H

#include "memfit/simulate.h"
#include "report/prediction.h"

/* What a view needs to know; borrowed. */
typedef struct mf_simulation_shown {
    mf_shown of; /* model, machine, engine */
    const mf_simulation *simulation;
    const mf_open_load *load;    /* NULL: no drawn load */
    const char *trace;           /* a file; NULL: none */
    const char *workload;        /* the same */
    uint32_t n_users;            /* of options; 0: none */
    const mf_open_load *lengths; /* of these users */
    double think_s;
    uint64_t seed;
    mf_promise promise; /* zeros: none */
    bool watts_known;   /* of one machine */
    double active_w;
    double idle_w;
    bool unicode;            /* small charts of block characters */
    bool draws;              /* the writer has drawings: small charts are left out */
    const mf_search *search; /* NULL: none */
} mf_simulation_shown;

void mf_show_simulation(mf_document *document, const mf_simulation_shown *shown);
mf_status mf_write_simulation_json(mf_str *out, const mf_simulation_shown *shown, mf_error *err);

/* Parts of what mf_show_simulation shows: small charts for every writer, and drawings for those that have some. */
void mf_show_simulation_over_time(mf_document *document, const mf_simulation *s, bool unicode);
void mf_draw_simulation(mf_document *document, const mf_simulation_shown *shown);

/* Joules of all machines together. */
double mf_simulation_joules(const mf_simulation_shown *shown);

/* A file in Chrome's trace format, piece by piece. */
void mf_trace_begin(mf_str *out);
void mf_trace_request(mf_str *out, uint64_t id, const mf_served_request *served);
void mf_trace_steps(mf_str *out, const mf_served_steps *steps);
void mf_trace_end(mf_str *out, uint32_t n_servers);

/* A line of a table of simulations (docs/json.md). */
typedef struct mf_simulation_row {
    mf_shown of;
    const mf_simulation *simulation;
    const mf_search *search; /* NULL: none */
    double rate_per_s;       /* 0: the requests have none */
    mf_promise promise;
} mf_simulation_row;

void mf_simulation_csv_header(mf_str *out);
void mf_simulation_csv_line(mf_str *out, const mf_simulation_row *row);

/* The header line and one line of the per-request CSV. */
void mf_served_csv_header(mf_str *out);
void mf_served_csv_line(mf_str *out, const mf_served_request *served);

#endif
