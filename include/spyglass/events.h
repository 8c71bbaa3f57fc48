/**
 * Product events: what happened, for analytics.
 *
 *     spy_event("meme_generated", spy_str("template_id", id), spy_double("quality_score", 0.9));
 *
 * An event has a type, typed fields (its properties), a UUID, and the time in microseconds UTC;
 * service, environment, correlation and trace id are added by themselves. The context's bound
 * fields are not: an event says what it says, wherever it was made. Types and keys should be
 * snake_case constants.
 */
#ifndef SPYGLASS_EVENTS_H
#define SPYGLASS_EVENTS_H

#include <stddef.h>

#include "spyglass/api.h"
#include "spyglass/log.h"
#include "spyglass/uuid.h"

SPY_BEGIN_DECLS

/** Most event types that may be declared. */
#define SPY_EVENT_TYPES_MAX 256

/** A field of an event type: int, uint, double, bool or str. */
struct spy_event_field {
    const char *name;
    enum spy_field_type type;
};

/** What an event of a type has. */
struct spy_event_type {
    const char *name;
    struct spy_event_field fields[SPY_FIELDS_MAX]; /**< the first without a name ends them */
};

/**
 * Declares an event type with its fields; copies. From then on a number is brought into its field's
 * declared type where nothing is lost by that, and a field that is undeclared, or has another type,
 * is kept as it is and counted in `spyglass_event_fields_unexpected_total{event_type,reason}`. A
 * type need not be declared; where some are, all fields of one that is not are undeclared. Returns
 * 0 (for the same declaration again, too), -EINVAL (a name, a type), -EEXIST (declared otherwise
 * before), -ENOSPC (past SPY_EVENT_TYPES_MAX) or -ENOMEM. Stays for the rest of the process.
 * Threads: any.
 */
SPY_API SPY_CHECK int spy_event_declare(const struct spy_event_type *type);

/**
 * Publishes one event. Use the macros below. Copies what it needs. With a `state_dir` it is durable
 * when this returns. Waits for at most `full_wait_ms` where the library cannot keep up; an event lost
 * is counted in spyglass_dropped_total{signal="event",reason}: those of a forked child are, as
 * stopped. Threads: any.
 */
SPY_API void spy__event(const struct spy_uuid *id, const char *type, const struct spy_field *fields,
                        size_t n);

/** Longest sentence that spy_events_migrate() says, with its NUL. */
#define SPY_EVENTS_ERROR_MAX 512

/** A ClickHouse server, or spyglass-events: as the options clickhouse_url, clickhouse_ca,
 * clickhouse_cert and clickhouse_key of spyglass/options.h; NULL or "" for what is not given. */
struct spy_events_server {
    const char *url, *ca, *cert, *key;
};

/**
 * Brings the schema of a ClickHouse database up to date: applies the migrations of
 * monitoring/clickhouse that it does not have, each noted in its table `spyglass_migrations`, and
 * tells `applied` (may be NULL) of each. No environment variable is looked at. Returns 0, -EINVAL (url), -EACCES (the user may not), -EAGAIN (no answer, or an error that may
 * pass), -ENOTSUP (a build without delivery) or -ENOMEM, with an English sentence in error that has
 * no secrets. Waits for the server, a minute a statement at most. Threads: any.
 */
SPY_API SPY_CHECK int spy_events_migrate(const struct spy_events_server *server,
                                         void (*applied)(void *arg, const char *name), void *arg,
                                         char error[SPY_EVENTS_ERROR_MAX]);

SPY_END_DECLS

#ifdef __cplusplus
template <typename... Field>
inline void spy__event_fields(const spy_uuid *id, const char *type, Field... field)
{
    const spy_field fields[sizeof...(field) + 1] = { field... };
    spy__event(id, type, fields, sizeof...(field));
}
#define spy_event(...) spy__event_fields(NULL, __VA_ARGS__)
#define spy_event_with_id(id, ...) spy__event_fields((id), __VA_ARGS__)
#else
/** spy_event("type", fields…): one event, now, with a new UUID of version 7. Threads: any. */
#define spy_event(...) SPY__EVENT(NULL, __VA_ARGS__, { 0 })
/** spy_event_with_id(&id, "type", fields…): the same with an id of the host's own, from
 * spy_uuid_v5() say: the same event published twice is stored once. Threads: any. */
#define spy_event_with_id(id, ...) SPY__EVENT((id), __VA_ARGS__, { 0 })
/* The last field is an empty one, so that an event may have none; it is not passed on. */
#define SPY__EVENT(id, type, ...)                                                                  \
    spy__event((id), (type), (const struct spy_field[]){ __VA_ARGS__ },                            \
               sizeof((const struct spy_field[]){ __VA_ARGS__ }) / sizeof(struct spy_field) - 1)
#endif

#endif
