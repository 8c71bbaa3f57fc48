// Dice that fall the same way for the same seed, everywhere: SplitMix64 (G. L. Steele, D. Lea, C.
// H. Flood, "Fast splittable pseudorandom number generators", 2014). Not for secrets.
#ifndef MEMEGEN_LLM_DICE_H
#define MEMEGEN_LLM_DICE_H

#include <stddef.h>
#include <stdint.h>

struct dice {
    uint64_t state;
};

static inline uint64_t dice_u64(struct dice *dice)
{
    uint64_t z = dice->state += 0x9e3779b97f4a7c15u;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return z ^ (z >> 31);
}

// 0 to n - 1; n > 0. The bias of the remainder is below n / 2^64.
static inline size_t dice_below(struct dice *dice, size_t n)
{
    return (size_t)(dice_u64(dice) % n);
}

// 0 to 1, 1 excluded.
static inline double dice_unit(struct dice *dice)
{
    return (double)(dice_u64(dice) >> 11) * 0x1p-53;
}

#endif
