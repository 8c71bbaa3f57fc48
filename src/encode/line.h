// What the formats of log lines share: raw writes into a buffer's free room, and the pieces of a
// line.
//
// A line is appended whole or not at all: where there is no room, the buffer is `failed` and as
// long as before. The place of the next byte, `at`, goes from piece to piece by value, so that it
// stays in a register: in memory, each piece would wait for the one before to store it.
//
// Invariant: `at` has SPY__LINE_FREE bytes in front of it after begin and after each checked piece
// (a function that takes the line); literals alone may use them up, and so need no check. A line
// that failed goes on in `waste`, and comes to its beginning with each checked piece.
#ifndef ENCODE_LINE_H
#define ENCODE_LINE_H

#include <string.h>

#include "base/buf.h"
#include "base/bytes16.h"
#include "record/record.h"

// For the literals between two checked pieces.
#define SPY__LINE_FREE 96u
// And what a copy may write past its end.
#define SPY__LINE_SLACK (SPY__LINE_FREE + 32u)

struct spy__line {
    struct spy__buf *out;
    size_t start; // of the line in `out`
    char *end;    // of the room of `out`; of `waste` once it failed
    char waste[SPY__LINE_SLACK];
};

// Makes room for n bytes and the slack by growing the buffer. Returns where to go on.
char *spy__line_grow(struct spy__line *l, char *at, size_t n);

static inline char *spy__line_room(struct spy__line *l, char *at, size_t n)
{
    return __builtin_expect(l->end - at >= (ptrdiff_t)(n + SPY__LINE_SLACK), 1)
               ? at
               : spy__line_grow(l, at, n);
}

static inline char *spy__line_begin(struct spy__line *l, struct spy__buf *out)
{
    l->out = out;
    l->start = out->len;
    if (!out->bytes) { // C has no offset from NULL, 0 neither
        return spy__line_grow(l, NULL, 0);
    }
    l->end = out->bytes + out->cap;
    return spy__line_room(l, out->bytes + out->len, 0);
}

// Ends the line with a newline, and appends it to its buffer.
static inline void spy__line_end(struct spy__line *l, char *at)
{
    *at++ = '\n';
    if (!l->out->failed) {
        l->out->len = (size_t)(at - l->out->bytes);
    }
}

// Lends the buffer to what appends by itself, and takes it back.
struct spy__buf *spy__line_lend(struct spy__line *l, char *at);
char *spy__line_take(struct spy__line *l);

// A string literal as it is; unchecked.
#define SPY__LINE_LITERAL(at, text)                                                                \
    ((char *)memcpy((at), (text), sizeof(text) - 1) + sizeof(text) - 1)

// n bytes as they are.
static inline char *spy__line_put(struct spy__line *l, char *at, const char *s, size_t n)
{
    at = spy__line_room(l, at, n);
    if (l->out->failed) {
        return at;
    }
    memcpy(at, s, n);
    return at + n;
}
static inline char *spy__line_puts(struct spy__line *l, char *at, const char *s)
{
    return spy__line_put(l, at, s, strlen(s));
}

// Text by JSON's rules, without its quotes: valid for any bytes (RFC 8259 section 7; what is no
// UTF-8 is U+FFFD, one for each byte).
char *spy__line_escape(struct spy__line *l, char *at, const char *s, size_t n);

// Whether the text is ASCII that logfmt and the console form both show without quotes. What it says
// no to may still be: it decides quickly for most.
bool spy__is_plain_ascii(const char *s, size_t n);

// 16 digits of hex; unchecked.
static inline char *spy__line_hex(char *at, uint64_t v)
{
    spy__store16(at, spy__hex16(v));
    return at + 16;
}

// YYYY-MM-DDTHH:MM:SS.ffffffZ (RFC 3339) for a time since 1970 UTC; SPY__TIME_LEN bytes. A thread
// keeps the last second's text: lines come by the thousand in one.
#define SPY__TIME_LEN 27
void spy__time_print(char ret[SPY__TIME_LEN], uint64_t time_ns);

// A record's id, RUN.SLOT.SEQUENCE: 8 digits of hex, then decimal; at most 40 bytes, unchecked.
char *spy__line_id(char *at, const struct spy__record_id *id);

// Whether a field's key is one of ours; it is written with a '_' behind it.
bool spy__key_is_reserved_slow(const char *key);
static inline bool spy__key_is_reserved(const char *key)
{
    // By the first letter: c, e, l, r, s or t.
    const uint32_t firsts = 1u << 3 | 1u << 5 | 1u << 12 | 1u << 18 | 1u << 19 | 1u << 20;
    return (firsts >> ((unsigned char)key[0] & 31) & 1) && spy__key_is_reserved_slow(key);
}

#endif
