/*
 * study_paths.c - where a model's bytes lie on a machine and over what they travel: what the words "unified memory" and
 * "discrete card" come down to.
 */
#include <stdio.h>
#include <string.h>

#include "base/units.h"
#include "report/study.h"
#include "report/wording.h"

typedef char rate_text[MF_NUMBER_SIZE + 16];

static const mf_link *link_of(const mf_machine *machine, const char *id)
{
    for (size_t i = 0; id != NULL && i < machine->n_links; i++) {
        if (strcmp(machine->links[i].id, id) == 0) {
            return &machine->links[i];
        }
    }
    return NULL;
}

static const char *rate_of(rate_text text, const mf_fact *rate)
{
    return rate->known ? mf_quantity_text(text, rate->value, MF_DIM_BANDWIDTH, 4) : "not known";
}

/* A fact of the machine as a figure of the latest cell. */
static void trace_fact(mf_document *d,
                       const mf_machine *machine,
                       const char *what,
                       const char *unit,
                       const mf_fact *fact)
{
    char id[128];
    const bool sourced = fact->source >= 0 && (size_t)fact->source < machine->sources.n_items;
    if (fact->known) {
        (void)snprintf(id, sizeof id, "%s/%.60s", what, machine->id);
        mf_document_figure(d, id, "specified, or as the source derives it", unit, fact->value);
        mf_document_input(d,
                          sourced ? mf_document_footnote(d, &machine->sources.items[fact->source])
                                  : 0,
                          "machine",
                          "%s",
                          machine->name);
    }
}

static void memory_cell(mf_document *d, const mf_machine *machine)
{
    char bytes[MF_NUMBER_SIZE + 16];
    const mf_pool *unified = mf_machine_pool(machine, MF_POOL_UNIFIED);
    const mf_pool *own = unified != NULL ? unified : mf_machine_pool(machine, MF_POOL_DEVICE);
    const mf_machine_device *first = machine->n_devices > 0 ? &machine->devices[0] : NULL;
    const uint32_t count = (first != NULL ? first->count : 1) * machine->n_nodes;
    char times[16] = "";
    if (own == NULL || !own->capacity_bytes.known) {
        mf_document_cell(d, "not known");
        return;
    }
    if (count > 1) {
        (void)snprintf(times, sizeof times, "%u x ", count);
    }
    mf_document_cell(d,
                     "%s, %s%s",
                     unified != NULL ? "one for CPU and GPU" : "the card's own",
                     times,
                     mf_bytes_text(bytes, own->capacity_bytes.value, 3));
    trace_fact(d, machine, "capacity", "bytes", &own->capacity_bytes);
}

static void speed_cell(mf_document *d, const mf_machine *machine)
{
    rate_text text;
    char id[96];
    const mf_device *device = machine->n_devices > 0 ? machine->devices[0].device : NULL;
    if (device == NULL || !device->bandwidth_bytes_per_s.known) {
        mf_document_cell(d, "-");
        return;
    }
    const mf_fact *fact = &device->bandwidth_bytes_per_s;
    const bool sourced = fact->source >= 0 && (size_t)fact->source < device->sources.n_items;
    mf_document_cell(d, "%s", rate_of(text, fact));
    (void)snprintf(id, sizeof id, "bandwidth/%.60s", machine->id);
    mf_document_figure(d, id, "specified, of one device", "bytes/s", fact->value);
    mf_document_input(d,
                      sourced ? mf_document_footnote(d, &device->sources.items[fact->source]) : 0,
                      "device",
                      "%s",
                      device->name);
}

static void host_cell(mf_document *d, const mf_machine *machine)
{
    char bytes[MF_NUMBER_SIZE + 16];
    rate_text memory;
    rate_text over;
    const mf_pool *host = mf_machine_pool(machine, MF_POOL_HOST);
    const mf_device *device = machine->n_devices > 0 ? machine->devices[0].device : NULL;
    const char *id = machine->host_link != NULL ? machine->host_link
                     : device != NULL           ? device->host_link
                                                : NULL;
    const mf_link *link = link_of(machine, id);
    if (host == NULL || !host->capacity_bytes.known) {
        mf_document_cell(d,
                         "%s",
                         mf_machine_pool(machine, MF_POOL_UNIFIED) != NULL ? "is the same memory"
                                                                           : "-");
        return;
    }
    mf_document_cell(d,
                     "read at %s (%s) over %s, %s",
                     rate_of(memory, &host->bandwidth_bytes_per_s),
                     mf_bytes_text(bytes, host->capacity_bytes.value, 3),
                     link != NULL ? link->name : "a link",
                     link != NULL ? rate_of(over, &link->bandwidth_bytes_per_s) : "not known");
    trace_fact(d, machine, "host-bandwidth", "bytes/s", &host->bandwidth_bytes_per_s);
    trace_fact(d, machine, "host-capacity", "bytes", &host->capacity_bytes);
    if (link != NULL) {
        trace_fact(d, machine, "host-link", "bytes/s", &link->bandwidth_bytes_per_s);
    }
}

static void between_cell(mf_document *d, const mf_machine *machine)
{
    rate_text over;
    const mf_device *device = machine->n_devices > 0 ? machine->devices[0].device : NULL;
    const bool several = machine->n_nodes > 1 || (device != NULL && machine->devices[0].count > 1);
    const char *id = machine->n_nodes > 1           ? machine->node_link
                     : machine->device_link != NULL ? machine->device_link
                     : device != NULL               ? device->peer_link
                                                    : NULL;
    const mf_link *link = several ? link_of(machine, id) : NULL;
    if (link == NULL) {
        mf_document_cell(d, several ? "through the host" : "-");
        return;
    }
    mf_document_cell(d, "%s, %s", link->name, rate_of(over, &link->bandwidth_bytes_per_s));
    trace_fact(d, machine, "device-link", "bytes/s", &link->bandwidth_bytes_per_s);
}

void mf_study_paths(mf_document *document, const mf_study *study)
{
    static const char *const headings[] = {
        "machine", "memory of the model", "reads at", "host memory", "between devices"};
    const size_t n = sizeof headings / sizeof headings[0];
    mf_document_begin(document, MF_BLOCK_TABLE, n, "Where the data lies and over what it travels");
    for (size_t i = 0; i < n; i++) {
        mf_document_cell(document, "%s", headings[i]);
    }
    for (size_t m = 0; m < study->n_machines; m++) {
        const mf_machine *machine = study->machines[m];
        mf_document_cell(document, "%s", machine->id);
        memory_cell(document, machine);
        speed_cell(document, machine);
        host_cell(document, machine);
        between_cell(document, machine);
    }
}
