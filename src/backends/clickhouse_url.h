// The address of a ClickHouse server: http[s]://[USER[:PASSWORD]@]HOST[:PORT][/DATABASE].
//
// The password is taken out of the address, goes into a header, and is never printed.
#ifndef BACKENDS_CLICKHOUSE_URL_H
#define BACKENDS_CLICKHOUSE_URL_H

#include <stdbool.h>

#include "backends/authority.h"

#define SPY__CLICKHOUSE_NAME_MAX 128

struct spy__clickhouse_url {
    char base[SPY__AUTHORITY_BASE_MAX]; // "http://HOST:PORT", no slash at its end
    char user[SPY__CLICKHOUSE_NAME_MAX + 1];
    char password[SPY__CLICKHOUSE_NAME_MAX + 1];
    char database[SPY__CLICKHOUSE_NAME_MAX + 1]; // "": the user's default
    bool loopback; // 127.x, ::1 or localhost: nothing is gained by compression
};

// Returns 0, or -EINVAL with one English sentence in *ret_why, which never quotes the address.
int spy__clickhouse_url_parse(struct spy__clickhouse_url *ret, const char *text,
                              const char **ret_why);

#endif
