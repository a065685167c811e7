#include "cli/ledger.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static mf_status write_out(mf_ledger *l, mf_error *err)
{
    mf_status status = mf_str_status(&l->text, err);
    if (status == MF_OK && fwrite(l->text.data, 1, l->text.size, l->file) != l->text.size) {
        status = mf_fail(err, MF_E_IO, "%s can't be written (%s)", l->temporary, strerror(errno));
    }
    mf_str_free(&l->text);
    return status;
}

mf_status mf_ledger_open(mf_ledger *ledger, const char *path, mf_error *err)
{
    static const char ending[] = ".part";
    mf_ledger *l = ledger;
    l->path = path;
    if (path == NULL) {
        return MF_OK;
    }
    l->temporary = malloc(strlen(path) + sizeof ending);
    if (l->temporary == NULL) {
        return mf_fail(err, MF_E_NOMEM, "out of memory");
    }
    (void)snprintf(l->temporary, strlen(path) + sizeof ending, "%s%s", path, ending);
    l->file = fopen(l->temporary, "wb");
    return l->file != NULL
               ? MF_OK
               : mf_fail(err, MF_E_IO, "%s can't be written (%s)", path, strerror(errno));
}

mf_status mf_ledger_flush(mf_ledger *ledger, mf_error *err)
{
    enum { FULL = 1 << 16 };
    return ledger->text.size < FULL ? MF_OK : write_out(ledger, err);
}

mf_status mf_ledger_close(mf_ledger *ledger, mf_status status, mf_error *err)
{
    mf_ledger *l = ledger;
    if (l->file != NULL && status == MF_OK) {
        status = write_out(l, err);
    }
    if (l->file != NULL) {
        const bool closed = fclose(l->file) == 0;
        if (status == MF_OK && (!closed || rename(l->temporary, l->path) != 0)) {
            status = mf_fail(err, MF_E_IO, "%s can't be written (%s)", l->path, strerror(errno));
        }
        if (status != MF_OK) {
            (void)unlink(l->temporary);
        }
    }
    mf_str_free(&l->text);
    free(l->temporary);
    *l = (mf_ledger){0};
    return status;
}
