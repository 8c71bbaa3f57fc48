// Cells: where counters and histograms count.
//
// A cell is 8 bytes: an integer, or the bits of a double. Every thread has its own copy of each
// cell that it touched, in blocks of 4 KiB found through its table (`spy__blocks` in
// spyglass/metrics.h). Only the thread writes them, with a relaxed load and store; a reader sums
// the copies of all tables.
//
// Invariants: a count never goes down, and a cell is never set back and never freed. A table whose
// thread has ended goes, as it is, to the next thread that needs one; so there are as many tables
// as there were threads at one time, and no count is lost.
//
// Memory order: a table is released into the list of all, a block into its table, and both are
// acquired by readers; the values are relaxed: each is monotonic by itself. A table changes hands
// under a lock.
//
// fork(): in a child only the forking thread lives on; all other tables become free for its new
// threads, without their look-ups.
#ifndef METRICS_CELLS_H
#define METRICS_CELLS_H

#include <stddef.h>
#include <stdint.h>

#include "spyglass/metrics.h"

struct spy__child;

// Blocks of a table: 8 Mi cells, four million counters. Its 128 KiB are address space; pages are
// touched as needed.
#define SPY__BLOCKS_MAX 16384

// What a thread remembers of its look-ups (metrics/child.c), in sets of two. Lies before the
// thread's blocks, and goes with them to the next thread. Only the owner looks at it.
#define SPY__LOOKUP_SETS_LOG2 7
#define SPY__LOOKUP_SETS (1u << SPY__LOOKUP_SETS_LOG2)
struct spy__lookup {
    const struct spy__family *family;
    struct spy__child *child;
    uint64_t key;                 // mixed from the addresses of the values
    uint8_t lens[SPY_LABELS_MAX]; // of the child's values
};
struct spy__thread_table {
    struct spy__lookup lookups[SPY__LOOKUP_SETS][2];
    uint64_t *blocks[SPY__BLOCKS_MAX];   // written by the owner, atomic: acquired by readers
    struct spy__thread_table *next;      // const after it was listed
    struct spy__thread_table *next_free; // guarded by the lock of cells.c
};
// What a thread without a table of its own looks into: no blocks. Never written, though not const:
// as .bss it takes no room in the binary.
extern uint64_t *spy__no_blocks[SPY__BLOCKS_MAX];

// The thread's own table, or NULL where it has none yet.
static inline struct spy__thread_table *spy__thread_table(void)
{
    char *blocks = (char *)spy__blocks;
    return spy__blocks == spy__no_blocks
               ? NULL
               : (struct spy__thread_table *)(void *)(blocks -
                                                      offsetof(struct spy__thread_table, blocks));
}

// Prepares for threads that end and for fork(), once. Returns 0 or a negative errno. The registry
// calls it before it installs its own fork handlers, so that its lock is the outer one.
int spy__cells_init(void);

// Takes n cells (at most SPY__BLOCK_CELLS) that lie in one block, and returns the first; 0 when all
// are taken.
uint32_t spy__cells_take(uint32_t n);

// The cell summed over all threads.
uint64_t spy__cells_sum(uint32_t cell);
// Both cells of a counter at once: the whole part, and the double in the cell after it.
void spy__cells_sum_counter(uint32_t cell, uint64_t *ret_whole, double *ret_part);
// A run of n integer cells and the double behind them: what a histogram is.
void spy__cells_sum_histogram(uint32_t cell, size_t n, uint64_t ret_counts[], double *ret_sum);

#endif
