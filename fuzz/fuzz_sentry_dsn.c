// DSNs: whatever is configured, what is made of it is safe in a request's line and its headers.

#include "backends/sentry_dsn.h"

#include <assert.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(const char *s, size_t cap)
{
    size_t n = strnlen(s, cap);
    assert(n < cap);
    for (size_t i = 0; i < n; i++) {
        assert(s[i] > ' ' && s[i] < 0x7f && !strchr("\"'\\,;?#@", s[i]));
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *text = malloc(size + 1);
    if (!text) {
        return 0;
    }
    memcpy(text, data, size);
    text[size] = '\0';
    struct spy__sentry_dsn dsn;
    const char *why = NULL;
    if (spy__sentry_dsn_parse(&dsn, text, &why) == 0) {
        assert(strncmp(dsn.base, "http", 4) == 0 && dsn.key[0] && dsn.path[0] == '/');
        check(dsn.base, sizeof(dsn.base));
        check(dsn.path, sizeof(dsn.path));
        check(dsn.key, sizeof(dsn.key));
        check(dsn.secret, sizeof(dsn.secret));
    } else {
        assert(why && why[0]);
    }
    free(text);
    return 0;
}
