// What of an HTTP request may be told to others: its headers and its query, secrets masked, and
// without what says who the client is, unless the host wants that told.
//
// A secret is what record/mask calls one, and what Sentry's SDKs do: a key with one of the words of
// their deny list in it. Of the headers, those on a list of harmless ones are told; with `personal`
// all others too, secrets by name alone. Of the query all keys are; a value under a key that names
// a person, or with an '@' in it, is masked without `personal`. What is odd is masked.
//
// Pure functions of their arguments, in time linear in them; they allocate nothing.
// https://develop.sentry.dev/sdk/foundations/client/data-collection/#sensitive-denylist
#ifndef RECORD_MASK_SCRUB_H
#define RECORD_MASK_SCRUB_H

#include <stdbool.h>
#include <stddef.h>

#include "base/buf.h"
#include "record/mask/mask_words.h"

// Bytes. A header of a longer name is left out, a longer value of one is cut at a character; a
// longer key or value of a query is masked.
#define SPY__SCRUB_NAME_MAX 64u
#define SPY__SCRUB_HEADER_MAX 512u
#define SPY__SCRUB_ARGUMENT_MAX 256u

struct spy__scrub {
    bool personal;                      // what says who the client is may be told
    const struct spy__mask_words *more; // the user's words for secrets; NULL for none
};

// Appends "Name: value\n", the value of n bytes on one line; or nothing, where the header is not to
// be told, there is one of that name already, or no room in `out`, which is not `failed` then.
void spy__scrub_header(const struct spy__scrub *scrub, struct spy__buf *out, const char *name,
                       const char *value, size_t n);

// Appends a query of n bytes, without its '?', as far as there is room for whole arguments.
void spy__scrub_query(const struct spy__scrub *scrub, struct spy__buf *out, const char *query,
                      size_t n);

#endif
