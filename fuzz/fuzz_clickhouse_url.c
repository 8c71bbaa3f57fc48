// Addresses of ClickHouse: whatever is configured, what is made of it is safe in a request's line and
// its headers.

#include "backends/clickhouse_url.h"

#include <assert.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_printable(const char *s, size_t max)
{
    size_t n = strnlen(s, max + 1);
    assert(n <= max);
    for (size_t i = 0; i < n; i++) {
        assert((unsigned char)s[i] >= ' ' && s[i] != 0x7f);
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
    struct spy__clickhouse_url url;
    const char *why = NULL;
    if (spy__clickhouse_url_parse(&url, text, &why) == 0) {
        assert(strncmp(url.base, "http", 4) == 0 && !strpbrk(url.base + 8, "/@?# "));
        assert(strrchr(url.base, ':') && strlen(url.base) < sizeof(url.base));
        check_printable(url.base, sizeof(url.base) - 1);
        check_printable(url.user, SPY__CLICKHOUSE_NAME_MAX);
        check_printable(url.password, SPY__CLICKHOUSE_NAME_MAX);
        check_printable(url.database, SPY__CLICKHOUSE_NAME_MAX);
    } else {
        assert(why && why[0]);
    }
    free(text);
    return 0;
}
