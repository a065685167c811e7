#include <string.h>

#include "cli/cli.h"
#include "cli/inverse.h"
#include "report/placement.h"

static mf_status write_fit(mf_str *out, const mf_shown *shown, const mf_arguments *a, mf_error *err)
{
    if (mf_cli_is_format(a, "json")) {
        return mf_write_prediction_json(out, shown, err);
    }
    if (mf_cli_is_format(a, "csv")) {
        return mf_write_prediction_csv(out, shown, 1, err);
    }
    mf_document document = {0};
    mf_show_fit(&document, shown);
    const mf_status status = mf_cli_write_document(out, &document, "memfit fit", a, err);
    mf_document_free(&document);
    return status;
}

/* Where the model lies while it runs as predicted. */
static mf_status save_placement(const mf_shown *shown, const char *path, mf_error *err)
{
    mf_str text = {0};
    if (!shown->prediction->placed.known) {
        return mf_fail(err, MF_E_USAGE, "nothing to save: there is no placement that fits");
    }
    mf_status status = mf_write_placement_json(&text, shown, err);
    if (status == MF_OK) {
        status = mf_cli_write(&text, path, err);
    }
    mf_str_free(&text);
    return status;
}

static mf_status fit(bool *fits, const mf_arguments *a, mf_error *err)
{
    mf_database *database = NULL;
    mf_cli_case loaded = {0};
    mf_cli_inverse inverse = {0};
    mf_str text = {0};
    mf_status status = mf_cli_database(&database, a, err);
    if (status == MF_OK) {
        status = mf_cli_case_load(&loaded, database, a, a->positional[0], a->on, err);
    }
    if (status == MF_OK && loaded.prediction.memory_known) {
        status = mf_cli_inverse_make(&inverse, &loaded, database, err);
    }
    if (status == MF_OK) {
        mf_shown shown = mf_cli_shown(&loaded);
        shown.inverse = loaded.prediction.memory_known ? &inverse.found : NULL;
        *fits = loaded.prediction.memory_known && loaded.prediction.memory.fits;
        status = write_fit(&text, &shown, a, err);
    }
    if (status == MF_OK && a->save_placement != NULL) {
        const mf_shown shown = mf_cli_shown(&loaded);
        status = save_placement(&shown, a->save_placement, err);
    }
    if (status == MF_OK) {
        status = mf_cli_write(&text, a->output_file, err);
    }
    mf_str_free(&text);
    mf_cli_inverse_free(&inverse);
    mf_cli_case_free(&loaded);
    mf_database_close(database);
    return status;
}

mf_status mf_fit_show(mf_document *document, const mf_arguments *a, mf_error *err)
{
    mf_database *database = NULL;
    mf_cli_case loaded = {0};
    mf_cli_inverse inverse = {0};
    mf_status status = a->on != NULL ? mf_cli_database(&database, a, err)
                                     : mf_fail(err, MF_E_USAGE, "say which machine: --on");
    if (status == MF_OK) {
        status = mf_cli_case_load(&loaded, database, a, a->positional[0], a->on, err);
    }
    if (status == MF_OK && loaded.prediction.memory_known) {
        status = mf_cli_inverse_make(&inverse, &loaded, database, err);
    }
    if (status == MF_OK) {
        mf_shown shown = mf_cli_shown(&loaded);
        shown.inverse = loaded.prediction.memory_known ? &inverse.found : NULL;
        mf_show_fit(document, &shown);
    }
    mf_cli_inverse_free(&inverse);
    mf_cli_case_free(&loaded);
    mf_database_close(database);
    return status;
}

int mf_cmd_fit(int n_words, char **words)
{
    mf_error err = {0};
    mf_arguments a = {0};
    bool fits = false;
    mf_status status = mf_parse_arguments(&a, MF_FOR_FIT, n_words, words, &err);
    if (status == MF_OK && a.help) {
        return mf_cli_help(mf_cli_command("fit"), MF_FOR_FIT);
    }
    if (status == MF_OK && a.n_positional != 1) {
        status = mf_fail(
            &err,
            MF_E_USAGE,
            "fit takes one model, like: memfit fit llama-3.3-70b --on mac-studio-m4-max-40c-128gb");
    }
    if (status == MF_OK && a.on == NULL) {
        status = mf_fail(
            &err,
            MF_E_USAGE,
            "say which machine: --on mac-studio-m4-max-40c-128gb, see 'memfit db list machines'");
    }
    if (status == MF_OK && strchr(a.on, ',') != NULL && strchr(a.on, '=') == NULL) {
        status = mf_fail(
            &err, MF_E_USAGE, "fit takes one machine, 'memfit compare' takes several: '%s'", a.on);
    }
    if (status == MF_OK) {
        status = fit(&fits, &a, &err);
    }
    mf_arguments_free(&a);
    if (status != MF_OK) {
        return mf_cli_fail(status, &err);
    }
    return fits ? MF_EXIT_YES : MF_EXIT_NO;
}
