// A Sentry DSN: http[s]://PUBLIC_KEY[:SECRET_KEY]@HOST[:PORT][/PATH]/PROJECT_ID
// (https://develop.sentry.dev/sdk/foundations/transport/authentication/#parsing-the-dsn).
//
// It names a project and holds a key: it is never printed.
#ifndef BACKENDS_SENTRY_DSN_H
#define BACKENDS_SENTRY_DSN_H

#include <stdbool.h>

#include "backends/authority.h"

#define SPY__SENTRY_KEY_MAX 128
#define SPY__SENTRY_PATH_MAX 512

struct spy__sentry_dsn {
    char base[SPY__AUTHORITY_BASE_MAX]; // "http[s]://HOST:PORT"
    char path[SPY__SENTRY_PATH_MAX];    // "[/PATH]/api/PROJECT_ID/envelope/"
    char key[SPY__SENTRY_KEY_MAX + 1];
    char secret[SPY__SENTRY_KEY_MAX + 1]; // "" for none: newer ones have none
    bool loopback;
};

// Returns 0, or -EINVAL with the end of an English sentence in *ret_why ("it has no …"), which never
// quotes the DSN.
int spy__sentry_dsn_parse(struct spy__sentry_dsn *ret, const char *text, const char **ret_why);

#endif
