#include "report/wording.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/units.h"

enum { MIB = 1024 * 1024, GTT_PAGE = 4096 };

const char *mf_rate_text(char text[MF_WORDING_SIZE], const mf_rate *rate)
{
    static const double narrow = 0.05;
    if (!rate->known) {
        return "-";
    }
    const bool third = rate->high_tok_s - rate->low_tok_s < 2 * narrow * rate->tok_s;
    return mf_number_text(text, rate->tok_s, third ? 3 : 2);
}

const char *mf_range_text(char text[MF_WORDING_SIZE], const mf_rate *rate)
{
    char low[MF_NUMBER_SIZE];
    char high[MF_NUMBER_SIZE];
    if (!rate->known) {
        return "-";
    }
    (void)snprintf(text,
                   MF_WORDING_SIZE,
                   "%s - %s",
                   mf_number_text(low, rate->low_tok_s, 2),
                   mf_number_text(high, rate->high_tok_s, 2));
    return text;
}

const char *mf_duration_text(char text[MF_WORDING_SIZE], const mf_duration *duration)
{
    char point[MF_NUMBER_SIZE + 16];
    char low[MF_NUMBER_SIZE + 16];
    char high[MF_NUMBER_SIZE + 16];
    if (!duration->known) {
        return "not known";
    }
    (void)snprintf(text,
                   MF_WORDING_SIZE,
                   "%s (90 %%: %s to %s)",
                   mf_quantity_text(point, duration->s, MF_DIM_TIME, 2),
                   mf_quantity_text(low, duration->low_s, MF_DIM_TIME, 2),
                   mf_quantity_text(high, duration->high_s, MF_DIM_TIME, 2));
    return text;
}

const char *mf_percent_text(char text[MF_WORDING_SIZE], double part, double whole)
{
    char number[MF_NUMBER_SIZE];
    if (whole <= 0) {
        return "";
    }
    const double percent = 100 * part / whole;
    (void)snprintf(
        text, MF_WORDING_SIZE, "%s %%", mf_fixed_text(number, percent, percent < 10 ? 1 : 0));
    return text;
}

const char *mf_sequences_text(char text[MF_WORDING_SIZE], const mf_workload *workload)
{
    if (workload->n_parallel < 2) {
        return "";
    }
    if (workload->kv_unified) {
        (void)snprintf(text, MF_WORDING_SIZE, " shared by %u sequences", workload->n_parallel);
    } else {
        (void)snprintf(text,
                       MF_WORDING_SIZE,
                       ", %" PRIu64 " for each of %u sequences",
                       workload->n_ctx / workload->n_parallel,
                       workload->n_parallel);
    }
    return text;
}

const char *mf_price_text(char text[MF_WORDING_SIZE], const mf_price *price)
{
    char low[MF_NUMBER_SIZE];
    char high[MF_NUMBER_SIZE];
    const char *currency = mf_currency_name(price->currency);
    if (price->known && price->high > price->low) {
        (void)snprintf(text,
                       MF_WORDING_SIZE,
                       "%s - %s %s",
                       mf_number_text(low, price->low, 6),
                       mf_number_text(high, price->high, 6),
                       currency);
        return text;
    }
    if (price->known) {
        (void)snprintf(
            text, MF_WORDING_SIZE, "%s %s", mf_number_text(low, price->value, 6), currency);
        return text;
    }
    if (price->n_cards > 0) {
        const bool range = price->cards_high > price->cards_low;
        (void)snprintf(text,
                       MF_WORDING_SIZE,
                       "%s alone %s%s%s %s",
                       price->n_cards > 1 ? "cards" : "card",
                       mf_number_text(low, price->cards_low, 6),
                       range ? " - " : "",
                       range ? mf_number_text(high, price->cards_high, 6) : "",
                       currency);
        return text;
    }
    return "not known";
}

/* Makers' prices and what was seen in shops are different things: a card's price at launch may be years old. */
const char *mf_price_date_text(char text[MF_WORDING_SIZE], const mf_price *price)
{
    static const char *const standings[] = {[MF_PRICE_CURRENT] = "",
                                            [MF_PRICE_OLD] = ", years old",
                                            [MF_PRICE_PAST] = ", no longer sold"};
    static const char *const kinds[] = {[MF_SOURCE_VENDOR] = "list ",
                                        [MF_SOURCE_MEASURED] = "street ",
                                        [MF_SOURCE_DERIVED] = "derived ",
                                        [MF_SOURCE_ASSUMED] = "assumed "};
    const mf_purchase *row = price->row;
    if (row == NULL) {
        return price->known ? "as you said" : "-";
    }
    (void)snprintf(text,
                   MF_WORDING_SIZE,
                   "%s%s%s%s",
                   row->condition == MF_USED ? "used, " : "",
                   row->sources.n_items > 0 ? kinds[row->sources.items[0].kind] : "",
                   row->date,
                   standings[price->standing]);
    return text;
}

size_t mf_price_footnote(mf_document *document, const mf_price *price)
{
    const mf_purchase *row = price->row;
    char title[MF_WORDING_SIZE];
    if (row == NULL || row->sources.n_items == 0) {
        return 0;
    }
    mf_source source = row->sources.items[0];
    (void)snprintf(title,
                   sizeof title,
                   "%.80s: %.120s, %.40s",
                   row->item,
                   source.title != NULL ? source.title : "price",
                   row->date);
    source.title = title;
    return mf_document_footnote(document, &source);
}

