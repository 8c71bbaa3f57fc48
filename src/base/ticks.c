// The map between the processor's counter and CLOCK_REALTIME; see the header.

#include "base/ticks.h"

#if defined(__x86_64__)
#include <cpuid.h>
#endif

// The rate is measured over at least this long, and its base moves on after a while: long enough to
// make the error of a reading (some 50 ns) small, short enough to follow a clock that is slewed.
#define BASE_MIN_NS 250000u
#define BASE_MAX_NS 1000000000u
// A rate further off than this is no rate: the clock was stepped between the two readings. NTP slews
// by 500 ppm at most.
#define RATE_TOLERANCE 0.002

static bool counter_is_steady(void)
{
#if defined(__x86_64__)
    unsigned a, b, c, d;
    return __get_cpuid(0x80000007, &a, &b, &c, &d) && (d & 1u << 8);
#elif defined(__aarch64__)
    return true; // by architecture: ARM DDI 0487, D11.1.2
#else
    return false;
#endif
}

struct spy__reading spy__counter_read(uint64_t (*clock_ns)(void))
{
    struct spy__reading best = { .doubt = UINT64_MAX };
    for (int i = 0; i < 4; i++) {
        uint64_t before = spy__counter(), ns = clock_ns(), moved = spy__counter() - before;
        if (moved < best.doubt) {
            best = (struct spy__reading){ before + moved / 2, ns, moved };
        }
    }
    return best;
}

void spy__ticks_init(struct spy__ticks_map *map)
{
    *map = (struct spy__ticks_map){ 0 };
    spy__clock_counter(counter_is_steady());
    if (!__atomic_load_n(&spy__ticks_raw, __ATOMIC_RELAXED)) {
        return;
    }
    const struct spy__reading base = spy__counter_read(spy__realtime_ns);
    map->base_ticks = base.count;
    map->base_ns = base.ns;
    const uint64_t start_ns = spy__monotonic_ns();
    while (spy__monotonic_ns() - start_ns < BASE_MIN_NS) {
    }
    const struct spy__reading now = spy__counter_read(spy__realtime_ns);
    map->ticks = now.count;
    map->ns = now.ns;
    map->ns_per_tick = (double)(map->ns - map->base_ns) / (double)(map->ticks - map->base_ticks);
}

void spy__ticks_sync(struct spy__ticks_map *map)
{
    if (!(map->ns_per_tick > 0) || !__atomic_load_n(&spy__ticks_raw, __ATOMIC_RELAXED)) {
        return;
    }
    const struct spy__reading now = spy__counter_read(spy__realtime_ns);
    const uint64_t ticks = now.count, ns = now.ns;
    if (ns >= map->base_ns + BASE_MIN_NS && ticks > map->base_ticks) {
        double rate = (double)(ns - map->base_ns) / (double)(ticks - map->base_ticks);
        double off = rate / map->ns_per_tick - 1;
        if (off > -RATE_TOLERANCE && off < RATE_TOLERANCE) {
            map->ns_per_tick = rate;
        } else {
            map->base_ticks = ticks;
            map->base_ns = ns;
        }
        if (ns - map->base_ns > BASE_MAX_NS) {
            map->base_ticks = map->ticks;
            map->base_ns = map->ns;
        }
    }
    map->ticks = ticks;
    map->ns = ns;
}

uint64_t spy__ticks_to_ns(const struct spy__ticks_map *map, uint64_t ticks)
{
    if (ticks & SPY__TICKS_NS) {
        return ticks & ~SPY__TICKS_NS;
    }
    // The difference is small, and exact as a double; the sum is of integers.
    double ns = (double)(int64_t)(ticks - map->ticks) * map->ns_per_tick;
    return map->ns + (uint64_t)(int64_t)ns;
}
