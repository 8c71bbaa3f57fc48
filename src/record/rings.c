// Claims, opening and closing; see the headers.

#include "record/rings.h"

#include <errno.h>
#include <limits.h>
#include <linux/membarrier.h>

#include "base/clock.h"
#include "base/moment.h"
#include "base/random.h"
#include "record/rings_set.h"

#define STOP_WAIT_MS 1000
#define ENDING_ROUNDS (PTHREAD_DESTRUCTOR_ITERATIONS - 1)

struct spy__rings_set spy__rings;
pthread_mutex_t spy__rings_shared_mu = PTHREAD_MUTEX_INITIALIZER;
struct spy__producer spy__rings_shared;

static uint32_t no_busy; // of threads that have no ring: written, never read
__thread struct spy__producer spy__producer = { .busy = &no_busy };
static __thread unsigned ending; // destructor rounds that this thread has been through

unsigned spy__rings_generation = 2;
bool spy__rings_fenced;
bool spy__rings_asleep;

static pthread_key_t at_end;
static bool have_key;
static pthread_once_t once = PTHREAD_ONCE_INIT;

void spy__rings_fence_all(void)
{
    __atomic_thread_fence(__ATOMIC_SEQ_CST);
    if (!spy__rings_fenced) {
        (void)syscall(SYS_membarrier, MEMBARRIER_CMD_PRIVATE_EXPEDITED, 0, 0);
    }
}

// ---- the ends of threads and of processes

// A destructor of another key may log after this one: so the ring is kept as long as the thread's
// end may have further rounds but the last (POSIX: at least PTHREAD_DESTRUCTOR_ITERATIONS; in the
// last one ThreadSanitizer has forgotten the thread), and what comes later goes through the overflow
// ring.
static void give_back(void *arg)
{
    struct spy__producer *p = &spy__producer;
    if (++ending < ENDING_ROUNDS && pthread_setspecific(at_end, arg) == 0) {
        return;
    }
    ending = ENDING_ROUNDS;
    struct spy__place *place = arg;
    uint64_t taken = (uint64_t)p->generation << 1 | 1;
    *p = (struct spy__producer){ .busy = &no_busy };
    (void)__atomic_compare_exchange_n(&place->claim, &taken, taken - 1, false, __ATOMIC_RELEASE,
                                      __ATOMIC_RELAXED);
}

static void before_fork(void)
{
    pthread_mutex_lock(&spy__rings_shared_mu);
}

static void in_parent(void)
{
    pthread_mutex_unlock(&spy__rings_shared_mu);
}

// One thread is left, this one, and it is in no push.
static void in_child(void)
{
    pthread_mutex_unlock(&spy__rings_shared_mu);
    if (spy__rings_generation & 1) {
        spy__rings_generation++;
        spy__rings.child = true;
    }
    for (size_t i = 0; i < spy__rings.count; i++) {
        spy__rings.places[i].busy = 0;
    }
    spy__rings.waiters = spy__rings.waiting = 0;
    spy__rings_asleep = false;
}

static void init_once(void)
{
    have_key = pthread_key_create(&at_end, give_back) == 0;
    const bool none = syscall(SYS_membarrier, MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED, 0, 0) != 0;
    __atomic_store_n(&spy__rings_fenced, none, __ATOMIC_RELAXED);
    (void)pthread_atfork(before_fork, in_parent, in_child);
}

void spy__rings_hold_over_fork(void)
{
    pthread_once(&once, init_once);
}

// ---- open, stop, close

static bool is_power_of_two(size_t n)
{
    return n > 0 && (n & (n - 1)) == 0;
}

static int fill_in(struct spy__rings_options *o)
{
    o->slots = o->slots ? o->slots : SPY__RING_SLOTS_DEFAULT;
    o->ring_bytes = o->ring_bytes ? o->ring_bytes : SPY__RING_BYTES_DEFAULT;
    return o->slots <= SPY__RING_SLOTS_MAX && is_power_of_two(o->ring_bytes) &&
                   o->ring_bytes >= SPY__RING_BYTES_MIN && o->ring_bytes <= SPY__RING_BYTES_MAX
               ? 0
               : -EINVAL;
}

static void set_up_producer(struct spy__producer *p, size_t ring, unsigned generation)
{
    struct spy__slot *slot = &spy__rings.map.slots[ring];
    const uint64_t bytes = spy__rings.options.ring_bytes;
    *p = (struct spy__producer){
        .generation = generation,
        .busy = &spy__rings.places[ring].busy,
        .slot = slot,
        .data = spy__rings.map.data + 2 * ring * bytes,
        .mask = bytes - 1,
        .head = __atomic_load_n(&slot->head, __ATOMIC_ACQUIRE),
        .sequence = slot->sequence,
        .seed = spy__ring_seed(spy__rings.map.header->run, (uint32_t)ring),
    };
    p->limit = p->head; // the first push looks for room
}

