/**
 * Errors: what went wrong, told to people.
 *
 *     spy_error("bad_template", "the scene has no caption", spy_str("template_id", id));
 *
 * An error has a type (a short constant), a message, typed fields, the context's ids and bound
 * fields, and the stack of the call. It is a line of the log, `error`, with `error_type`,
 * `error_message`, `error_id`, the fields and the `traceback`; where there is an admin server it is
 * grouped and counted for its page, and where there is a `sentry_dsn` it becomes an event there.
 *
 * A failure that the library is told otherwise is an error too, without a line beside the one that
 * it has anyway: spy_end() with spy_failure(), spy_http_fail(), and an answer of 5xx.
 */
#ifndef SPYGLASS_ERRORS_H
#define SPYGLASS_ERRORS_H

#include <stddef.h>

#include "spyglass/api.h"
#include "spyglass/log.h"

SPY_BEGIN_DECLS

/** Length of an error's id in hex, without the NUL. */
#define SPY_ERROR_ID_LEN 32

/**
 * A field that says what its error is grouped by, in place of its type, its operation or route and
 * the functions that it came through: errors of one fingerprint are one. At most 256 bytes count.
 *
 *     spy_error("payment_refused", text, spy_error_fingerprint("payments"));
 */
static inline struct spy_field spy_error_fingerprint(const char *fingerprint)
{
    return spy_str("fingerprint", fingerprint);
}

/** An error on its way out, as `before_send` of struct spy_options sees it: after it was masked.
 * What it points to lives for the call; NULL for what there is not. */
struct spy_error_report {
    int fatal; /**< it ended the process */
    const char *type;
    const char *message;
    const char *place; /**< the operation and its labels, or the method and route */
    const char *module;
    const char *correlation_id; /**< "" for none */
    const struct spy_field *fields;
    size_t field_count;
    const char *fingerprint; /**< may be set: to text that lives until the call returns */
};

/**
 * Publishes one error. Use the macros below. Copies what it needs. Waits for at most `full_wait_ms`
 * where the library cannot keep up; an error lost is counted in
 * spyglass_dropped_total{signal="error",reason}: those of a forked child are, as stopped. Threads:
 * any.
 */
SPY_API void spy__error(char ret_id[SPY_ERROR_ID_LEN + 1], const char *module, const char *type,
                        const char *message, const struct spy_field *fields, size_t n);

SPY_END_DECLS

#ifdef __cplusplus
template <typename... Field>
inline void spy__error_fields(char *ret_id, const char *module, const char *type,
                              const char *message, Field... field)
{
    const spy_field fields[sizeof...(field) + 1] = { field... };
    spy__error(ret_id, module, type, message, fields, sizeof...(field));
}
#define spy_error(...) spy__error_fields(NULL, SPY_MODULE, __VA_ARGS__)
#define spy_error_with_id(ret_id, ...) spy__error_fields((ret_id), SPY_MODULE, __VA_ARGS__)
#else
/** spy_error("type", "message", fields…): one error, now, with the stack of this call; the message
 * may be NULL. Threads: any. */
#define spy_error(...) SPY__ERROR(NULL, __VA_ARGS__, spy__no_field())
/** spy_error_with_id(id, "type", "message", fields…): the same; writes the error's id into `id`, a
 * char[SPY_ERROR_ID_LEN + 1], for whoever has to be told ("your error is number …"). */
#define spy_error_with_id(ret_id, ...) SPY__ERROR((ret_id), __VA_ARGS__, spy__no_field())
/* The last field is an empty one, so that an error may have none; it is not passed on. */
#define SPY__ERROR(ret_id, type, message, ...)                                                     \
    spy__error((ret_id), SPY_MODULE, (type), (message), (const struct spy_field[]){ __VA_ARGS__ }, \
               sizeof((const struct spy_field[]){ __VA_ARGS__ }) / sizeof(struct spy_field) - 1)
#endif

#endif
