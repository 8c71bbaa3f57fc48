// What a server says of its limits: whatever it says, none is longer than we believe, and a limit that
// was there is not shortened. The input is headers, a line each, and "429" or another status before.

#include "backends/sentry_limits.h"

#include <assert.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define NOW UINT64_C(5000000000)
#define BEFORE (NOW + 7)
#define HEADERS_MAX 16

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const uint64_t longest_ns = SPY__SENTRY_LIMIT_MAX_S * UINT64_C(1000000000);
    struct spy__sentry_limits limits = { .until_ns = { [SPY__SENTRY_ERROR] = BEFORE } };
    const char *headers[HEADERS_MAX];
    char *text = malloc(size + 1), *rest = text;
    if (!text) {
        return 0;
    }
    memcpy(text, data, size);
    text[size] = '\0';
    const char *status = strsep(&rest, "\n");
    struct spy__answer answer = { .status = strtol(status, NULL, 10), .headers = headers };
    while (rest && answer.header_count < HEADERS_MAX) {
        headers[answer.header_count++] = strsep(&rest, "\n");
    }
    spy__sentry_limits_note(&limits, &answer, NOW);
    assert(limits.until_ns[SPY__SENTRY_ERROR] >= BEFORE);
    for (int i = 0; i < SPY__SENTRY_CATEGORIES; i++) {
        assert(limits.until_ns[i] <= NOW + longest_ns);
    }
    free(text);
    return 0;
}
