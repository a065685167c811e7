/*
 * wording.h - figures in the words of every view: 2 to 3 digits, ranges, GiB.
 */
#ifndef MF_REPORT_WORDING_H
#define MF_REPORT_WORDING_H

#include "base/num.h"
#include "memfit/price.h"
#include "report/prediction.h"

enum { MF_WORDING_SIZE = 256 };

/* "30", "-" if it is not known: no more digits than the interval supports, a third below +-5 %. */
const char *mf_rate_text(char text[MF_WORDING_SIZE], const mf_rate *rate);
/* "26 - 34", "-" if it is not known. */
const char *mf_range_text(char text[MF_WORDING_SIZE], const mf_rate *rate);
/* "2.4 s (2.0 to 2.9 s)". */
const char *mf_duration_text(char text[MF_WORDING_SIZE], const mf_duration *duration);
/* "37 %" of a whole, "" without one. */
const char *mf_percent_text(char text[MF_WORDING_SIZE], double part, double whole);
/* ", 2048 for each of 4 sequences", "" for one. */
const char *mf_sequences_text(char text[MF_WORDING_SIZE], const mf_workload *workload);
/* A GPU limit that its owner can raise, as far as the rest of the system can spare it. */
typedef struct mf_raised {
    char command[80];  /* what raises it: "sudo sysctl iogpu.wired_limit_mb=58982" */
    const char *until; /* ", until the next restart", or "" */
    uint64_t limit_bytes;
    uint64_t left_bytes; /* of the memory for everything else, if it fits */
    bool fits;           /* the whole case, with this place's limit raised */
    bool may_swap;       /* less is left than a desktop at rest holds */
} mf_raised;

/* False where nothing raises the place's limit. */
bool mf_raised_of(mf_raised *raised, const mf_memory *memory, const mf_place *place);
/* The place that is filled most, which decides. */
const mf_place *mf_tightest_place(const mf_memory *memory);
/* What stands behind "FITS": room, probability, and what a raised limit changes. */
const char *mf_verdict_text(char text[MF_WORDING_SIZE], const mf_memory *memory);

/* "3499 USD", "1959 - 2200 USD", "not known". */
const char *mf_price_text(char text[MF_WORDING_SIZE], const mf_price *price);
/* What kind of price it is and when it held: "list 2026-09-22", "street 2026-09", "list 2025-03-12, no longer sold". */
const char *mf_price_date_text(char text[MF_WORDING_SIZE], const mf_price *price);

/* The source of a price, named by what it is the price of and when: many are called "street price". 0: none. */
size_t mf_price_footnote(mf_document *document, const mf_price *price);

/* Two cells, the price as a figure and its date: "price/ID". */
void mf_show_price(mf_document *document, const char *id, const mf_price *price);

/* "3 years", "2.1 weeks". */
const char *mf_span_text(char text[MF_WORDING_SIZE], double years);

/* Commands of the engine's own tools that measure or compute the same case. */
void mf_show_check_commands(mf_document *document, const mf_shown *shown);

#endif
