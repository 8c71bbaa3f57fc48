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
// The shortest digits, plain from 1e-4 up to 1e21, with an exponent outside ("1e-05", "1e+21");
// NaN, +Inf, -Inf as Prometheus reads them. Whole numbers have no ".0".
size_t spy__double_print(char *out, double v);
// As above, but a JSON number: NaN and infinities are "null".
size_t spy__double_print_json(char *out, double v);

#endif
