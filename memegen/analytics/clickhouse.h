// Questions to ClickHouse over its HTTP interface: one statement that reads, its parameters apart
// from it, rows of JSON back.
#ifndef MEMEGEN_ANALYTICS_CLICKHOUSE_H
#define MEMEGEN_ANALYTICS_CLICKHOUSE_H

#include <jansson.h>

#define CLICKHOUSE_ERROR_BYTES 256

struct clickhouse;

// url: "http[s]://[USER[:PASSWORD]@]HOST[:PORT][/DATABASE]"; "" or NULL for none. The others are PEM
// files, "" for none: the authorities that its certificate may come from, our certificate, its key.
struct clickhouse_server {
    const char *url, *ca, *cert, *key;
};

// A parameter of the statement, {name:Type} there. Letters, digits, '-' and '_' alone: what needs no
// escape.
struct clickhouse_param {
    const char *name, *value;
};

// The strings of *server are borrowed until close. Returns 0, -EINVAL (its url) or -ENOMEM. Asks
// nothing yet.
int clickhouse_open(struct clickhouse **ret, const struct clickhouse_server *server);
// No question may be under way. NULL is a no-op.
void clickhouse_close(struct clickhouse *clickhouse);
// From now on every question ends within about a second. Threads: any.
void clickhouse_stop(struct clickhouse *clickhouse);

// Asks for at most 5 s. params ends with a NULL name. Returns 0 and *ret, a new array of an object a
// row; or -EAGAIN (no answer), -EIO (an answer that is no rows: an error of ClickHouse's) or
// -ENOMEM, with what people may be told in error: no secrets. Threads: any.
int clickhouse_ask(struct clickhouse *clickhouse, const char *sql,
                   const struct clickhouse_param params[], json_t **ret,
                   char error[CLICKHOUSE_ERROR_BYTES]);

#endif
