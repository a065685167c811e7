#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/units.h"
#include "cli/cli.h"
#include "memfit/audit.h"

static const struct {
    mf_grade grade;
    mf_tone tone;
    const char *text;
} grades[] = {
    {MF_GRADE_CONSISTENT, MF_TONE_GOOD,    "consistent with the hardware as stated"                  },
    {MF_GRADE_EDGE,       MF_TONE_CAREFUL, "at the edge: more than this hardware usually reaches"    },
    {MF_GRADE_OTHER,      MF_TONE_BAD,     "not possible for one stream as stated"                   },
    {MF_GRADE_IMPOSSIBLE, MF_TONE_BAD,     "impossible as stated"                                    },
    {MF_GRADE_SLOW,       MF_TONE_CAREFUL, "slower than expected: check offload, swap and power mode"},
};

/* The bytes are said, or a model's. */
typedef struct audited {
    mf_machine *machine; /* of --bytes; else the case's */
    mf_cli_case loaded;
    mf_claim claim;
    mf_audit_ground ground;
    mf_audit audit;
} audited;

/* Of a machine with one device, else 0: several share the work in ways that a claim leaves open. */
static double one_bandwidth(const mf_machine *machine)
{
    if (machine->n_devices != 1 || machine->devices[0].count != 1 || machine->n_nodes > 1) {
        return 0;
    }
    const mf_device *device = machine->devices[0].device;
    return device != NULL && device->bandwidth_bytes_per_s.known
               ? device->bandwidth_bytes_per_s.value
               : 0;
}

/* Files are sized in GB as often as in GiB: the claim's own unit counts. */
static mf_status parse_bytes(double *bytes, const char *text, mf_error *err)
{
    const char *end = NULL;
    if (mf_parse_number(bytes, text, &end) && *bytes > 0) {
        end += *end == ' ' ? 1 : 0;
        if (strcmp(end, "GB") == 0) {
            *bytes *= 1e9;
            return MF_OK;
        }
    }
    return mf_parse_quantity(bytes, text, MF_DIM_CAPACITY, err);
}

static mf_status
ground_of_bytes(audited *to, const mf_database *database, const mf_arguments *a, mf_error *err)
{
    double bytes = 0;
    mf_status status = parse_bytes(&bytes, a->bytes, err);
    status = status == MF_OK ? mf_database_machine(&to->machine, database, a->on, err) : status;
    if (status == MF_OK) {
        to->ground.bytes_per_s = one_bandwidth(to->machine);
        to->ground.ceiling_tok_s = bytes > 0 ? to->ground.bytes_per_s / bytes : 0;
    }
    return status;
}

static mf_status
ground_of_model(audited *to, const mf_database *database, const mf_arguments *a, mf_error *err)
{
    const mf_status status = mf_cli_case_load(&to->loaded, database, a, a->model, a->on, err);
    if (status != MF_OK) {
        return status;
    }
    const mf_prediction *p = &to->loaded.prediction;
    const mf_rate *rate = a->prompt < 0 && p->n_depths > 0 ? &p->depths[0].decode : &p->decode;
    to->ground.bytes_per_s = p->placed.as_asked ? one_bandwidth(to->loaded.machine) : 0;
    to->ground.too_big = p->memory_known && !p->memory.fits && !p->placed.known;
    if (!rate->known) {
        return to->ground.too_big
                   ? MF_OK
                   : mf_fail(
                         err, MF_E_UNSUPPORTED, "no speed to hold it against: %s", rate->reason);
    }
    to->ground.ceiling_tok_s = rate->ceiling_tok_s;
    to->ground.expected_tok_s = rate->tok_s;
    to->ground.high_tok_s = rate->high_tok_s;
    return MF_OK;
}

static void pair(mf_document *d, const char *name, double value, mf_dimension dimension)
{
    char text[MF_NUMBER_SIZE + 16];
    mf_document_cell(d, "%s", name);
    mf_document_cell(d, "%s", mf_quantity_text(text, value, dimension, 3));
}

static void number(mf_document *d, const char *name, double value)
{
    char text[MF_NUMBER_SIZE];
    mf_document_cell(d, "%s", name);
    mf_document_cell(d, "%s", mf_number_text(text, value, 3));
}

static void show_arithmetic(mf_document *d, const audited *to)
{
    char bytes[MF_NUMBER_SIZE];
    mf_document_begin(d, MF_BLOCK_PAIRS, 2, NULL);
    number(d, "claim, tokens/s", to->claim.tok_s);
    if (to->ground.too_big) {
        mf_document_cell(d, "memory");
        mf_document_cell(d, "the model does not fit this machine");
    }
    if (!(to->ground.ceiling_tok_s > 0)) {
        return;
    }
    if (to->ground.bytes_per_s > 0) {
        mf_document_cell(d, "a token reads");
        mf_document_cell(d, "%s GB", mf_number_text(bytes, to->audit.read_bytes / 1e9, 3));
        pair(d, "one stream needs", to->audit.needed_bytes_per_s, MF_DIM_BANDWIDTH);
        pair(d, "specified", to->ground.bytes_per_s, MF_DIM_BANDWIDTH);
    }
    pair(d, "share of the peak", to->audit.share_of_peak, MF_DIM_FRACTION);
    number(d, "ceiling, tokens/s", to->ground.ceiling_tok_s);
    if (to->ground.expected_tok_s > 0) {
        number(d, "predicted, tokens/s", to->ground.expected_tok_s);
    }
}

