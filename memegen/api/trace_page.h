// The timeline of a meme as a page of its own: HTML with one SVG in it, no script, nothing to load.
#ifndef MEMEGEN_API_TRACE_PAGE_H
#define MEMEGEN_API_TRACE_PAGE_H

#include <jansson.h>
#include <stddef.h>

// trace: what answer_trace() gave; borrowed. Returns malloc, or NULL without memory. Pure.
char *trace_page(const json_t *trace, size_t *ret_len);

#endif
