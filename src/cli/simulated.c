#include "cli/simulated.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/num.h"
#include "facts/json.h"

static mf_status
number_of(double *out, const mf_json *json, const mf_node *object, const char *key, mf_error *err)
{
    const mf_node *node = mf_node_get(object, key);
    return mf_node_double(out, node) && *out >= 0
               ? MF_OK
               : mf_json_fail(json,
                              node != NULL ? node : object,
                              err,
                              "'%s' must be a number that is not negative",
                              key);
}

static mf_status check_name(
    const mf_json *json, const mf_node *root, const char *key, const char *expected, mf_error *err)
{
    const mf_node *node = mf_node_get(root, key);
    const char *name = mf_node_string(node);
    return expected == NULL || (name != NULL && strcmp(name, expected) == 0)
               ? MF_OK
               : mf_json_fail(json,
                              node != NULL ? node : root,
                              err,
                              "'%s' is %s, here it is %s: simulate that one",
                              key,
                              name != NULL ? name : "missing",
                              expected);
}

/* Cut, failed and refused requests are tokens that the rates leave out. */
static mf_status check_outcomes(const mf_json *json, const mf_node *root, mf_error *err)
{
    static const char *const lost[] = {"cut", "failed", "refused"};
    const mf_node *outcomes = mf_node_get(root, "outcomes");
    bool saturated = false;
    if (!mf_node_bool(&saturated, mf_node_get(root, "saturated")) || saturated) {
        return mf_json_fail(
            json, root, err, "the machine was saturated: simulate a load that it can serve");
    }
    for (size_t i = 0; i < sizeof lost / sizeof lost[0]; i++) {
        double n = 0;
        const mf_status status =
            number_of(&n, json, outcomes != NULL ? outcomes : root, lost[i], err);
        if (status != MF_OK) {
            return status;
        }
        if (n > 0) {
            return mf_json_fail(json,
                                outcomes,
                                err,
                                "requests were %s: simulate what the machine can serve",
                                lost[i]);
        }
    }
    return MF_OK;
}

/* What is in work while something is: the mean over all time is the smaller for the time at rest. */
static mf_status
read_settings(mf_cli_simulated *s, const mf_json *json, const mf_node *root, mf_error *err)
{
    const mf_node *settings = mf_node_get(root, "engine_settings");
    double running = 0;
    double most = 0;
    mf_status status = number_of(&running, json, root, "mean_running", err);
    settings = settings != NULL ? settings : root;
    status = status == MF_OK ? number_of(&most, json, settings, "max_sequences", err) : status;
    if (status == MF_OK) {
        const double slack = 1e-6;
        const double together = ceil(running / s->utilization - slack);
        s->side_by_side = (uint32_t)fmin(fmax(1, together), fmax(1, fmin(most, 1e6)));
    }
    return status;
}

/* Older files don't have them. */
static void read_sureness(mf_cli_simulated *s, const mf_node *root)
{
    const char *basis = mf_node_string(mf_node_get(root, "basis"));
    const bool known = mf_node_double(&s->low_factor, mf_node_get(root, "speed_low_factor")) &&
                       mf_node_double(&s->high_factor, mf_node_get(root, "speed_high_factor")) &&
                       s->low_factor > 0 && s->low_factor <= 1 && s->high_factor >= 1;
    s->low_factor = known ? s->low_factor : 0;
    s->basis = MF_BASIS_DATASHEET;
    for (int b = 0; basis != NULL && b < (int)MF_BASIS_DATASHEET; b++) {
        s->basis = strcmp(basis, mf_basis_name((mf_basis)b)) == 0 ? (mf_basis)b : s->basis;
    }
}

/* Of a request: far more than any model is trained for. */
#define MOST_TOKENS 1073741824.0

