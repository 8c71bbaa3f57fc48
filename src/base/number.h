// Numbers to text, whatever the locale.
//
// Doubles print as the shortest decimal that reads back as the same bits (Schubfach: R. Giulietti,
// "The Schubfach way to render doubles", 2021).
#ifndef BASE_NUMBER_H
#define BASE_NUMBER_H

#include <stddef.h>
#include <stdint.h>

// Enough for any number printed here.
#define SPY__NUMBER_MAX 32

// Each writes to out (SPY__NUMBER_MAX bytes, no NUL) and returns the length.
size_t spy__u64_print(char *out, uint64_t v);
size_t spy__i64_print(char *out, int64_t v);
// As Go's strconv.FormatFloat(v, 'g', -1, 64), which the official clients write: shortest digits,
// plain from 1e-4 to below 1e6, with an exponent outside ("1e-05", "1.048576e+06"); NaN, +Inf,
// -Inf. Whole numbers have no ".0". An `le` is a label: one bound must be the same text in every
// format and from every client.
size_t spy__double_print(char *out, double v);
// A JSON number: as above, but plain up to 1e21; NaN and infinities are "null".
size_t spy__double_print_json(char *out, double v);

#endif
