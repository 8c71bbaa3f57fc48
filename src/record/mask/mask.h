// Secrets in records: what they are called, and what stands in their place.
//
// A field whose key names a secret has its whole value masked. In other strings, whatever names a
// secret inside is: see record/mask/mask_text.h. Masking takes time in proportion to the record, and
// allocates nothing.
//
// Threads: a masker is one thread's at a time.
#ifndef RECORD_MASK_MASK_H
#define RECORD_MASK_MASK_H

#include <stdbool.h>

#include "record/record.h"

#define SPY__REDACTED "[redacted]"

// Whether the field's value must not be written, by built-in words. A number is no token:
// `input_tokens` counts words of a language model.
bool spy__is_secret(const struct spy_field *field);

struct spy__masker;
struct spy__keys; // record/mask/keys.h

// Returns a masker (free with spy__masker_free()) that knows the built-in words and `words`, a list
// with commas or NULL; NULL without memory. A list that spy__mask_words_parse() refuses counts as
// none.
struct spy__masker *spy__masker_new(const char *words);
void spy__masker_free(struct spy__masker *masker);

// For reading the records that are to be masked.
struct spy__keys *spy__masker_keys(struct spy__masker *masker);

// Masks the record's fields. Returns whether there was anything to mask: then the record's fields,
// and what is new in them, point into the masker until its next call. A clean record stays as it
// is.
bool spy__mask_record(struct spy__masker *masker, struct spy__record *record);

#endif
