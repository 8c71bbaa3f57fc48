// A bounded pool of things that one thread at a time may hold: connections, or the turn to write.
#ifndef MEMEGEN_STORE_POOL_H
#define MEMEGEN_STORE_POOL_H

#include <stddef.h>

struct pool;

// A pool of the given things, which stay the caller's: they must live as long as the pool.
// `changed`, where not NULL, is told of the size and of how many are free, at the start and after
// each change, in order, with the pool's lock held. 0 or -ENOMEM.
int pool_open(struct pool **ret, void *const things[], size_t count,
              void (*changed)(size_t size, size_t available));
// None may be taken any more. NULL is a no-op.
void pool_close(struct pool *pool);

// Takes one for this thread alone; waits for at most timeout_ms. 0 or -EBUSY. Give it back.
// Threads: any.
int pool_take(struct pool *pool, unsigned timeout_ms, void **ret);
void pool_give(struct pool *pool, void *thing);

#endif
