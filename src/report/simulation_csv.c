#include <inttypes.h>

#include "base/num.h"
#include "report/simulation.h"

/* Nine decimals: the simulation's own nanoseconds, so that a line is exact however late it is. */
enum { DECIMALS = 9 };

void mf_served_csv_header(mf_str *out)
{
    mf_str_add(out, "arrival_s,input_tokens,output_tokens,queue_s,ttft_s,tpot_s,e2e_s\n");
}

static void add_time(mf_str *out, bool known, double seconds)
{
    char text[MF_NUMBER_SIZE];
    mf_str_printf(out, ",%s", known ? mf_fixed_text(text, seconds, DECIMALS) : "");
}

void mf_served_csv_line(mf_str *out, const mf_served_request *served)
{
    char text[MF_NUMBER_SIZE];
    const bool began = served->output_tokens > 0;
    mf_str_printf(out,
                  "%s,%" PRIu64 ",%" PRIu64,
                  mf_fixed_text(text, served->arrival_s, DECIMALS),
                  served->input_tokens,
                  served->output_tokens);
    add_time(out, began, served->queue_s);
    add_time(out, began, served->ttft_s);
    add_time(out, served->output_tokens > 1, served->tpot_s);
    add_time(out, served->outcome != MF_SERVED_REFUSED, served->e2e_s);
    mf_str_add(out, "\n");
}
