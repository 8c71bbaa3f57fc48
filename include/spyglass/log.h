/**
 * Structured logs: a constant event name and typed fields.
 *
 *     spy_info("request_processed", spy_int("status_code", 200), spy_str("path", path));
 *
 * The current context's ids (correlation, trace, span) and bound fields are added by themselves. A
 * line is made only when its level is on; its arguments are evaluated only then. Names and keys
 * should be snake_case constants. Field keys that name a secret (password, token, authorization,
 * cookie, api_key, secret, …) have their value written as "[redacted]".
 */
#ifndef SPYGLASS_LOG_H
#define SPYGLASS_LOG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "spyglass/api.h"
#include "spyglass/options.h"

/* Define SPY_MODULE as a string constant before including this header to name the part of the
 * program. */
#ifndef SPY_MODULE
#define SPY_MODULE NULL
#endif

SPY_BEGIN_DECLS

/** Longest name of a module that has a level of its own. */
#define SPY_MODULE_NAME_MAX 63

/** Most fields of one record, bound ones included; more are dropped and counted. */
#define SPY_FIELDS_MAX 32

enum spy_field_type {
    SPY_FIELD_NONE, /**< left out of the record */
    SPY_FIELD_INT,
    SPY_FIELD_UINT,
    SPY_FIELD_DOUBLE,
    SPY_FIELD_BOOL,
    SPY_FIELD_STR,
    SPY_FIELD_ADDRS, /**< an array of return addresses: a stack, innermost first */
};

/** One typed field. Made by spy_int() and its kin; borrows its key and string for the call it is
 * given to. */
struct spy_field {
    const char *key;
    enum spy_field_type type;
    bool literal; /* the key is a string literal, which does not change and does not go */
    size_t len;   /* bytes of a string; elements of an address array */
    union {
        int64_t i;
        uint64_t u;
        double d;
        bool b;
        const char *s;
        const uintptr_t *addrs;
    } value;
};

/* Fields are made by macros, so that they see whether a key is written down as a string: compilers
 * say so of an argument, but not all of them of a parameter. */
#define SPY__LITERAL(text) (__builtin_constant_p(text) != 0)

/** spy_int("key", v): a field with a signed integer. */
#define spy_int(key, v) spy__int((key), SPY__LITERAL(key), (v))
/** spy_uint("key", v): a field with an unsigned integer. */
#define spy_uint(key, v) spy__uint((key), SPY__LITERAL(key), (v))
/** spy_double("key", v): a field with a double; NaN and infinities are written as null in JSON, which
 * has no word for them. */
#define spy_double(key, v) spy__double((key), SPY__LITERAL(key), (v))
/** spy_bool("key", v): a field with a truth value. */
#define spy_bool(key, v) spy__bool((key), SPY__LITERAL(key), (v))
/** spy_strn("key", s, len): a field with len bytes of text; they need not be valid UTF-8. */
#define spy_strn(key, s, len) spy__strn((key), SPY__LITERAL(key), (s), (len))
/** spy_str("key", s): a field with a string; NULL leaves the field out. */
#define spy_str(key, s) spy__str((key), SPY__LITERAL(key), (s))
/** spy_addrs("key", addrs, n): a field with a stack of n return addresses (const uintptr_t *),
 * innermost first; written as an array of frames: objects with `address`, and function, file, line
 * and module as far as they are known. */
#define spy_addrs(key, addrs, n) spy__addrs((key), SPY__LITERAL(key), (addrs), (n))

/* What they call. Private. */
static inline struct spy_field spy__int(const char *key, bool literal, int64_t v)
{
    struct spy_field f = { key, SPY_FIELD_INT, literal, 0, { v } };
    return f;
}
static inline struct spy_field spy__uint(const char *key, bool literal, uint64_t v)
{
    struct spy_field f = { key, SPY_FIELD_UINT, literal, 0, { 0 } };
    f.value.u = v;
    return f;
}
static inline struct spy_field spy__double(const char *key, bool literal, double v)
{
    struct spy_field f = { key, SPY_FIELD_DOUBLE, literal, 0, { 0 } };
    f.value.d = v;
    return f;
}
static inline struct spy_field spy__bool(const char *key, bool literal, bool v)
{
    struct spy_field f = { key, SPY_FIELD_BOOL, literal, 0, { 0 } };
    f.value.b = v;
    return f;
}
static inline struct spy_field spy__strn(const char *key, bool literal, const char *s, size_t len)
{
    struct spy_field f = { key, SPY_FIELD_STR, literal, s ? len : 0, { 0 } };
    f.value.s = s ? s : "";
    return f;
}
static inline struct spy_field spy__str(const char *key, bool literal, const char *s)
{
    struct spy_field f = {
        key, s ? SPY_FIELD_STR : SPY_FIELD_NONE, literal, s ? __builtin_strlen(s) : 0, { 0 }
    };
    f.value.s = s;
    return f;
}
static inline struct spy_field spy__addrs(const char *key, bool literal, const uintptr_t *addrs,
                                          size_t n)
{
    struct spy_field f = { key, SPY_FIELD_ADDRS, literal, n, { 0 } };
    f.value.addrs = addrs;
    return f;
}