bool spy__rings_claim(unsigned generation)
{
    const uint64_t is_free = (uint64_t)generation << 1;
    if (!have_key || ending >= ENDING_ROUNDS) {
        return false;
    }
    for (size_t i = 0; i < SPY__RING_SLOTS_MAX; i++) {
        struct spy__place *place = &spy__rings.places[i];
        uint64_t found = __atomic_load_n(&place->claim, __ATOMIC_RELAXED);
        if (found >> 1 != generation) {
            return false; // past the last one, or these are other rings by now
        }
        if (found == is_free &&
            __atomic_compare_exchange_n(&place->claim, &found, is_free | 1, false, __ATOMIC_ACQUIRE,
                                        __ATOMIC_RELAXED)) {
            if (pthread_setspecific(at_end, place) != 0) {
                __atomic_store_n(&place->claim, is_free, __ATOMIC_RELEASE);
                return false;
            }
            struct spy__producer p = { .generation = generation, .busy = &place->busy };
            if (spy__rings_enter(&p)) {
                set_up_producer(&spy__producer, i, generation);
                spy__rings_leave(&p);
            }
            return true;
        }
    }
    return false;
}

// Asked by callers at any time, while the map comes and goes.
static bool recoverable; // atomic, relaxed: nothing hangs on it

int spy__rings_open(const struct spy__rings_options *options, int *ret_why)
{
    struct spy__rings_options o = *options;
    spy__rings_hold_over_fork();
    if (spy__rings_generation & 1) {
        return -EALREADY;
    }
    int err = fill_in(&o);
    if (err != 0) {
        return err;
    }
    spy__rings_close(false); // a child's copy of its parent's
    struct spy__rings_header shape = { .slots = o.slots, .ring_bytes = o.ring_bytes };
    shape.run = (uint32_t)spy__random_id() | 1;
    shape.start_ns = spy__realtime_ns();
    spy__ticks_init(&shape.maps[0]);
    spy__moments_begin();
    struct spy__rings_map map;
    err = spy__rings_map(&map, o.state_dir, &shape);
    *ret_why = err;
    if (err != 0 && o.state_dir) {
        err = spy__rings_map(&map, NULL, &shape);
    }
    if (err != 0) {
        return err == -ENOMEM ? err : -ENOMEM;
    }
    o.state_dir = NULL;
    unsigned generation = spy__rings_generation + 1;
    pthread_mutex_lock(&spy__rings_shared_mu);
    spy__rings.map = map;
    spy__rings.options = o;
    spy__rings.count = o.slots + 1;
    for (size_t i = 0; i < spy__rings.count; i++) {
        // The last one's is taken: all share it.
        uint64_t claim = (uint64_t)generation << 1 | (i == o.slots);
        __atomic_store_n(&spy__rings.places[i].claim, claim, __ATOMIC_RELAXED);
        spy__rings.places[i].seen = 0;
    }
    set_up_producer(&spy__rings_shared, o.slots, generation);
    __atomic_store_n(&recoverable, map.in_file, __ATOMIC_RELAXED);
    __atomic_store_n(&spy__rings.stalled, 0, __ATOMIC_RELAXED);
    __atomic_store_n(&spy__rings.child, false, __ATOMIC_RELAXED);
    __atomic_store_n(&spy__rings_generation, generation, __ATOMIC_RELEASE);
    pthread_mutex_unlock(&spy__rings_shared_mu);
    return 0;
}

static bool anyone_busy(void)
{
    for (size_t i = 0; i < spy__rings.count; i++) {
        if (__atomic_load_n(&spy__rings.places[i].busy, __ATOMIC_ACQUIRE)) {
            return true;
        }
    }
    return false;
}

// False when someone was still inside a push after STOP_WAIT_MS.
static bool stop(void)
{
    if (spy__rings_generation & 1) {
        __atomic_store_n(&spy__rings_generation, spy__rings_generation + 1, __ATOMIC_SEQ_CST);
        spy__rings_fence_all();
        spy__rings_moved();
        // Whoever was inside has left then; who comes next looks at the generation first.
        pthread_mutex_lock(&spy__rings_shared_mu);
        pthread_mutex_unlock(&spy__rings_shared_mu);
    }
    for (uint64_t deadline_ns = spy__wait_clock_ns() + STOP_WAIT_MS * 1000000ull; anyone_busy();) {
        if (spy__wait_clock_ns() > deadline_ns) {
            return false;
        }
        nanosleep(&(struct timespec){ .tv_nsec = 50000 }, NULL);
    }
    return true;
}

void spy__rings_stop(void)
{
    (void)stop();
}

void spy__rings_close(bool told)
{
    bool idle = stop();
    if (!spy__rings.map.header) {
        return;
    }
    if (!spy__rings.child) {
        __atomic_store_n(&spy__rings.map.header->clean, told, __ATOMIC_RELEASE);
    }
    __atomic_store_n(&recoverable, false, __ATOMIC_RELAXED);
    if (idle) {
        spy__rings_unmap(&spy__rings.map);
    } else {
        spy__rings.map = (struct spy__rings_map){ 0 }; // left behind: a thread is still in it
    }
    spy__rings.count = 0;
    __atomic_store_n(&spy__rings.child, false, __ATOMIC_RELAXED);
}

bool spy__rings_recoverable(void)
{
    return __atomic_load_n(&recoverable, __ATOMIC_RELAXED);
}

uint64_t spy__rings_run(void)
{
    return spy__rings.map.header ? spy__rings.map.header->run : 0;
}
