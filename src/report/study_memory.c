/*
 * study_memory.c - what takes the memory, of each machine against its limit.
 */
#include <stdio.h>
#include <stdlib.h>

#include "base/units.h"
#include "report/study.h"
#include "report/wording.h"

static void memory_rows(mf_document *d, const mf_place *place)
{
    char bytes[MF_NUMBER_SIZE + 16];
    double sum = 0;
    double row = 0;
    for (size_t t = 0; t < MF_TERM_COUNT; t++) {
        const double size = (double)place->terms[t] / 1073741824.0;
        if (!(size > 0)) {
            continue;
        }
        mf_document_point(d,
                          (mf_chart_point){.x = sum, .y = row, .low = sum, .high = sum + size},
                          mf_memory_term_title((mf_memory_term)t));
        mf_document_point_note(d, "%s", mf_bytes_text(bytes, (double)place->terms[t], 3));
        sum += size;
        row += 1;
    }
    const bool over = place->need_bytes > place->limit_bytes;
    mf_document_point(
        d,
        (mf_chart_point){
            .x = 0, .y = row, .low = 0, .high = sum, .tone = over ? MF_TONE_BAD : MF_TONE_GOOD},
        "total");
    mf_document_point_note(d, "%s", mf_bytes_text(bytes, (double)place->need_bytes, 3));
    if (place->limit_bytes > 0) {
        mf_document_rule(d, true, (double)place->limit_bytes / 1073741824.0, "may be used");
    }
}

static void memory_chart(mf_document *d, const char *machine, const mf_place *place)
{
    const mf_axis gib = {.kind = MF_AXIS_LINEAR, .title = "GiB", .from_zero = true};
    char heading[MF_WORDING_SIZE];
    (void)snprintf(heading, sizeof heading, "Memory of %s on %s", machine, place->name);
    mf_document_chart(
        d, heading, "Waterfall of the memory terms, their total and the limit", gib, (mf_axis){0});
    mf_document_series(d, MF_MARK_BARS, false, NULL);
    memory_rows(d, place);
}

static bool is_used(const mf_memory *needs, size_t n, mf_memory_term term)
{
    bool used = false;
    for (size_t i = 0; i < n; i++) {
        used = used || needs[i].places[0].terms[term] > 0;
    }
    return used;
}

static void bytes_cell(mf_document *d, uint64_t bytes)
{
    char shown[MF_NUMBER_SIZE + 16];
    mf_document_cell(d, "%s", bytes > 0 ? mf_bytes_text(shown, (double)bytes, 3) : "-");
}

/* The same as a table: terms that no machine has are left out. */
static void memory_table(mf_document *d, const mf_study *study, const mf_memory *needs)
{
    const size_t n = study->n_machines;
    size_t n_terms = 0;
    for (size_t t = 0; t < MF_TERM_COUNT; t++) {
        n_terms += is_used(needs, n, (mf_memory_term)t) ? 1 : 0;
    }
    mf_document_begin(d, MF_BLOCK_TABLE, n_terms + 3, "Memory of the first device");
    mf_document_cell(d, "machine");
    for (size_t t = 0; t < MF_TERM_COUNT; t++) {
        if (is_used(needs, n, (mf_memory_term)t)) {
            mf_document_cell(d, "%s", mf_memory_term_title((mf_memory_term)t));
        }
    }
    mf_document_cell(d, "total");
    mf_document_cell(d, "may be used");
    for (size_t m = 0; m < n; m++) {
        const mf_place *place = &needs[m].places[0];
        mf_document_cell(d, "%s", study->machines[m]->id);
        for (size_t t = 0; t < MF_TERM_COUNT; t++) {
            if (is_used(needs, n, (mf_memory_term)t)) {
                bytes_cell(d, place->terms[t]);
            }
        }
        bytes_cell(d, place->need_bytes);
        bytes_cell(d, place->limit_bytes);
    }
}

mf_status mf_study_memory(mf_document *document, const mf_study *study, mf_error *err)
{
    mf_memory *needs = calloc(study->n_machines + 1, sizeof *needs);
    mf_status status =
        needs != NULL ? MF_OK : mf_fail(err, MF_E_NOMEM, "out of memory for a study");
    for (size_t m = 0; status == MF_OK && m < study->n_machines; m++) {
        const mf_case run = mf_study_case(study, 0, m);
        status = mf_memory_need(&needs[m], &run, err);
        if (status == MF_OK) {
            memory_chart(document, run.machine->id, &needs[m].places[0]);
        }
    }
    if (status == MF_OK) {
        memory_table(document, study, needs);
    }
    free(needs);
    return status;
}
