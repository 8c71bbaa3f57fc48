// xoshiro256** (D. Blackman, S. Vigna, "Scrambled linear pseudorandom number generators", 2021;
// https://prng.di.unimi.it/xoshiro256starstar.c), one generator a thread, so that no call waits for
// another.

#include "base/random.h"

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <sys/random.h>
#include <sys/types.h>
#include <unistd.h>

#include "base/clock.h"

// Each used by its own thread alone.
static __thread uint64_t state[4] __attribute__((tls_model("initial-exec")));
static __thread bool seeded __attribute__((tls_model("initial-exec")));

static pthread_once_t fork_once = PTHREAD_ONCE_INIT;

// Runs in the child's only thread: parent and child must not draw the same ids.
static void forget_seed(void)
{
    seeded = false;
}

static void watch_forks(void)
{
    // Without memory for the handler, ids may repeat in a child; there is nobody to tell.
    (void)pthread_atfork(NULL, NULL, forget_seed);
}

// https://prng.di.unimi.it/splitmix64.c: spreads one word over a whole state, never all zero.
static uint64_t splitmix(uint64_t *x)
{
    uint64_t z = *x += 0x9e3779b97f4a7c15u;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return z ^ (z >> 31);
}

void spy__random_seed(uint64_t seed)
{
    for (size_t i = 0; i < 4; i++) {
        state[i] = splitmix(&seed);
    }
    seeded = true;
}

static void seed_from_system(void)
{
    pthread_once(&fork_once, watch_forks);
    if (getrandom(state, sizeof(state), GRND_NONBLOCK) == (ssize_t)sizeof(state) &&
        (state[0] | state[1] | state[2] | state[3])) {
        seeded = true;
        return;
    }
    // Early at boot, or a kernel without getrandom: ids need to differ, not to be unguessable.
    spy__random_seed(spy__realtime_ns() ^ spy__monotonic_ns() << 20 ^ (uint64_t)getpid() << 40 ^
                     (uint64_t)(uintptr_t)&seeded);
}

static inline uint64_t rotl(uint64_t x, int k)
{
    return (x << k) | (x >> (64 - k));
}

uint64_t spy__random_u64(void)
{
    if (__builtin_expect(!seeded, 0)) {
        seed_from_system();
    }
    uint64_t *s = state;
    uint64_t result = rotl(s[1] * 5, 7) * 9, t = s[1] << 17;
    s[2] ^= s[0];
    s[3] ^= s[1];
    s[1] ^= s[2];
    s[0] ^= s[3];
    s[2] ^= t;
    s[3] = rotl(s[3], 45);
    return result;
}

uint64_t spy__random_id(void)
{
    uint64_t id;
    do {
        id = spy__random_u64();
    } while (id == 0);
    return id;
}

void spy__uuid_v4(char ret[37])
{
    static const char hex[16] = "0123456789abcdef";
    uint64_t hi = spy__random_u64(), lo = spy__random_u64();
    hi = (hi & ~UINT64_C(0xf000)) | 0x4000;            // version 4
    lo = (lo & (UINT64_MAX >> 2)) | UINT64_C(1) << 63; // variant 10
    char *p = ret;
    for (int i = 0; i < 32; i++) {
        if (i == 8 || i == 12 || i == 16 || i == 20) {
            *p++ = '-';
        }
        uint64_t word = i < 16 ? hi : lo;
        *p++ = hex[word >> (60 - 4 * (i % 16)) & 15];
    }
    *p = '\0';
}
