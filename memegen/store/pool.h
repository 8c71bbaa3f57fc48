// A bounded pool of open connections, whatever they are. Its size and how many are free are the
// gauges db_pool_size and db_pool_available_connections, true at any time.
#ifndef MEMEGEN_STORE_POOL_H
#define MEMEGEN_STORE_POOL_H

#include <stddef.h>

struct pool;

// A pool of the given connections, which stay the caller's: they must live as long as the pool. 0
// or -ENOMEM.
int pool_open(struct pool **ret, void *const connections[], size_t count);
// None may be taken any more. NULL is a no-op.
void pool_close(struct pool *pool);

// Takes one for this thread alone; waits for at most timeout_ms. 0 or -EBUSY. Give it back.
// Threads: any.
int pool_take(struct pool *pool, unsigned timeout_ms, void **ret);
void pool_give(struct pool *pool, void *connection);

#endif
