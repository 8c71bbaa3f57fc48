// Tables and blocks of the threads, and sums over them.
#include "metrics/cells.h"

#include <errno.h>
#include <pthread.h>
#include <stdbool.h>
#include <string.h>
#include <sys/mman.h>

#include "base/threads.h"
#include "metrics/dropped.h"
#include "spyglass/metrics.h"

// Blocks are cut from slabs; a page of a slab that no block used yet costs nothing.
#define BLOCK_BYTES (SPY__BLOCK_CELLS * sizeof(uint64_t))
#define SLAB_BYTES (64 * BLOCK_BYTES)

uint64_t *spy__no_blocks[SPY__BLOCKS_MAX];

__thread uint64_t **spy__blocks __attribute__((tls_model("initial-exec"))) = spy__no_blocks;

static struct spy__thread_table *tables; // all there ever were; atomic
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct spy__thread_table *free_tables; // guarded by lock
static char *slab;                            // guarded by lock
static size_t slab_left;                      // guarded by lock
static uint32_t next_cell = 2; // guarded by lock; cells 0 and 1 are those of zero handles
static pthread_once_t once = PTHREAD_ONCE_INIT;
static pthread_key_t key; // runs give_back() at a thread's end
static bool have_key;     // const after once

// Where counts go that found no memory: written by all, read by none.
static uint64_t scratch[SPY__BLOCK_CELLS];

static void give_back(void *arg)
{
    struct spy__thread_table *table = arg;
    // Destructors that run after this one may count: they get a table again, and this one is called
    // again.
    spy__blocks = spy__no_blocks;
    pthread_mutex_lock(&lock);
    table->next_free = free_tables;
    free_tables = table;
    pthread_mutex_unlock(&lock);
}

static void before_fork(void)
{
    pthread_mutex_lock(&lock);
}

static void after_fork_parent(void)
{
    pthread_mutex_unlock(&lock);
}

static void after_fork_child(void)
{
    free_tables = NULL;
    for (struct spy__thread_table *t = tables; t; t = t->next) {
        if (t->blocks != spy__blocks) {
            // Its owner may have been in the middle of writing one down.
            memset(t->lookups, 0, sizeof(t->lookups));
            t->next_free = free_tables;
            free_tables = t;
        }
    }
    pthread_mutex_unlock(&lock);
}

static void init(void)
{
    have_key = pthread_key_create(&key, give_back) == 0;
    if (pthread_atfork(before_fork, after_fork_parent, after_fork_child) != 0) {
        have_key = false;
    }
}

int spy__cells_init(void)
{
    return pthread_once(&once, init) == 0 && have_key ? 0 : -ENOMEM;
}

static void *map(size_t bytes)
{
    void *p = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    return p == MAP_FAILED ? NULL : p;
}

// A free table, or a new one; NULL when there is no memory. Call under the lock.
static struct spy__thread_table *take_table(void)
{
    struct spy__thread_table *table = free_tables;
    if (table) {
        free_tables = table->next_free;
        return table;
    }
    table = map(sizeof(*table));
    if (table) {
        table->next = tables;
        __atomic_store_n(&tables, table, __ATOMIC_RELEASE);
    }
    return table;
}

static bool adopt_table(void)
{
    spy__thread_enter();
    // Without a key the table would be lost at the thread's end, and memory would grow with every
    // thread.
    if (spy__cells_init() != 0) {
        return false;
    }
    pthread_mutex_lock(&lock);
    struct spy__thread_table *table = take_table();
    pthread_mutex_unlock(&lock);
    if (!table) {
        return false;
    }
    if (pthread_setspecific(key, table) != 0) {
        give_back(table);
        return false;
    }
    spy__blocks = table->blocks;
    return true;
}

static uint64_t *new_block(void)
{
    uint64_t *block = NULL;
    pthread_mutex_lock(&lock);
    if (slab_left == 0) {
        char *p = map(SLAB_BYTES);
        if (p) {
            slab = p;
            slab_left = SLAB_BYTES;
        }
    }
    if (slab_left > 0) {
        block = (uint64_t *)(void *)slab;
        slab += BLOCK_BYTES;
        slab_left -= BLOCK_BYTES;
    }
    pthread_mutex_unlock(&lock);
    return block;
}

