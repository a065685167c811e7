#include "truth/tally.h"

#include <criterion/criterion.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "truth/table.h"

tally *tally_of(tally *tallies, const char *group)
{
    size_t i = 0;
    while (i < MAX_TALLIES - 1 && tallies[i].n > 0 && strcmp(tallies[i].group, group) != 0) {
        i++;
    }
    cr_assert(i < MAX_TALLIES - 1, "more groups than a table holds");
    (void)snprintf(tallies[i].group, sizeof tallies[i].group, "%s", group);
    return &tallies[i];
}

enum { ROUNDING = 128 };

void tally_expect(tally *row, const struct table *t, uint64_t ours, uint64_t known)
{
    tally_add(row, ours, known);
    cr_expect(ours <= known + ROUNDING && ours + ROUNDING >= known,
              "%s ctx %s x %s ubatch %s K %s flash %s: %llu, known %llu",
              table_text(t, "model"),
              table_text(t, "n_ctx"),
              table_text(t, "n_seq"),
              table_text(t, "n_ubatch"),
              table_text(t, "type_k"),
              table_text(t, "flash_attn"),
              (unsigned long long)ours,
              (unsigned long long)known);
}

void tally_add(tally *row, uint64_t ours, uint64_t known)
{
    const double off = known > 0 ? (double)ours / (double)known - 1 : 0;
    row->n++;
    row->over += ours > known + ROUNDING ? 1 : 0;
    row->under += ours + ROUNDING < known ? 1 : 0;
    row->exact = row->n - row->over - row->under;
    row->most_over = fmax(row->most_over, off);
    row->most_under = fmin(row->most_under, off);
}

void tally_print(const char *title, const tally *tallies)
{
    printf("%-22s rows  exact   over  under  most over  most under\n", title);
    for (size_t i = 0; tallies[i].n > 0; i++) {
        const tally *row = &tallies[i];
        printf("  %-18s %6zu %6zu %6zu %6zu   %+6.1f %%    %+6.1f %%\n",
               row->group,
               row->n,
               row->exact,
               row->over,
               row->under,
               100 * row->most_over,
               100 * row->most_under);
    }
}
