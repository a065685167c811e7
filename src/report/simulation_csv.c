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

void mf_simulation_csv_header(mf_str *out)
{
    mf_str_add(out,
               "model,quant,machine,engine,rate_per_s,best,requests,done,saturated,within_slo,"
               "ttft_mean_s,ttft_p95_s,ttft_p99_s,tpot_mean_s,tpot_p95_s,tpot_p99_s,e2e_mean_s,"
               "e2e_p95_s,e2e_p99_s,output_tok_s,total_tok_s,utilization,kv_peak_fraction,basis,"
               "speed_low_factor,speed_high_factor\n");
}

static void add_number(mf_str *out, bool known, double value)
{
    enum { DIGITS = 6 };
    char text[MF_NUMBER_SIZE];
    mf_str_printf(out, ",%s", known ? mf_number_text(text, value, DIGITS) : "");
}

static void add_latency(mf_str *out, bool told, const mf_latency *spread)
{
    add_number(out, told && spread->known && !spread->swings, spread->mean);
    add_number(out, told && spread->known, spread->quantiles[MF_P95]);
    add_number(out, told && spread->known, spread->quantiles[MF_P99]);
}

void mf_simulation_csv_line(mf_str *out, const mf_simulation_row *row)
{
    const mf_simulation *s = row->simulation;
    const mf_promise *p = &row->promise;
    const bool found = row->search == NULL || row->search->found;
    const bool told = s->fits && found;
    const bool promised = p->ttft_s > 0 || p->tpot_s > 0 || p->e2e_s > 0;
    const mf_case *run = row->of.run;
    mf_str_printf(out,
                  "%s,%s,%s,%s",
                  run->model->id,
                  row->of.quant_name,
                  run->machine->id,
                  run->engine->name);
    add_number(out, row->rate_per_s > 0, row->rate_per_s);
    add_number(out,
               row->search != NULL && row->search->found,
               row->search != NULL ? row->search->best : 0);
    add_number(out, told, (double)s->n_requests);
    add_number(out, told, (double)s->n_outcomes[MF_SERVED_DONE]);
    mf_str_printf(out, ",%s", !told ? "" : s->saturated ? "true" : "false");
    add_number(out, told && promised, s->within_share);
    add_latency(out, told, &s->ttft_s);
    add_latency(out, told, &s->tpot_s);
    add_latency(out, told, &s->e2e_s);
    add_number(out, told, s->output_tok_s);
    add_number(out, told, s->total_tok_s);
    add_number(out, told, s->utilization);
    add_number(out, told, s->kv_peak_fraction);
    mf_str_printf(out, ",%s", told ? mf_basis_name(s->basis) : "");
    add_number(out, told, s->slowest);
    add_number(out, told, s->fastest);
    mf_str_add(out, "\n");
}
