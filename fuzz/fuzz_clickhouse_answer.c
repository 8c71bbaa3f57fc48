// ClickHouse's answers: whatever comes back, the verdict is one of four, its text is printable, and a
// 200 with something in its body is never taken for a success. The input is lines: the status, then
// headers up to an empty line, then the body.

#include "backends/clickhouse_answer.h"

#include <assert.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "backends/clickhouse_migrate.h"
#include "base/utf8.h"

#define HEADERS_MAX 16

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_verdict(const struct spy__answer *answer, bool reads)
{
    struct spy__clickhouse_outcome outcome = spy__clickhouse_outcome(answer, reads);
    struct spy__verdict verdict = spy__clickhouse_verdict(&outcome, answer);
    size_t n = strnlen(verdict.text, sizeof(verdict.text));
    assert(n < sizeof(verdict.text) && spy__utf8_valid(verdict.text, n));
    for (size_t i = 0; i < n; i++) {
        assert((unsigned char)verdict.text[i] >= ' ');
    }
    assert(verdict.kind == SPY__SENT || verdict.kind == SPY__RETRY || verdict.kind == SPY__SPLIT);
    if (verdict.kind == SPY__SENT) {
        assert(answer->status == 200 && answer->header_count > 0);
        assert(reads || answer->body_bytes == 0);
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
    const char *headers[HEADERS_MAX];
    char *rest = text;
    const char *status = strsep(&rest, "\n");
    struct spy__answer answer = { .status = strtol(status, NULL, 10) % 1000, .headers = headers };
    while (rest && answer.header_count < HEADERS_MAX) {
        const char *line = strsep(&rest, "\n");
        if (line[0] == '\0') {
            break;
        }
        headers[answer.header_count++] = line;
    }
    size_t body = rest ? (size_t)(text + size - rest) : 0;
    // In memory of its own size, so that a read past its end is seen.
    char *copy = body > 0 ? malloc(body) : NULL;
    if (copy) {
        memcpy(copy, rest, body);
        answer.body = copy;
        answer.body_bytes = body;
    }
    check_verdict(&answer, false);
    check_verdict(&answer, true);
    for (int step = SPY__MIGRATE_VERSION; step < SPY__MIGRATE_DONE; step++) {
        struct spy__migrate m = { .step = (enum spy__migrate_step)step, .apply = true };
        struct spy__verdict verdict = spy__migrate_answered(&m, &answer);
        assert(verdict.kind == SPY__SENT || verdict.kind == SPY__RETRY);
        assert(verdict.kind == SPY__SENT || (int)m.step == step);
    }
    free(copy);
    free(text);
    return 0;
}
