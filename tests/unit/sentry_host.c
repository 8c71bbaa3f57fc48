// For tests/integration/test_sentry.py: the library's way to Sentry from a document on, driven as the
// pump drives it. sentry_host STATE_DIR|- STOP_MS, with SENTRY_DSN in its environment.
//
// Lines on its standard input, each answered by one line, "ok N" where nothing else is said:
//
//     event N, session N            documents of that kind, numbered on from FIRST (environment)
//     transaction N, pair N         a transaction has three spans; of a pair, it has a profile too
//     wide N, large N               transactions of 20 KB; events that are longer than Sentry takes
//     lost REASON CATEGORY N        counts as dropped, by their numbers
//     done                          "done SENT DROPPED": what the delivery thread has done with
//
// Its end is a stop, answered by "stopped RESULT MS".
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "outbound.h"
#include "record/recent/keep.h"
#include "spyglass/metrics.h"

static uint64_t number;

static void give(const char *type, const char *second, size_t n)
{
    static char text[SPY__DOCUMENT_ITEM_BYTES_MAX + 1];
    const char *form =
        strcmp(type, "event") == 0
            ? "{\"event_id\":\"%032llx\",\"platform\":\"native\",\"level\":\"error\","
              "\"timestamp\":1767323045.5,\"extra\":{\"number\":%llu}}"
            : "{\"type\":\"transaction\",\"event_id\":\"%032llx\",\"number\":%llu,"
              "\"transaction\":\"GET /x\",\"start_timestamp\":1,\"timestamp\":2,"
              "\"contexts\":{\"trace\":{\"trace_id\":\"1\",\"span_id\":\"2\"}},"
              "\"spans\":[{},{},{}]}";
    unsigned long long id = ++number;
    int len = snprintf(text, sizeof(text), form, id, id);
    memset(text + len, ' ', sizeof(text) - (size_t)len);
    struct spy__document document = { .event_lo = id, .item_count = 1 };
    (void)snprintf(document.items[0].type, sizeof(document.items[0].type), "%s", type);
    document.items[0].count = strcmp(type, "transaction") == 0 ? 3 : 0;
    document.items[0].bytes = text;
    document.items[0].n = n > 0 ? n : (size_t)len;
    if (second) {
        static const char profile[] = "{\"version\":\"1\"}";
        (void)snprintf(document.items[1].type, sizeof(document.items[1].type), "%s", second);
        document.items[1].bytes = profile;
        document.items[1].n = sizeof(profile) - 1;
        document.item_count = 2;
    }
    spy__outbound_sentry_give(&document);
    spy__keep_flush();
}

static void obey(const char *what, unsigned long count)
{
    for (unsigned long i = 0; i < count; i++) {
        if (strcmp(what, "pair") == 0) {
            give("transaction", "profile", 0);
        } else if (strcmp(what, "wide") == 0) {
            give("transaction", NULL, 20000);
        } else if (strcmp(what, "large") == 0) {
            give("event", NULL, SPY__DOCUMENT_ITEM_BYTES_MAX + 1);
        } else {
            give(what, NULL, 0);
        }
    }
}

static int append(void *arg, const char *bytes, size_t n)
{
    spy__buf_put(arg, bytes, n);
    return 0;
}

// The sum of all series that begin so.
static double sum_of(const char *exposition, const char *series)
{
    double sum = 0;
    for (const char *at = exposition; (at = strstr(at, series)); at++) {
        const char *space = strchr(at, '}');
        sum += space ? strtod(space + 1, NULL) : 0;
    }
    return sum;
}

static void say_done(void)
{
    struct spy__buf text;
    const char *type;
    spy__buf_init(&text, 4u << 20);
    if (spy_metrics_write(NULL, &type, append, &text) == 0) {
        spy__buf_putc(&text, '\0');
        printf("done %.0f %.0f\n",
               sum_of(text.bytes, "\nspyglass_delivery_sent_total{backend=\"sentry\""),
               sum_of(text.bytes, "\nspyglass_delivery_dropped_total{backend=\"sentry\""));
    }
    spy__buf_done(&text);
}

static int open_all(const char *state_dir)
{
    struct spy__settings settings;
    struct spy__journal_options journal;
    int err = spy__settings_find(&settings, &(struct spy_options){ 0 });
    if (err == 0) {
        err = spy__keep_open(&(struct spy__keep_options){
            .journal = spy__outbound_journal(&journal, &settings, state_dir) });
    }
    if (err == 0) {
        err = spy__outbound_open(&settings, state_dir, spy__keep_journal());
    }
    return err ? err : spy__outbound_start();
}

int main(int argc, char **argv)
{
    char line[128], what[64];
    unsigned reason, category;
    unsigned long count;
    const char *first = getenv("FIRST");
    number = first ? strtoull(first, NULL, 10) : 0;
    if (argc != 3 || open_all(strcmp(argv[1], "-") == 0 ? NULL : argv[1]) != 0) {
        fprintf(stderr, "sentry_host: %s\n", spy_start_error());
        return 1;
    }
    setvbuf(stdout, NULL, _IOLBF, 0);
    while (fgets(line, sizeof(line), stdin)) {
        if (sscanf(line, "lost %u %u %lu", &reason, &category, &count) == 3) {
            spy__outbound_sentry_lost((enum spy__sentry_reason)reason,
                                      (enum spy__sentry_category)category, count);
        } else if (sscanf(line, "%63s %lu", what, &count) == 2) {
            obey(what, count);
        } else {
            say_done();
            continue;
        }
        printf("ok %llu\n", (unsigned long long)number);
    }
    uint64_t begun_ns = spy__monotonic_ns();
    int err = spy__outbound_stop((unsigned)strtoul(argv[2], NULL, 10));
    spy__keep_close();
    printf("stopped %d %.0f\n", err, (double)(spy__monotonic_ns() - begun_ns) / 1e6);
    return 0;
}
