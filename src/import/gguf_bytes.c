#include "import/gguf_bytes.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum {
    LENGTH_BYTES = 8,      /* of a string's length */
    MAX_STRINGS = 1 << 24, /* of a list; the largest vocabularies have some 300,000 */
};

mf_status mf_gguf_open(mf_gguf_bytes *bytes, const char *path, mf_error *err)
{
    struct stat about;
    mf_gguf_bytes opened = {.name = path, .fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK)};
    if (opened.fd < 0 || fstat(opened.fd, &about) != 0) {
        const int code = errno;
        mf_gguf_close(&opened);
        return mf_fail(err, MF_E_IO, "'%s': %s", path, strerror(code));
    }
    if (!S_ISREG(about.st_mode)) {
        mf_gguf_close(&opened);
        return mf_fail(err, MF_E_IO, "'%s' is not a file, give the path of a .gguf file", path);
    }
    opened.size = (uint64_t)about.st_size;
    opened.buffer = malloc(MF_GGUF_WINDOW_BYTES);
    if (opened.buffer == NULL) {
        mf_gguf_close(&opened);
        return mf_fail(err, MF_E_NOMEM, "no memory to read '%s'", path);
    }
    opened.data = opened.buffer;
    *bytes = opened;
    return MF_OK;
}

mf_gguf_bytes mf_gguf_memory(const void *data, size_t size, const char *name)
{
    return (mf_gguf_bytes){.name = name, .size = size, .data = data, .n_data = size, .fd = -1};
}

void mf_gguf_close(mf_gguf_bytes *bytes)
{
    if (bytes->fd >= 0) {
        close(bytes->fd);
    }
    free(bytes->buffer);
    *bytes = (mf_gguf_bytes){.fd = -1};
}

static bool in_window(const mf_gguf_bytes *bytes, size_t n)
{
    return bytes->at >= bytes->start && bytes->at - bytes->start <= bytes->n_data &&
           n <= bytes->n_data - (bytes->at - bytes->start);
}

static mf_status move_window(mf_gguf_bytes *bytes, mf_error *err)
{
    bytes->start = bytes->at;
    bytes->n_data = 0;
    while (bytes->n_data < MF_GGUF_WINDOW_BYTES) {
        const ssize_t n = pread(bytes->fd,
                                bytes->buffer + bytes->n_data,
                                MF_GGUF_WINDOW_BYTES - bytes->n_data,
                                (off_t)(bytes->start + bytes->n_data));
        if (n < 0 && errno == EINTR) {
            continue;
        }
        if (n < 0) {
            return mf_fail(err, MF_E_IO, "'%s': %s", bytes->name, strerror(errno));
        }
        if (n == 0) {
            break;
        }
        bytes->n_data += (size_t)n;
    }
    return MF_OK;
}

static mf_status
cut_short(const mf_gguf_bytes *bytes, const char *what, const char *whose, mf_error *err)
{
    return mf_fail(err,
                   MF_E_DATA,
                   "%s:byte %llu: the file ends after %llu bytes, inside %s%s%.80s%s; it is cut "
                   "short or damaged, fetch it again",
                   bytes->name,
                   (unsigned long long)bytes->at,
                   (unsigned long long)bytes->size,
                   what,
                   whose != NULL ? " of '" : "",
                   whose != NULL ? whose : "",
                   whose != NULL ? "'" : "");
}

static bool has_left(const mf_gguf_bytes *bytes, uint64_t n)
{
    return bytes->at <= bytes->size && n <= bytes->size - bytes->at;
}

mf_status mf_gguf_take(const uint8_t **p,
                       mf_gguf_bytes *bytes,
                       size_t n,
                       const char *what,
                       const char *whose,
                       mf_error *err)
{
    if (!has_left(bytes, n)) {
        return cut_short(bytes, what, whose, err);
    }
    if (!in_window(bytes, n)) {
        const mf_status status = move_window(bytes, err);
        if (status != MF_OK) {
            return status;
        }
        if (!in_window(bytes, n)) { /* somebody cut the file since it was opened */
            return cut_short(bytes, what, whose, err);
        }
    }
    *p = bytes->data + (bytes->at - bytes->start);
    bytes->at += n;
    return MF_OK;
}