static void show_other_hardware(mf_document *d, const audited *to, double times)
{
    char text[MF_NUMBER_SIZE + 16];
    mf_document_cell(d,
                     "memory of at least %s",
                     mf_quantity_text(text, times * to->ground.bytes_per_s, MF_DIM_BANDWIDTH, 3));
    mf_document_cell(d,
                     "at most %s GB read per token: a smaller model, fewer active experts",
                     mf_number_text(text, to->audit.read_bytes / times / 1e9, 3));
}

static void show_ways(mf_document *d, const audited *to)
{
    char text[MF_NUMBER_SIZE + 16];
    if (to->audit.grade != MF_GRADE_OTHER && to->audit.grade != MF_GRADE_IMPOSSIBLE) {
        return;
    }
    if (to->ground.too_big) {
        return;
    }
    const double times = to->audit.least_tokens_per_step;
    mf_document_begin(d, MF_BLOCK_LIST, 1, "What would explain it");
    mf_document_cell(d,
                     "the sum of at least %s sequences at once",
                     mf_number_text(text, ceil(times * fmax(1, to->claim.n_sequences)), 4));
    mf_document_cell(d,
                     "speculation that gives at least %s tokens a step",
                     mf_number_text(text, times * fmax(1, to->claim.tokens_per_step), 2));
    if (to->ground.bytes_per_s > 0) {
        show_other_hardware(d, to, times);
    }
    mf_document_cell(d, "units: GB/s for Gb/s (8), tokens of the prompt counted as output");
}

static mf_status write_audit(const audited *to, const mf_arguments *a, mf_error *err)
{
    mf_document d = {0};
    mf_str text = {0};
    for (size_t i = 0; i < sizeof grades / sizeof grades[0]; i++) {
        if (grades[i].grade == to->audit.grade) {
            mf_document_begin(&d, MF_BLOCK_VERDICT, 2, NULL);
            mf_document_tone(&d, grades[i].tone);
            mf_document_cell(&d, "%c", (int)grades[i].grade);
            mf_document_cell(&d, "%s", grades[i].text);
        }
    }
    show_arithmetic(&d, to);
    show_ways(&d, to);
    mf_status status = mf_cli_write_document(&text, &d, "memfit audit", a, err);
    status = status == MF_OK ? mf_cli_write(&text, a->output_file, err) : status;
    mf_str_free(&text);
    mf_document_free(&d);
    return status;
}

static mf_status audit(bool *possible, const mf_arguments *a, mf_error *err)
{
    mf_database *database = NULL;
    audited to = {
        .claim = {.tok_s = a->tok_s,
                  .n_sequences = a->parallel > 0 ? (double)a->parallel : 1,
                  .tokens_per_step = a->tokens_per_step}
    };
    mf_status status = mf_cli_database(&database, a, err);
    if (status == MF_OK) {
        status = a->bytes != NULL ? ground_of_bytes(&to, database, a, err)
                                  : ground_of_model(&to, database, a, err);
    }
    if (status == MF_OK && !(to.ground.ceiling_tok_s > 0) && !to.ground.too_big) {
        status = mf_fail(err, MF_E_USAGE, "the bandwidth of '%s' is not known, or no bytes", a->on);
    }
    if (status == MF_OK) {
        to.audit = mf_audit_claim(to.claim, to.ground);
        *possible = to.audit.grade != MF_GRADE_OTHER && to.audit.grade != MF_GRADE_IMPOSSIBLE;
        status = write_audit(&to, a, err);
    }
    mf_cli_case_free(&to.loaded);
    mf_machine_free(to.machine);
    mf_database_close(database);
    return status;
}

int mf_cmd_audit(int n_words, char **words)
{
    mf_error err = {0};
    mf_arguments a = {0};
    bool possible = true;
    mf_status status = mf_parse_arguments(&a, MF_FOR_AUDIT, n_words, words, &err);
    if (status == MF_OK && a.help) {
        mf_arguments_free(&a);
        return mf_cli_help(mf_cli_command("audit"), MF_FOR_AUDIT);
    }
    if (status == MF_OK &&
        (a.on == NULL || !(a.tok_s > 0) || (a.model == NULL) == (a.bytes == NULL))) {
        status = mf_fail(
            &err, MF_E_USAGE, "audit takes --model M or --bytes SIZE, --on MACHINE and --tok-s X");
    }
    if (status == MF_OK && (mf_cli_is_format(&a, "json") || mf_cli_is_format(&a, "csv"))) {
        status = mf_fail(&err, MF_E_USAGE, "audit writes text, markdown or html");
    }
    if (status == MF_OK) {
        status = audit(&possible, &a, &err);
    }
    mf_arguments_free(&a);
    if (status != MF_OK) {
        return mf_cli_fail(status, &err);
    }
    return possible ? MF_EXIT_YES : MF_EXIT_NO;
}
