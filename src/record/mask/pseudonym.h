// Fields of events whose values are not to be told: each is replaced by its keyed hash, so that the
// same value is the same pseudonym, and nobody finds the value who has not the salt.
//
// The hash is HMAC-SHA-256 under the salt, of the value's text, cut to its first 128 bits (RFC 2104
// section 5), in lower-case hex. Whoever has the salt can compute it again, in any language:
//
//     hmac.new(salt, user_id, "sha256").hexdigest()[:32]
//
// Threads: one at a time with the same room; the pseudonyms themselves are const after new.
#ifndef RECORD_MASK_PSEUDONYM_H
#define RECORD_MASK_PSEUDONYM_H

#include <stdbool.h>
#include <stddef.h>

#include "record/record.h"

#define SPY__PSEUDONYM_LEN 32
// Less is guessed with the values: user ids are few.
#define SPY__SALT_BYTES_MIN 16

struct spy__pseudonyms;

// What a changed record points into, until the next call.
struct spy__pseudonym_room {
    struct spy_field fields[SPY_FIELDS_MAX];
    char text[SPY_FIELDS_MAX][SPY__PSEUDONYM_LEN];
};

// `names` is a list of keys with commas between them, the salt any bytes; both are copied. Returns 0
// with *ret (free with spy__pseudonyms_free()), -EINVAL (no name, a salt too short) or -ENOMEM.
int spy__pseudonyms_new(struct spy__pseudonyms **ret, const char *names, const void *salt,
                        size_t salt_bytes);
void spy__pseudonyms_free(struct spy__pseudonyms *pseudonyms);

// Replaces the fields with these keys; NULL changes nothing. True where one was replaced:
// record->fields then lies in the room.
bool spy__pseudonyms_apply(const struct spy__pseudonyms *pseudonyms, struct spy__record *record,
                           struct spy__pseudonym_room *room);

#endif