uint64_t mf_gguf_number(const uint8_t *p, size_t n)
{
    enum { BITS_PER_BYTE = 8 };
    uint64_t value = 0;
    for (size_t i = 0; i < n; i++) {
        value |= (uint64_t)p[i] << (BITS_PER_BYTE * i);
    }
    return value;
}

mf_status mf_gguf_take_u32(
    uint32_t *value, mf_gguf_bytes *bytes, const char *what, const char *whose, mf_error *err)
{
    const uint8_t *p = NULL;
    const mf_status status = mf_gguf_take(&p, bytes, sizeof *value, what, whose, err);
    if (p == NULL) { /* gcc can't tell that this is any status but MF_OK */
        return status;
    }
    *value = (uint32_t)mf_gguf_number(p, sizeof *value);
    return MF_OK;
}

mf_status mf_gguf_take_u64(
    uint64_t *value, mf_gguf_bytes *bytes, const char *what, const char *whose, mf_error *err)
{
    const uint8_t *p = NULL;
    const mf_status status = mf_gguf_take(&p, bytes, sizeof *value, what, whose, err);
    if (p == NULL) { /* gcc can't tell that this is any status but MF_OK */
        return status;
    }
    *value = mf_gguf_number(p, sizeof *value);
    return MF_OK;
}

mf_status
mf_gguf_skip(mf_gguf_bytes *bytes, uint64_t n, const char *what, const char *whose, mf_error *err)
{
    if (!has_left(bytes, n)) {
        return cut_short(bytes, what, whose, err);
    }
    bytes->at += n;
    return MF_OK;
}

mf_status mf_gguf_skip_strings(mf_gguf_bytes *bytes, uint64_t n, const char *whose, mf_error *err)
{
    if (n > MAX_STRINGS) {
        return mf_fail(err,
                       MF_E_DATA,
                       "%s:byte %llu: '%.80s' has %llu strings, more than %d are not read",
                       bytes->name,
                       (unsigned long long)bytes->at,
                       whose,
                       (unsigned long long)n,
                       MAX_STRINGS);
    }
    for (uint64_t i = 0; i < n; i++) {
        uint64_t length = 0;
        if (in_window(bytes, LENGTH_BYTES)) {
            length = mf_gguf_number(bytes->data + (bytes->at - bytes->start), LENGTH_BYTES);
            bytes->at += LENGTH_BYTES;
        } else {
            const mf_status status =
                mf_gguf_take_u64(&length, bytes, "the string list", whose, err);
            if (status != MF_OK) {
                return status;
            }
        }
        if (!has_left(bytes, length)) {
            return cut_short(bytes, "the string list", whose, err);
        }
        bytes->at += length;
    }
    return MF_OK;
}

mf_status mf_gguf_take_name(
    char *name, size_t max_bytes, mf_gguf_bytes *bytes, const char *what, mf_error *err)
{
    const uint64_t at = bytes->at;
    uint64_t n = 0;
    mf_status status = mf_gguf_take_u64(&n, bytes, what, NULL, err);
    if (status != MF_OK) {
        return status;
    }
    if (n == 0 || n > max_bytes) {
        return mf_fail(err,
                       MF_E_DATA,
                       "%s:byte %llu: %s is %llu bytes long, 1 to %zu are allowed",
                       bytes->name,
                       (unsigned long long)at,
                       what,
                       (unsigned long long)n,
                       max_bytes);
    }
    const uint8_t *p = NULL;
    status = mf_gguf_take(&p, bytes, (size_t)n, what, NULL, err);
    if (status != MF_OK) {
        return status;
    }
    for (size_t i = 0; i < n; i++) {
        if (p[i] <= ' ' || p[i] > '~') {
            return mf_fail(err,
                           MF_E_DATA,
                           "%s:byte %llu: %s has the byte 0x%02x, only printable ASCII is allowed",
                           bytes->name,
                           (unsigned long long)(at + sizeof n + i),
                           what,
                           p[i]);
        }
    }
    memcpy(name, p, (size_t)n);
    name[n] = '\0';
    return MF_OK;
}
