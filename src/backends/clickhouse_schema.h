// The migrations of monitoring/clickhouse, built in; by schema, then number.
#ifndef BACKENDS_CLICKHOUSE_SCHEMA_H
#define BACKENDS_CLICKHOUSE_SCHEMA_H

#include <stddef.h>

#define SPY__SCHEMA_CURRENT "current"
#define SPY__SCHEMA_LEGACY "legacy"

struct spy__migration {
    const char *schema;
    unsigned number; // from 1 on
    const char *name;
    const char *sql; // one statement, which may be applied again
};

extern const struct spy__migration spy__migrations[];
extern const size_t spy__migrations_count;

#endif
