// What a stranger may wish of a profile, in a query: between the middleware that hears it, the admin
// server, and what writes it.
#ifndef BASE_WISH_H
#define BASE_WISH_H

#include <stdbool.h>
#include <stddef.h>

enum spy__wish_form {
    SPY__WISH_HTML, // a flame graph
    SPY__WISH_SPEEDSCOPE,
    SPY__WISH_PPROF,
    SPY__WISH_FOLDED,
};

struct spy__wish {
    enum spy__wish_form form;
    bool cpu;         // CPU time alone, not what waited
    unsigned rate_hz; // 0: the highest
};

// Most bytes of a value that are read.
#define SPY__WISH_MAX 64u

// Reads the n bytes of `?profile=`: words with a comma between them, of cpu, wall, pprof, speedscope,
// folded, html, or a rate in Hz from 2 to 1000. Others mean nothing: any value asks for a profile.
// Returns false, and leaves *ret alone, for an empty value and for one of more than SPY__WISH_MAX
// bytes. `accept`, a header or NULL, makes it speedscope where it wants JSON and no HTML, and no word
// says otherwise.
bool spy__wish_read(struct spy__wish *ret, const char *value, size_t n, const char *accept);

#endif