/** No field; ends the fields of a call. Private. */
static inline struct spy_field spy__no_field(void)
{
    struct spy_field f = { NULL, SPY_FIELD_NONE, false, 0, { 0 } };
    return f;
}

/** The lowest level that makes a line in any module now, and whether modules differ. Private; read
 * them through spy_log_enabled(). */
SPY_API extern int spy__log_level, spy__log_modules;
SPY_API bool spy__log_module_enabled(enum spy_level level, const char *module);

/** Whether a line of this level would be made in this module. Threads: any. */
static inline bool spy_log_enabled(enum spy_level level)
{
    return (int)level >= __atomic_load_n(&spy__log_level, __ATOMIC_RELAXED) &&
           (__atomic_load_n(&spy__log_modules, __ATOMIC_RELAXED) == 0 ||
            spy__log_module_enabled(level, SPY_MODULE));
}

/** Changes the level at run time, for all modules that have none of their own; SPY_LEVEL_DEFAULT is
 * info. Threads: any. */
SPY_API void spy_log_set_level(enum spy_level level);

/**
 * Gives the lines of one module (SPY_MODULE) a level of their own at run time; SPY_LEVEL_DEFAULT
 * takes it away. Returns 0, -EINVAL (a level that is none; a name that is empty, longer than
 * SPY_MODULE_NAME_MAX, or has a space, a comma, a '=', a quote, a backslash or no ASCII) or -ENOSPC
 * (64 other modules have had one). Threads: any.
 */
SPY_API int spy_log_set_module_level(const char *module, enum spy_level level);

/** What a place in the source that makes lines keeps from one to the next: the form that they share.
 * Zero at first. Private. */
struct spy__site {
    const void *shape; /* atomic */
};

/**
 * Publishes one line. Use the macros below. `site` is that of the call, where event and module are
 * string literals, or NULL. `module` names the part of the program (SPY_MODULE) or is NULL. Copies
 * what it needs. Waits for at most `full_wait_ms` where the destination is stuck; a line lost is
 * counted in spyglass_dropped_total{signal="log",reason}. Threads: any.
 */
SPY_API void spy__log(struct spy__site *site, enum spy_level level, const char *module,
                      const char *event, const struct spy_field *fields, size_t n);

SPY_END_DECLS

#define SPY__SITE(event)                                                                           \
    (__extension__({                                                                               \
        static struct spy__site spy__site;                                                         \
        SPY__LITERAL(event) && SPY__LITERAL(SPY_MODULE) ? &spy__site : (struct spy__site *)NULL;   \
    }))

#ifdef __cplusplus
template <typename... Field>
inline void spy__log_fields(spy__site *site, spy_level level, const char *module, const char *event,
                            Field... field)
{
    const spy_field fields[sizeof...(field) + 1] = { field... };
    spy__log(site, level, module, event, fields, sizeof...(field));
}
/* The first of the arguments once more: the event. */
#define SPY__FIRST(first, ...) first
#define SPY__LOG(level, ...)                                                                       \
    (spy_log_enabled(level) ? spy__log_fields(SPY__SITE(SPY__FIRST(__VA_ARGS__, 0)), (level),      \
                                              SPY_MODULE, __VA_ARGS__)                             \
                            : (void)0)
#else
#define SPY__LOG(level, ...) SPY__LOG_(level, __VA_ARGS__, spy__no_field())
/* The last field is an empty one, so that a line may have none; it is not passed on. It is made by a
 * call like the others: compilers clear the whole array first where one is written as { 0 }. */
#define SPY__LOG_(level, event, ...)                                                               \
    (spy_log_enabled(level)                                                                        \
         ? spy__log(SPY__SITE(event), (level), SPY_MODULE, (event),                                \
                    (const struct spy_field[]){ __VA_ARGS__ },                                     \
                    sizeof((const struct spy_field[]){ __VA_ARGS__ }) / sizeof(struct spy_field) - \
                        1)                                                                         \
         : (void)0)
#endif

/** spy_debug("event", fields…), spy_info(…), spy_warn(…), spy_log_error(…): one line at that level.
 * Threads: any. */
#define spy_debug(...) SPY__LOG(SPY_LEVEL_DEBUG, __VA_ARGS__)
#define spy_info(...) SPY__LOG(SPY_LEVEL_INFO, __VA_ARGS__)
#define spy_warn(...) SPY__LOG(SPY_LEVEL_WARN, __VA_ARGS__)
#define spy_log_error(...) SPY__LOG(SPY_LEVEL_ERROR, __VA_ARGS__)

#endif
