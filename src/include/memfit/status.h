/*
 * status.h - how every function of memfit reports failure.
 *
 * A function returns MF_OK or a negative mf_status. What failed, where, and the cure go as text into a caller-owned
 * mf_error, which may be NULL. Nothing is kept in globals, nothing is printed below the command line program, so two
 * threads may use the library at once as long as they share no mf_error, no database and no planner.
 */
#ifndef MF_MEMFIT_STATUS_H
#define MF_MEMFIT_STATUS_H

#ifdef __cplusplus
extern "C" {
#endif

/* Marks what the shared library exports; everything else stays hidden. */
#if defined(__GNUC__)
#define MF_API __attribute__((visibility("default")))
#define MF_PRINTF(text, first) __attribute__((format(printf, text, first)))
#else
#define MF_API
#define MF_PRINTF(text, first)
#endif

/* X(name, value, text, exit code of the command line program) */
#define MF_STATUS_LIST(X)                                                                          \
    X(MF_OK, 0, "ok", 0)                                                                           \
    X(MF_E_USAGE, -1, "bad argument", 2)                                                           \
    X(MF_E_UNKNOWN, -2, "unknown name", 2)                                                         \
    X(MF_E_DATA, -3, "bad data", 3)                                                                \
    X(MF_E_UNSUPPORTED, -4, "not supported", 3)                                                    \
    X(MF_E_OVERFLOW, -5, "a size exceeds 64 bits", 3)                                              \
    X(MF_E_IO, -6, "input or output failed", 4)                                                    \
    X(MF_E_NOMEM, -7, "out of memory", 5)                                                          \
    X(MF_E_INTERNAL, -8, "internal error", 5)

typedef enum mf_status {
#define MF_STATUS_ENUM(name, value, text, exit_code) name = (value),
    MF_STATUS_LIST(MF_STATUS_ENUM)
#undef MF_STATUS_ENUM
} mf_status;

#define MF_ERROR_MESSAGE_SIZE 512

/* Filled on failure only; start it with `mf_error err = {0};`. message has no capital and no full stop. */
typedef struct mf_error {
    mf_status status;
    char message[MF_ERROR_MESSAGE_SIZE];
} mf_error;

/* Short text for a status, "bad data" for instance; never NULL. Static storage. Thread-safe. */
MF_API const char *mf_status_text(mf_status status);

/* Exit code of the command line program for a status (0 to 5). Thread-safe. */
MF_API int mf_status_exit_code(mf_status status);

/* Writes the message into err (may be NULL) and returns status, so that `return mf_fail(err, ...);` reads well.
   Numbers with a fraction are to be formatted by mf_number_text first: %f and %g follow the locale. */
MF_API mf_status mf_fail(mf_error *err, mf_status status, const char *format, ...) MF_PRINTF(3, 4);

#ifdef __clang_analyzer__
/* The analyzer sees one file at a time and would follow paths on which mf_fail returns MF_OK. */
#define mf_fail(err, status, ...) ((void)(mf_fail)((err), (status), __VA_ARGS__), (status))
#endif

/* Puts text in front of a message that a deeper layer wrote: mf_error_prefix(err, "file.gguf: "). */
MF_API void mf_error_prefix(mf_error *err, const char *format, ...) MF_PRINTF(2, 3);

#ifdef __cplusplus
}
#endif

#endif
