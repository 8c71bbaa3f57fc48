// Numbers to text, whatever the locale.
//
// Doubles print as the shortest decimal that reads back as the same bits (Schubfach: R. Giulietti, "The Schubfach way
// to render doubles", 2021).
#ifndef BASE_NUMBER_H
#define BASE_NUMBER_H

#include <stddef.h>
#include <stdint.h>

// Enough for any number printed here.
#define SPY__NUMBER_MAX 32

// Each writes to out (SPY__NUMBER_MAX bytes, no NUL) and returns the length.
size_t spy__u64_print(char *out, uint64_t v);
size_t spy__i64_print(char *out, int64_t v);
// Go's strconv 'g' form with the shortest digits, as Prometheus writes it: exponent form below 1e-4 and from 1e21 on
// ("1e+21"), else plain; NaN, +Inf, -Inf. Integral values have no ".0".
size_t spy__double_print(char *out, double v);
// As above, but a JSON number: NaN and infinities are "null".
size_t spy__double_print_json(char *out, double v);

#endif
