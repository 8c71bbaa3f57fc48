// A streaming JSON writer (RFC 8259) onto a buffer: what it writes is valid for any input bytes.
//
// Commas are set by the writer; nesting is the caller's (each object and array is ended, each value
// in an object comes after its key). A failed buffer makes every call a no-op, see base/buf.h.
#ifndef BASE_JSON_H
#define BASE_JSON_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"

struct spy__json {
    struct spy__buf *out; // borrowed
    bool comma;           // a value stands before the next one, at this depth
};

static inline void spy__json_init(struct spy__json *j, struct spy__buf *out)
{
    j->out = out;
    j->comma = false;
}

void spy__json_object(struct spy__json *j);
void spy__json_object_end(struct spy__json *j);
void spy__json_array(struct spy__json *j);
void spy__json_array_end(struct spy__json *j);

// A key of n bytes; a value, an object or an array follows.
void spy__json_keyn(struct spy__json *j, const char *key, size_t n);
static inline void spy__json_key(struct spy__json *j, const char *key)
{
    spy__json_keyn(j, key, strlen(key));
}

// n bytes of text. Bytes that are no UTF-8 are written as U+FFFD, one for each byte.
void spy__json_strn(struct spy__json *j, const char *s, size_t n);
static inline void spy__json_str(struct spy__json *j, const char *s)
{
    spy__json_strn(j, s, strlen(s));
}
void spy__json_i64(struct spy__json *j, int64_t v);
void spy__json_u64(struct spy__json *j, uint64_t v);
// NaN and infinities are null.
void spy__json_double(struct spy__json *j, double v);
void spy__json_bool(struct spy__json *j, bool v);
void spy__json_null(struct spy__json *j);

// Members of an object as text that the caller has written: at most n bytes, behind the comma that they
// need. Returns where they go, or NULL where the buffer failed; spy__json_members_end() says where they
// end.
char *spy__json_members(struct spy__json *j, size_t n);
void spy__json_members_end(struct spy__json *j, const char *end);

// The inside of a string, without its quotes.
void spy__json_escape(struct spy__buf *out, const char *s, size_t n);

#endif
