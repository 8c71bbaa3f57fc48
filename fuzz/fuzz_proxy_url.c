// The page's questions to Prometheus: whatever a browser sends, the address that is asked stays on
// Prometheus's list of questions. The input is lines: the question, then a name and a value in
// turn; the last value may hold newlines.

#include "serve/proxy_url.h"

#include <assert.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#define BASE "http://p:9090"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(const char *url)
{
    static const char unreserved[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
                                     "0123456789-._~%";
    assert(strncmp(url, BASE "/api/v1/", sizeof(BASE "/api/v1/") - 1) == 0);
    assert(!strstr(url, "/../") && !strstr(url, "//api"));
    const char *query = strchr(url, '?');
    for (const char *c = query ? query + 1 : ""; *c; c++) {
        assert(strchr(unreserved, *c) || *c == '=' || *c == '&');
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
    struct spy__proxy_param params[SPY__PROXY_PARAMS_MAX + 1];
    const char *end = text + size, *why = NULL;
    char *rest = text;
    const char *path = strsep(&rest, "\n");
    size_t count = 0;
    while (rest && count <= SPY__PROXY_PARAMS_MAX) {
        const char *name = strsep(&rest, "\n");
        const char *value = rest;
        size_t len = 0;
        if (value) {
            const char *stop = count == SPY__PROXY_PARAMS_MAX ? NULL : strchr(value, '\n');
            len = (size_t)((stop ? stop : end) - value);
            rest = stop ? rest + len + 1 : NULL;
        }
        params[count++] = (struct spy__proxy_param){ name, value, len };
    }
    struct spy__buf url;
    spy__buf_init(&url, 1 << 16);
    int rc = spy__proxy_url(&url, BASE, path, params, count, &why);
    if (rc == 0) {
        assert(url.len > 0 && url.bytes[url.len - 1] == '\0' && strlen(url.bytes) == url.len - 1);
        check(url.bytes);
    }
    spy__buf_done(&url);
    (void)spy__proxy_base_ok(path, &why);
    free(text);
    return 0;
}
