#!/usr/bin/env python3
"""Writes the table of powers of ten that number.c needs, as C.

Entry i is g(k) for k = MIN + i: the 128 leading bits of 10^k, rounded up
(R. Giulietti, "The Schubfach way to render doubles", 2021, section 9.1).
"""
import sys

MIN, MAX = -292, 324


def g(k):
    power = 10 ** abs(k)
    if k >= 0:
        shift = power.bit_length() - 128
        return power << -shift if shift <= 0 else -(-power >> shift)
    # ceil(2^shift / 10^-k), with shift such that the quotient has 128 bits.
    shift = 127 + power.bit_length()
    return -(-(1 << shift) // power)


with open(sys.argv[1], "w") as out:
    out.write("// Made by pow10_table.py.\n")
    out.write(f"#define POW10_MIN ({MIN})\n#define POW10_MAX {MAX}\n")
    out.write("static const struct {\n    uint64_t hi, lo;\n} pow10_table[POW10_MAX - POW10_MIN + 1] = {\n")
    for k in range(MIN, MAX + 1):
        v = g(k)
        assert v.bit_length() == 128, k
        out.write(f"    {{ {v >> 64:#018x}, {v & (2**64 - 1):#018x} }},\n")
    out.write("};\n")
