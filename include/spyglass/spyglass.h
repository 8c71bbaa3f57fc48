/**
 * Spyglass: see everything that a C service does.
 *
 * One include for the whole public API. The order below is the order in which a newcomer needs the parts.
 *
 * Conventions of every header:
 * - set-up calls return 0 or a negative errno and leave their `ret` arguments untouched on failure;
 * - instrumentation returns void, never blocks on I/O, never fails; what it loses is counted, by reason,
 *   in `spyglass_dropped_total{signal,reason}`;
 * - a NULL or zero handle is a no-op;
 * - pointers are borrowed for the call unless the text says *copies*, *takes* or *returns*;
 * - nothing here may be called from a signal handler unless its text says so.
 */
#ifndef SPYGLASS_SPYGLASS_H
#define SPYGLASS_SPYGLASS_H

#include "spyglass/options.h"

#include "spyglass/metrics.h"

#include "spyglass/log.h"

#include "spyglass/context.h"

#include "spyglass/errors.h"

#include "spyglass/span.h"

#include "spyglass/trace.h"

#include "spyglass/http.h"

#include "spyglass/uuid.h"

#include "spyglass/events.h"

#include "spyglass/crash.h"

#endif