void mf_show_price(mf_document *document, const char *id, const mf_price *price)
{
    char full[160];
    char text[MF_WORDING_SIZE];
    const bool cards = !price->known && price->n_cards > 0;
    const double low = cards ? price->cards_low : price->low;
    const double high = cards ? price->cards_high : price->high;
    mf_document_cell(document, "%s", mf_price_text(text, price));
    if (price->known || cards) {
        (void)snprintf(full, sizeof full, "price/%.100s", id);
        mf_document_figure(document,
                           full,
                           cards ? "newest price of the cards alone" : "newest price of the item",
                           mf_currency_name(price->currency),
                           cards ? (low + high) / 2 : price->value);
        mf_document_interval(document, low, high);
        if (price->row != NULL) {
            mf_document_input(document,
                              mf_price_footnote(document, price),
                              "price",
                              "%s, %s",
                              price->row->item,
                              price->row->date);
        }
    }
    mf_document_cell(document, "%s", mf_price_date_text(text, price));
}

const char *mf_span_text(char text[MF_WORDING_SIZE], double years)
{
    static const double weeks_per_year = 365.25 / 7;
    static const double months_per_year = 12;
    static const double one = 1 - 1e-9;
    static const double least_months = 0.2; /* years */
    const bool short_one = years < least_months;
    const double n = years >= one ? years : years * (short_one ? weeks_per_year : months_per_year);
    char number[MF_NUMBER_SIZE];
    (void)mf_number_text(number, n, 2);
    (void)snprintf(text,
                   MF_WORDING_SIZE,
                   "%s %s%s",
                   number,
                   years >= one ? "year"
                   : short_one  ? "week"
                                : "month",
                   strcmp(number, "1") == 0 ? "" : "s");
    return text;
}

const mf_place *mf_tightest_place(const mf_memory *memory)
{
    const mf_place *worst = &memory->places[0];
    double most = -1;
    for (size_t i = 0; i < memory->n_places; i++) {
        const mf_place *place = &memory->places[i];
        const double filled =
            place->limit_bytes > 0 ? (double)place->need_bytes / (double)place->limit_bytes : -1;
        if (place->need_bytes > 0 && filled > most) {
            worst = place;
            most = filled;
        }
    }
    return worst;
}

bool mf_raised_of(mf_raised *raised, const mf_memory *memory, const mf_place *place)
{
    static const uint64_t swap_below = UINT64_C(4096) * MIB; /* what a desktop at rest holds */
    const bool gtt = place->raise == MF_RAISE_GTT;
    const uint64_t shared = memory->shared_limit_bytes;
    if (place->raised_limit_bytes <= place->limit_bytes) {
        return false;
    }
    *raised = (mf_raised){.limit_bytes = place->raised_limit_bytes,
                          .until = gtt ? "" : ", until the next restart",
                          .fits = shared == 0 || memory->total_bytes <= shared};
    for (size_t i = 0; i < memory->n_places; i++) {
        const mf_place *p = &memory->places[i];
        raised->fits = raised->fits && p->need_bytes <= p->raised_limit_bytes;
    }
    raised->left_bytes = raised->fits && shared > 0 ? shared - memory->total_bytes : 0;
    raised->may_swap = raised->fits && shared > 0 && raised->left_bytes < swap_below;
    (void)snprintf(raised->command,
                   sizeof raised->command,
                   "%s=%" PRIu64,
                   gtt ? "kernel parameter ttm.pages_limit" : "sudo sysctl iogpu.wired_limit_mb",
                   raised->limit_bytes / (gtt ? GTT_PAGE : MIB));
    return true;
}

/* What the other limit would say, how to get it, and what it leaves for the rest of the system. */
static void add_raised(char *text, size_t size, const mf_memory *memory, const mf_place *place)
{
    char room[MF_NUMBER_SIZE + 16];
    char rest[MF_WORDING_SIZE] = "";
    mf_raised raised;
    if (!mf_raised_of(&raised, memory, place)) {
        return;
    }
    if (raised.fits && memory->shared_limit_bytes > 0) {
        (void)snprintf(rest,
                       sizeof rest,
                       ", %s left for everything else%s",
                       mf_bytes_text(room, (double)raised.left_bytes, 2),
                       raised.may_swap ? ": it may swap" : "");
    }
    (void)snprintf(text,
                   size,
                   "; with the GPU limit raised (%s%s) it %s%s",
                   raised.command,
                   raised.until,
                   raised.fits ? "fits" : "does not fit either",
                   rest);
}

const char *mf_verdict_text(char text[MF_WORDING_SIZE], const mf_memory *memory)
{
    char room[MF_NUMBER_SIZE + 16];
    char sure[MF_NUMBER_SIZE];
    const mf_place *place = mf_tightest_place(memory);
    const bool over = place->need_bytes > place->limit_bytes;
    const double gap = over ? (double)(place->need_bytes - place->limit_bytes)
                            : (double)(place->limit_bytes - place->need_bytes);
    const double percent = 100 * memory->fits_probability;
    const double shown = percent > 99 ? 99 : percent < 1 ? 1 : percent;
    int n = snprintf(text,
                     MF_WORDING_SIZE,
                     "%s %s on %s, probability of fitting %s%s %%",
                     mf_bytes_text(room, gap, 3),
                     over ? "missing" : "to spare",
                     place->name,
                     percent > 99  ? "over "
                     : percent < 1 ? "under "
                                   : "",
                     mf_number_text(sure, shown, 2));
    if (over && n > 0 && n < MF_WORDING_SIZE) {
        add_raised(text + n, (size_t)(MF_WORDING_SIZE - n), memory, place);
    }
    return text;
}
