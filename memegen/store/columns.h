// Columns that hold more than one value, as JSON, and text on its way into and out of a database.
// For every back end.
#ifndef MEMEGEN_STORE_COLUMNS_H
#define MEMEGEN_STORE_COLUMNS_H

#include <stddef.h>

#include "memegen/meme.h"

// How many bytes of text are valid UTF-8, from its start (RFC 3629, section 4): a text that was cut
// inside a character loses the rest of it, no more.
size_t column_utf8_len(const char *text);
// Copies what fits, whole characters alone.
void column_copy(char *ret, size_t ret_size, const char *text);

// New strings, NULL without memory.
char *column_from_captions(const struct meme *meme);
char *column_from_score(const struct meme_score *score);
char *column_from_reports(const struct meme *meme);

// Fill in what the JSON has; what is not there, of another type or too much is left out.
void column_to_captions(struct meme *ret, const char *json);
void column_to_score(struct meme_score *ret, const char *json);
void column_to_reports(struct meme *ret, const char *json);

// The contract's own string for an error type read back; NULL for "".
const char *column_error_type(const char *text);

#endif
