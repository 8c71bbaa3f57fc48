// The authority of a configured address, its HOST[:PORT], safe in a request and in a log line.
#ifndef BACKENDS_AUTHORITY_H
#define BACKENDS_AUTHORITY_H

#include <stdbool.h>
#include <stddef.h>

#define SPY__AUTHORITY_BASE_MAX 320

// Reads n bytes: a name or an IP address, one of version 6 in its brackets, and a port. Writes
// "http[s]://HOST:PORT", without a slash at its end, and whether it is loopback (127.x, ::1,
// localhost): nothing is gained by compression there. False, with nothing written, where it is
// anything else.
bool spy__authority_parse(char ret_base[SPY__AUTHORITY_BASE_MAX], bool *ret_loopback, const char *s,
                          size_t n, bool tls, unsigned port_default);

#endif
