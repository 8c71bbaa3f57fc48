// Errors from eight threads, in requests and outside of them, while others look at the groups, for
// ThreadSanitizer: each error is counted once, whatever became of it.
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "metrics/dropped.h"
#include "serve/errors.h"
#include "signals/error.h"
#include "signals/error_report.h"
#include "spyglass/spyglass.h"

#define THREADS 8
#define ERRORS 300

static struct spy_operation work = { .name = "work", .labels = SPY_LABELS("kind") };
static atomic_bool ended;
static atomic_ulong told, asked, wrong;

static int before_send(struct spy_error_report *report, void *arg)
{
    (void)arg;
    asked++;
    return strcmp(report->type, "unwanted") != 0;
}

static void one_request(int i)
{
    char id[SPY_ERROR_ID_LEN + 1];
    struct spy_http *http =
        spy_http_begin(&(struct spy_http_request){ .method = "GET", .path = "/x" });
    struct spy_span span = spy_begin(&work, "b");
    spy_end(&span, spy_failure("timeout", "no answer"));
    spy_http_fail(http, "timeout", "no answer"); // the same
    spy_error_with_id(id, i % 3 ? "odd" : "unwanted", "text", spy_int("i", i));
    spy_http_answered(http, 500, 0);
    spy_http_end(http);
    told += 3;
}

static void *fail(void *arg)
{
    (void)arg;
    for (int i = 0; i < ERRORS; i++) {
        one_request(i);
        spy_error("outside", NULL, spy_error_fingerprint(i % 2 ? "even" : "odd"));
        told++;
    }
    return NULL;
}

// With a pause: mutexes are not fair, and one who always looks holds up the pump, which counts.
static void *look(void *arg)
{
    const struct timespec pause = { .tv_nsec = 1000000 };
    struct spy__buf out;
    (void)arg;
    spy__buf_init(&out, 4u << 20);
    while (!ended) {
        spy__buf_reset(&out);
        wrong += spy__errors_list(&out) != 0;
        nanosleep(&pause, NULL);
    }
    spy__buf_done(&out);
    return NULL;
}

static int take(void *arg, const char *bytes, size_t n)
{
    FILE *out = arg;
    return fwrite(bytes, 1, n, out) == n ? 0 : -1;
}

static unsigned long counted(void)
{
    static const char family[] = "spyglass_errors_total{";
    char *text = NULL;
    size_t size = 0;
    unsigned long sum = 0;
    FILE *out = open_memstream(&text, &size);
    if (!out || spy_metrics_write(NULL, NULL, take, out) != 0 || fclose(out) != 0) {
        return 0;
    }
    for (const char *at = text; (at = strstr(at, family)); at += sizeof(family) - 1) {
        const char *value = strchr(at, ' ');
        sum += value ? strtoul(value, NULL, 10) : 0;
    }
    free(text);
    return sum;
}

int main(void)
{
    pthread_t threads[THREADS], looker;
    setenv("SPY_FULL_WAIT_MS", "20000", 1); // as long as a loaded machine may take
    if (spy_start(&(struct spy_options){ .service = "stress",
                                         .admin = "127.0.0.1:0",
                                         .log_level = SPY_LEVEL_OFF,
                                         .before_send = before_send }) != 0) {
        fprintf(stderr, "%s\n", spy_start_error());
        return 1;
    }
    if (pthread_create(&looker, NULL, look, NULL) != 0) {
        abort();
    }
    for (size_t i = 0; i < THREADS; i++) {
        if (pthread_create(&threads[i], NULL, fail, NULL) != 0) {
            abort();
        }
    }
    for (size_t i = 0; i < THREADS; i++) {
        pthread_join(threads[i], NULL);
    }
    ended = true;
    pthread_join(looker, NULL);
    int err = spy_stop(60000);
    unsigned long sum = counted(), lost = spy__dropped_count(SPY__SIGNAL_ERROR, SPY__DROP_FULL);
    if (err != 0 || wrong != 0 || asked == 0 || sum + lost != told) {
        fprintf(stderr, "%d: %lu told, %lu counted, %lu lost, %lu wrong\n", err, told, sum, lost,
                wrong);
        return 1;
    }
    return 0;
}
