// What delivery reads from outside: the plan of an earlier process, and a server's Retry-After.
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "deliver/parcel.h"
#include "deliver/retry.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

// A plan that is taken is one that could have been written: its ends fall.
static void check_plan(const char *text, size_t n)
{
    struct spy__parcel parcel = { .planned_count = 0 };
    bool good = spy__parcel_parse(&parcel, text, n);
    if (good != (parcel.planned_count > 0) || parcel.planned_count > SPY__PARCEL_CUTS_MAX) {
        abort();
    }
    for (size_t i = 1; i < parcel.planned_count; i++) {
        const struct spy__parcel_end *a = &parcel.planned[i - 1], *b = &parcel.planned[i];
        if (a->segment < b->segment || (a->segment == b->segment && a->offset <= b->offset)) {
            abort();
        }
    }
}

// Two header lines, the second behind the first newline.
static void check_retry_after(const char *text, size_t n)
{
    char lines[2][256];
    const char *newline = memchr(text, '\n', n), *headers[2] = { lines[0], lines[1] };
    size_t first = newline ? (size_t)(newline - text) : n, second = newline ? n - first - 1 : 0;
    (void)snprintf(lines[0], sizeof(lines[0]), "%.*s", (int)(first < 255 ? first : 255), text);
    (void)snprintf(lines[1], sizeof(lines[1]), "%.*s", (int)(second < 255 ? second : 255),
                   newline ? newline + 1 : "");
    const struct spy__answer answer = { .headers = headers, .header_count = 2 };
    if (spy__retry_asked_ms(&answer) > SPY__RETRY_ASKED_MS_MAX) {
        abort();
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *text = malloc(size + 1); // of its size, so that a byte beyond is found
    if (text) {
        memcpy(text, data, size);
        check_plan(text, size);
        check_retry_after(text, size);
        free(text);
    }
    return 0;
}
