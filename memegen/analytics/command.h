// `memegen analytics QUESTION` and `memegen migrate-events`, on the terminal.
#ifndef MEMEGEN_ANALYTICS_COMMAND_H
#define MEMEGEN_ANALYTICS_COMMAND_H

#include <stdbool.h>
#include <stddef.h>

#include "memegen/analytics/analytics.h"

// What stands on the command line before memegen's own flags.
struct command {
    enum { COMMAND_SERVE, COMMAND_ANALYTICS, COMMAND_MIGRATE } what;
    bool json;
    struct analytics_question question;
};

// Takes a command and its flags out of argv, leaving memegen's own. Returns 0, or -EINVAL with a
// sentence in error.
int command_take(struct command *ret, int *argc, char **argv, char *error, size_t error_size);

// Run one against the ClickHouse. Return the exit status.
int command_analytics(const struct command *command, struct clickhouse_server server);
int command_migrate(struct clickhouse_server server);

#endif
