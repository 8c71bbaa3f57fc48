// The two lists that travel with a trace: W3C tracestate and baggage. Pure functions over outside
// bytes.
//
// What is taken is passed on byte for byte, but for white space around members and members that are
// empty. Nothing is taken that could break a header: every byte is printable ASCII.
#ifndef BASE_TRACE_LISTS_H
#define BASE_TRACE_LISTS_H

#include <stddef.h>

// Bytes of either that are passed on. tracestate asks for 512 at least, baggage for 8,192.
#define SPY__TRACESTATE_MAX 8192
#define SPY__BAGGAGE_MAX 8192
// Members: tracestate allows 32, baggage asks for 64 at least.
#define SPY__TRACESTATE_MEMBERS_MAX 32
#define SPY__BAGGAGE_MEMBERS_MAX 64

// Takes a tracestate of n bytes by https://www.w3.org/TR/trace-context-2/#tracestate-header: writes
// it to `to`, which has room for n bytes, and returns its length. 0 where there is nothing in it, or
// where one member is invalid or there are too many: it is then dropped whole. A longer one than
// SPY__TRACESTATE_MAX loses members as the specification says: those past 128 bytes first, then from
// the end.
size_t spy__tracestate_take(char *to, const char *s, size_t n);

// Takes a baggage of n bytes by https://www.w3.org/TR/baggage/#baggage-http-header-format, in the
// same way; but an invalid member goes alone, as do those for which there is no room.
size_t spy__baggage_take(char *to, const char *s, size_t n);

// Looks up a key in what spy__baggage_take() wrote, the first where it is there more than once:
// writes its value, percent-decoded, what is no UTF-8 in it as U+FFFD, cut at a character where
// ret_size is short, and a NUL. Returns the length that the whole value has, or -1 without such a
// member; *ret is then untouched.
long spy__baggage_find(char *ret, size_t ret_size, const char *key, const char *s, size_t n);

// Copies the members of what spy__baggage_take() wrote whose keys begin with `prefix`, and a NUL; "" is
// written where they are longer than ret_size allows, nothing where that is 0. Returns their length
// with the commas between them, however long: 0 where there are none.
size_t spy__baggage_pick(char *ret, size_t ret_size, const char *prefix, const char *s, size_t n);

#endif
