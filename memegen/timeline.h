// The timeline of a meme: the spans of the request that asked for it and of the work it took, as
// JSON for the store and the API.
//
// {"root_span_id", "lost_spans", "spans": [{"span_id", "parent_span_id", "name", "attributes",
// "start_us", "duration_us", "error"}]}, in the order of their starts.
#ifndef MEMEGEN_TIMELINE_H
#define MEMEGEN_TIMELINE_H

#include <jansson.h>
#include <stdbool.h>
#include <spyglass/spyglass.h>

// Returns a new reference, or NULL without memory. root_id: of the span that is everyone's ancestor;
// the timeline is whole once that has ended, and spans whose parent has not ended yet hang below it.
json_t *timeline_json(struct spy_trace *trace, const char *root_id);

// The same as text: malloc, or NULL without memory.
char *timeline_text(struct spy_trace *trace, const char *root_id);

// Reads what timeline_text() wrote. Returns a new reference; NULL where it is no timeline, or
// without memory.
json_t *timeline_read(const char *text);

// Whether its root has ended.
bool timeline_has_root(const json_t *timeline);

#endif
