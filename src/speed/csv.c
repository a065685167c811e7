#include "speed/csv.h"

/* Copies a field down over itself without its quotes; returns the character that ended it. */
static char split_field(mf_csv *csv, char **field)
{
    char *from = csv->next;
    char *to = csv->next;
    bool quoted = false;
    *field = to;
    for (; *from != '\0'; from++) {
        if (*from == '"') {
            if (quoted && from[1] == '"') {
                *to++ = '"';
                from++;
            } else {
                quoted = !quoted;
            }
            continue;
        }
        if (!quoted && (*from == ',' || *from == '\n')) {
            break;
        }
        csv->next_line += *from == '\n' ? 1 : 0;
        *to++ = *from;
    }
    const char end = *from;
    csv->next = end == '\0' ? from : from + 1;
    if (end != ',' && to > *field && to[-1] == '\r') {
        to--;
    }
    *to = '\0';
    return end;
}

bool mf_csv_row(mf_csv *csv, char **fields, size_t max, size_t *n)
{
    if (*csv->next == '\0') {
        return false;
    }
    csv->next_line = csv->next_line == 0 ? 1 : csv->next_line;
    csv->line = csv->next_line;
    *n = 0;
    char end = ',';
    while (end == ',') {
        char *field = NULL;
        end = split_field(csv, &field);
        if (*n < max) {
            fields[*n] = field;
        }
        (*n)++;
    }
    csv->next_line++;
    return true;
}
