// What signals/http.c needs of an operation beyond its public face.
#ifndef SIGNALS_SPAN_H
#define SIGNALS_SPAN_H

#include "spyglass/span.h"

// As spy_end(), for work that was over at end_ns by the monotonic clock. Adds it to no timeline.
void spy__end_at(struct spy_span *span, struct spy_outcome outcome, uint64_t end_ns);

// Makes the locks of registration whole in a forked child: the registry's, then the operations'. A
// lock that is taken before these two registers its own handlers after this call.
void spy__operations_watch_forks(void);

#endif
