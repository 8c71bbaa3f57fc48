#include "heap/sampling.h"

#include <math.h>

uint64_t spy__heap_interval(uint64_t random, uint64_t mean_bytes)
{
    // In (0, 1], in steps of 2^-53, as many as a double has there.
    const double uniform = (double)((random >> 11) + 1) * 0x1p-53;
    // Rounded down: floor(E) < size exactly where E < size.
    return (uint64_t)(-log(uniform) * (double)mean_bytes);
}

double spy__heap_weight(size_t size, uint64_t mean_bytes)
{
    return -1 / expm1(-(double)size / (double)mean_bytes);
}
