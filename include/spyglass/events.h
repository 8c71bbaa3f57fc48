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

/** Longest sentence that spy_events_migrate() says, with its NUL. */
#define SPY_EVENTS_ERROR_MAX 512

/**
 * Brings the schema of a ClickHouse database up to date: applies the migrations of
 * monitoring/clickhouse that it does not have, each noted in its table `spyglass_migrations`, and
 * tells `applied` (may be NULL) of each. url is "http[s]://[USER[:PASSWORD]@]HOST[:PORT][/DATABASE]".
 * Returns 0, -EINVAL (url), -EACCES (the user may not), -EAGAIN (no answer, or an error that may
 * pass), -ENOTSUP (a build without delivery) or -ENOMEM, with an English sentence in error that has
 * no secrets. Waits for the server, a minute a statement at most. Threads: any.
 */
SPY_API SPY_CHECK int spy_events_migrate(const char *url,
                                         void (*applied)(void *arg, const char *name), void *arg,
                                         char error[SPY_EVENTS_ERROR_MAX]);

SPY_END_DECLS

#endif
