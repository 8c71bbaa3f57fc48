// Questions of people to ClickHouse: one statement that reads, its answer as ClickHouse wrote it.
//
// Whatever a statement says, it runs under `readonly` and under limits of time, memory and rows that
// it cannot lift: after that setting none can be changed. A database's user and password go into
// headers, and never into an answer.
//
// Threads: any, several at a time.
#ifndef BACKENDS_CLICKHOUSE_ASK_H
#define BACKENDS_CLICKHOUSE_ASK_H

#include <stddef.h>

#include "backends/clickhouse_url.h"
#include "base/buf.h"
#include "deliver/backend.h"

struct spy__clickhouse_asker;

// Asks nothing yet. url is borrowed for the call, the paths of *tls until free. Returns 0 with *ret, -EINVAL with one English sentence in *ret_why
// (it never quotes the address), or -ENOMEM.
int spy__clickhouse_asker_new(struct spy__clickhouse_asker **ret, const char *url,
                              const struct spy__tls *tls, const char **ret_why);
// No question may be under way. NULL is fine.
void spy__clickhouse_asker_free(struct spy__clickhouse_asker *asker);

// Asks; `asker` is the struct spy__clickhouse_asker. Waits for 15 s at most, and ends soon after
// *stop, an atomic, is not 0. *ret is a buffer of no use so far; free it with spy__buf_done().
// Returns 0 with the answer (JSONCompact, where the statement names no other format), -EMSGSIZE with
// the first 2 MiB of a longer one, -EBADMSG with ClickHouse's words where it refuses, -EAGAIN with
// ours where no answer of ClickHouse's comes, or -ENOMEM.
int spy__clickhouse_ask(void *asker, const char *sql, size_t n, const int *stop,
                        struct spy__buf *ret);

// The request for a statement, in its body, to a server of this version (1000 × major + minor): only
// settings that it knows.
void spy__clickhouse_question(struct spy__request *ret, const struct spy__clickhouse_url *url,
                              unsigned version);

#endif