static mf_status
read_rates(mf_cli_simulated *s, const mf_json *json, const mf_node *root, mf_error *err)
{
    double output = 0;
    double total = 0;
    mf_status status = number_of(&s->request_per_s, json, root, "request_per_s", err);
    status = status == MF_OK ? number_of(&output, json, root, "output_tok_s", err) : status;
    status = status == MF_OK ? number_of(&total, json, root, "total_tok_s", err) : status;
    status = status == MF_OK ? number_of(&s->utilization, json, root, "utilization", err) : status;
    if (status != MF_OK) {
        return status;
    }
    if (!(s->request_per_s > 0) || !(output > 0) || total < output || !(s->utilization > 0) ||
        s->utilization > 1) {
        return mf_json_fail(json, root, err, "the rates contradict each other");
    }
    if (total / s->request_per_s > MOST_TOKENS) {
        return mf_json_fail(json, root, err, "no request has so many tokens as these rates say");
    }
    s->output_tok_s = output / s->utilization;
    s->output_tokens = output / s->request_per_s;
    s->input_tokens = (total - output) / s->request_per_s;
    read_sureness(s, root);
    return MF_OK;
}

mf_status mf_cli_simulated_read(mf_cli_simulated *simulated,
                                const char *path,
                                const char *model,
                                const char *machine,
                                mf_error *err)
{
    mf_json *json = NULL;
    mf_cli_simulated read = {0};
    mf_status status = mf_json_load(&json, path, err);
    if (status != MF_OK) {
        return status;
    }
    const mf_node *root = mf_json_root(json);
    const char *schema = mf_node_string(mf_node_get(root, "schema"));
    if (schema == NULL || strcmp(schema, "memfit.simulation/1") != 0) {
        status =
            mf_json_fail(json,
                         root,
                         err,
                         "is no simulation: memfit simulate ... --format json -o FILE writes one");
    }
    status = status == MF_OK ? check_name(json, root, "model", model, err) : status;
    status = status == MF_OK ? check_name(json, root, "machine", machine, err) : status;
    status = status == MF_OK ? check_outcomes(json, root, err) : status;
    status = status == MF_OK ? read_rates(&read, json, root, err) : status;
    status = status == MF_OK ? read_settings(&read, json, root, err) : status;
    mf_json_free(json);
    if (status == MF_OK) {
        *simulated = read;
    }
    return status;
}

/* As predicted for one request, faster by what is gained side by side. */
static mf_status
set_rate(mf_rate *rate, const mf_cli_case *loaded, const mf_cli_simulated *s, mf_error *err)
{
    if (!rate->known && !(s->low_factor > 0)) {
        return mf_fail(
            err,
            MF_E_USAGE,
            "the speed of %s is not known but for the simulation, which does not say how "
            "sure it is: simulate it again",
            loaded->machine->id);
    }
    const double low = rate->known ? rate->low_tok_s / rate->tok_s : s->low_factor;
    const double high = rate->known ? rate->high_tok_s / rate->tok_s : s->high_factor;
    *rate = (mf_rate){.known = true,
                      .tok_s = s->output_tok_s,
                      .low_tok_s = low * s->output_tok_s,
                      .high_tok_s = high * s->output_tok_s,
                      .bound = rate->bound,
                      .basis = rate->known ? rate->basis : s->basis};
    return MF_OK;
}

mf_status
mf_cli_simulated_apply(mf_cli_case *loaded, const mf_cli_simulated *simulated, mf_error *err)
{
    const mf_status status = set_rate(&loaded->prediction.effective, loaded, simulated, err);
    if (status != MF_OK) {
        return status;
    }
    loaded->run.workload.n_prompt = (uint64_t)llround(simulated->input_tokens);
    loaded->run.workload.n_output = (uint64_t)fmax(1, (double)llround(simulated->output_tokens));
    char requests[MF_NUMBER_SIZE];
    char busy[MF_NUMBER_SIZE];
    char output[MF_NUMBER_SIZE];
    (void)snprintf(loaded->note,
                   sizeof loaded->note,
                   "%s: %s requests a second keep it busy %s %% of the time, %s tok/s of output "
                   "meanwhile (simulated)",
                   loaded->machine->id,
                   mf_number_text(requests, simulated->request_per_s, 3),
                   mf_number_text(busy, 100 * simulated->utilization, 2),
                   mf_number_text(output, simulated->output_tok_s, 3));
    return MF_OK;
}
