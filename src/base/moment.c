// The counter's rate against CLOCK_MONOTONIC; see the header.

#include "base/moment.h"

// The rate is measured from a look between one and two of these ago: long enough to make the error
// of a reading small, short enough to follow a clock that is slewed.
#define BASE_NS 1000000000u
// A look tells both clocks up to so many counts. Two of them make a rate where what lies between is so
// many times as long as both doubts: half of each may be wrong.
#define DOUBTS 2000u
// A rate further off than this from what it was: the counter, or the clock, has jumped. NTP slews by
// 500 ppm at most, from one end to the other.
#define RATE_TOLERANCE 0.0013
// So often in a row, and it was no jump.
#define JUMPS_MAX 3u

double spy__moment_rate;

static struct {
    struct spy__reading first, second; // the rate is measured from the first; then comes the second
    unsigned jumps;                    // in a row
    bool open, known;
} looks;

static struct spy__reading look(void)
{
    return spy__counter_read(spy__monotonic_ns);
}

void spy__moments_begin(void)
{
    spy__clock_moments(false);
    looks.known = false;
    looks.open = __atomic_load_n(&spy__ticks_raw, __ATOMIC_RELAXED);
    looks.jumps = 0;
    if (looks.open) {
        looks.first = looks.second = look();
    }
}

static void set_rate(double rate)
{
    __atomic_store(&spy__moment_rate, &rate, __ATOMIC_RELAXED);
    if (!looks.known) {
        looks.known = true;
        spy__clock_moments(true);
    }
}

// From here on measured anew, by the rate as it was until then.
static void jumped(struct spy__reading now)
{
    looks.first = looks.second = now;
    if (++looks.jumps == JUMPS_MAX) {
        spy__clock_moments(false);
        looks.open = false;
    }
}

void spy__moments_look(void)
{
    if (!looks.open || !__atomic_load_n(&spy__ticks_raw, __ATOMIC_RELAXED)) {
        return;
    }
    const struct spy__reading now = look();
    const uint64_t counts = now.count - looks.first.count;
    if ((int64_t)counts <= 0) {
        jumped(now);
        return;
    }
    if (counts / DOUBTS < now.doubt + looks.first.doubt) {
        return;
    }
    const double rate = (double)(now.ns - looks.first.ns) / (double)counts;
    const double off = looks.known ? rate / spy__moment_rate - 1 : 0;
    if (off < -RATE_TOLERANCE || off > RATE_TOLERANCE) {
        jumped(now);
        return;
    }
    looks.jumps = 0;
    set_rate(rate);
    if (now.ns - looks.second.ns > BASE_NS) {
        looks.first = looks.second;
        looks.second = now;
    }
}

void spy__moment_map_init(struct spy__moment_map *map)
{
    map->count = spy__counter();
    map->monotonic_ns = spy__monotonic_ns();
    map->realtime_ns = spy__realtime_ns();
    __atomic_load(&spy__moment_rate, &map->rate, __ATOMIC_RELAXED);
}

uint64_t spy__moment_time_ns(const struct spy__moment_map *map, uint64_t moment)
{
    if (!spy__moment_is_count(moment)) {
        return map->realtime_ns + ((moment & ~SPY__MOMENT_NS) - map->monotonic_ns);
    }
    double rate = map->rate;
    if (!(rate > 0)) { // nobody knew it when the map was made
        __atomic_load(&spy__moment_rate, &rate, __ATOMIC_RELAXED);
    }
    const double ns = (double)(int64_t)(moment - map->count) * rate;
    return map->realtime_ns + (uint64_t)(int64_t)ns;
}
