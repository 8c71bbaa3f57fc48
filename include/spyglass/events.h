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

SPY_END_DECLS

#endif
