/*
 * gguf_bytes.h - the bytes of one GGUF file, seen through a small window.
 *
 * A file is read by pread in windows, so that a 400 GB file costs its header and no more memory than one window;
 * mapping it would count every header page as resident. A file in memory is one window as large as the file.
 */
#ifndef MF_IMPORT_GGUF_BYTES_H
#define MF_IMPORT_GGUF_BYTES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "memfit/status.h"

#define MF_GGUF_WINDOW_BYTES ((size_t)256 * 1024)

typedef struct mf_gguf_bytes {
    const char *name;    /* borrowed; for messages */
    uint64_t size;       /* of the file */
    uint64_t at;         /* next byte to read */
    const uint8_t *data; /* the window */
    uint64_t start;      /* its place in the file */
    size_t n_data;
    uint8_t *buffer; /* owned; NULL when the file is in memory */
    int fd;          /* -1 when the file is in memory */
} mf_gguf_bytes;

/* Opens a regular file. name must outlive the bytes. MF_E_IO, MF_E_NOMEM. Close with mf_gguf_close. */
mf_status mf_gguf_open(mf_gguf_bytes *bytes, const char *path, mf_error *err);

mf_gguf_bytes mf_gguf_memory(const void *data, size_t size, const char *name);

void mf_gguf_close(mf_gguf_bytes *bytes);

/* Points *p at the next n bytes (at most MF_GGUF_WINDOW_BYTES) and goes past them; valid until the next call. `what`
   and `whose` say in the message what was being read: "the value" of "llama.block_count"; whose may be NULL. */
mf_status mf_gguf_take(const uint8_t **p,
                       mf_gguf_bytes *bytes,
                       size_t n,
                       const char *what,
                       const char *whose,
                       mf_error *err);

mf_status mf_gguf_take_u32(
    uint32_t *value, mf_gguf_bytes *bytes, const char *what, const char *whose, mf_error *err);
mf_status mf_gguf_take_u64(
    uint64_t *value, mf_gguf_bytes *bytes, const char *what, const char *whose, mf_error *err);

/* A key or a tensor's name: 1 to max_bytes of printable ASCII without spaces; name has one byte more. */
mf_status mf_gguf_take_name(
    char *name, size_t max_bytes, mf_gguf_bytes *bytes, const char *what, mf_error *err);

/* Goes past n bytes without reading them. MF_E_DATA if the file ends before. */
mf_status
mf_gguf_skip(mf_gguf_bytes *bytes, uint64_t n, const char *what, const char *whose, mf_error *err);

/* Goes past n strings, each a 64-bit length and its bytes. */
mf_status mf_gguf_skip_strings(mf_gguf_bytes *bytes, uint64_t n, const char *whose, mf_error *err);

/* Little-endian numbers of n (1, 2, 4, 8) bytes. */
uint64_t mf_gguf_number(const uint8_t *p, size_t n);

#endif
