#include "backends/sentry_dsn.h"

#include <errno.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#define ALNUM "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"

// Copies a key of n bytes, where it is one.
static bool take_key(char to[SPY__SENTRY_KEY_MAX + 1], const char *s, size_t n)
{
    if (n == 0 || n > SPY__SENTRY_KEY_MAX || strspn(s, ALNUM "-_") < n) {
        return false;
    }
    memcpy(to, s, n);
    to[n] = '\0';
    return true;
}

static const char *take_keys(struct spy__sentry_dsn *dsn, const char *s, size_t n)
{
    const char *colon = memchr(s, ':', n);
    size_t key = colon ? (size_t)(colon - s) : n;
    if (!take_key(dsn->key, s, key)) {
        return "it has no public key, of letters and digits, before the @";
    }
    return !colon || n == key + 1 || take_key(dsn->secret, colon + 1, n - key - 1)
               ? NULL
               : "its secret key is not of letters and digits";
}

// "[/PATH]/PROJECT_ID", perhaps with a slash at its end.
static const char *take_path(struct spy__sentry_dsn *dsn, const char *path)
{
    size_t n = strlen(path);
    n -= n > 0 && path[n - 1] == '/';
    const char *slash = n > 0 ? memrchr(path, '/', n) : NULL;
    size_t before = slash ? (size_t)(slash - path) : 0, id = slash ? n - before - 1 : 0;
    if (id == 0 || strspn(slash + 1, ALNUM "-_") < id) {
        return "it has no project id at its end";
    }
    if (strspn(path, ALNUM "-._~/") < before) {
        return "its path has a character that is none of a path's";
    }
    int len = snprintf(dsn->path, sizeof(dsn->path), "%.*s/api/%.*s/envelope/", (int)before, path,
                       (int)id, slash + 1);
    return len > 0 && (size_t)len < sizeof(dsn->path) ? NULL : "its path is too long";
}

static const char *parse(struct spy__sentry_dsn *dsn, const char *text)
{
    bool tls = strncmp(text, "https://", 8) == 0;
    if (!tls && strncmp(text, "http://", 7) != 0) {
        return "it must begin with http:// or https://";
    }
    const char *rest = text + (tls ? 8 : 7);
    size_t n = strcspn(rest, "/");
    const char *path = rest + n, *at = memrchr(rest, '@', n);
    if (!at) {
        return "it has no public key, of letters and digits, before the @";
    }
    const char *why = take_keys(dsn, rest, (size_t)(at - rest));
    if (why) {
        return why;
    }
    n -= (size_t)(at + 1 - rest);
    if (!spy__authority_parse(dsn->base, &dsn->loopback, at + 1, n, tls, tls ? 443 : 80)) {
        return "it has no valid HOST or HOST:PORT";
    }
    return take_path(dsn, path);
}

int spy__sentry_dsn_parse(struct spy__sentry_dsn *ret, const char *text, const char **ret_why)
{
    struct spy__sentry_dsn dsn = { .base = "" };
    *ret_why = strlen(text) < SPY__SENTRY_PATH_MAX ? parse(&dsn, text) : "it is too long";
    int err = *ret_why ? -EINVAL : 0;
    if (err == 0) {
        *ret = dsn;
    }
    explicit_bzero(&dsn, sizeof(dsn));
    return err;
}