uint64_t *spy__cell_slow(uint32_t cell)
{
    size_t at = cell / SPY__BLOCK_CELLS;
    uint64_t *block = spy__blocks[at];
    if (!block) {
        if (spy__blocks == spy__no_blocks && !adopt_table()) {
            spy__dropped(SPY__SIGNAL_METRICS, SPY__DROP_MEMORY, 1);
            return &scratch[cell % SPY__BLOCK_CELLS];
        }
        block = spy__blocks[at]; // an adopted table may have it already
    }
    if (!block) {
        block = new_block();
        if (!block) {
            spy__dropped(SPY__SIGNAL_METRICS, SPY__DROP_MEMORY, 1);
            return &scratch[cell % SPY__BLOCK_CELLS];
        }
        __atomic_store_n(&spy__blocks[at], block, __ATOMIC_RELEASE);
    }
    return &block[cell % SPY__BLOCK_CELLS];
}

uint32_t spy__cells_take(uint32_t n)
{
    uint32_t cell = 0;
    pthread_mutex_lock(&lock);
    uint32_t room = SPY__BLOCK_CELLS - next_cell % SPY__BLOCK_CELLS;
    uint32_t first = n <= room ? next_cell : next_cell + room;
    if (first + n <= (uint32_t)SPY__BLOCKS_MAX * SPY__BLOCK_CELLS) {
        cell = first;
        next_cell = first + n;
    }
    pthread_mutex_unlock(&lock);
    return cell;
}

// ---- Reading
// -----------------------------------------------------------------------------------------------------

// Each table's copy of the cell, in turn: `for (t = first_table(); t; t = t->next)`.
static const struct spy__thread_table *first_table(void)
{
    return __atomic_load_n(&tables, __ATOMIC_ACQUIRE);
}

static const uint64_t *copy_of(const struct spy__thread_table *table, uint32_t cell)
{
    const uint64_t *block =
        __atomic_load_n(&table->blocks[cell / SPY__BLOCK_CELLS], __ATOMIC_ACQUIRE);
    return block ? &block[cell % SPY__BLOCK_CELLS] : NULL;
}

static uint64_t read_whole(const uint64_t *cell)
{
    return __atomic_load_n(cell, __ATOMIC_RELAXED);
}

static double read_double(const uint64_t *cell)
{
    uint64_t bits = __atomic_load_n(cell, __ATOMIC_RELAXED);
    double v;
    memcpy(&v, &bits, sizeof(v));
    return v;
}

uint64_t spy__cells_sum(uint32_t cell)
{
    uint64_t sum = 0;
    for (const struct spy__thread_table *t = first_table(); t; t = t->next) {
        const uint64_t *copy = copy_of(t, cell);
        sum += copy ? read_whole(copy) : 0;
    }
    return sum;
}

// The order of the terms is that of the list, which only grows at its head: with a new term of zero
// the sum is what it was, and it grows with every term. So a sum of doubles that only grow never
// goes back by a rounding.
void spy__cells_sum_counter(uint32_t cell, uint64_t *ret_whole, double *ret_part)
{
    uint64_t whole = 0;
    double part = 0;
    for (const struct spy__thread_table *t = first_table(); t; t = t->next) {
        const uint64_t *copy = copy_of(t, cell);
        if (copy) {
            whole += read_whole(copy);
            part += read_double(copy + 1);
        }
    }
    *ret_whole = whole;
    *ret_part = part;
}

void spy__cells_sum_histogram(uint32_t cell, size_t n, uint64_t ret_counts[], double *ret_sum)
{
    double sum = 0;
    memset(ret_counts, 0, n * sizeof(ret_counts[0]));
    for (const struct spy__thread_table *t = first_table(); t; t = t->next) {
        const uint64_t *copy = copy_of(t, cell);
        if (!copy) {
            continue;
        }
        for (size_t i = 0; i < n; i++) {
            ret_counts[i] += read_whole(copy + i);
        }
        sum += read_double(copy + n);
    }
    *ret_sum = sum;
}
