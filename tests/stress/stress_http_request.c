// Errors of a request in threads that work for it, while it ends, for ThreadSanitizer: its details are
// asked for by one at a time, and by nobody once it has ended and what they are read from is gone.
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "spyglass/spyglass.h"

#define THREADS 3
#define REQUESTS 300
#define ERRORS 20

static struct spy_operation job = { .name = "job" };
static atomic_ulong asked;

static void tell(void *arg, struct spy_http_details *to)
{
    char *query = arg;
    query[0]++; // not atomic: the request's lock is to be around it
    spy_http_details_header(to, "Host", "memes.example");
    spy_http_details_query(to, query + 1);
    asked++;
}

static void *fail(void *context)
{
    struct spy_context_scope scope = spy_context_attach(context);
    for (int i = 0; i < ERRORS; i++) {
        spy_error("odd", NULL);
    }
    spy_context_detach(scope);
    scope = spy_context_attach_task(context);
    struct spy_span span = spy_begin(&job);
    spy_error("late", NULL);
    spy_end(&span, SPY_SUCCESS);
    spy_context_detach(scope);
    return NULL;
}

static int one_request(int i)
{
    pthread_t threads[THREADS];
    char *query = strdup("0limit=1&token=x");
    if (!query) {
        return 1;
    }
    struct spy_http *http = spy_http_begin(&(struct spy_http_request){
        .method = "GET", .path = "/x", .details = tell, .details_arg = query });
    struct spy_context *context = spy_context_capture();
    int started = 0;
    while (started < THREADS && pthread_create(&threads[started], NULL, fail, context) == 0) {
        started++;
    }
    if (i % 2) {
        spy_error("odd", NULL);
    }
    spy_http_answered(http, i % 3 ? 202 : 500, 0);
    spy_http_end(http);
    memset(query, 'x', 4);
    free(query);
    for (int n = 0; n < started; n++) {
        pthread_join(threads[n], NULL);
    }
    spy_context_release(context);
    return started == THREADS ? 0 : 1;
}

int main(void)
{
    // A DSN makes them wanted; this one is of nobody, and nothing waits for it.
    int err = spy_start(&(struct spy_options){ .service = "stress",
                                               .sentry_dsn = "http://key@127.0.0.1:1/1",
                                               .log_level = SPY_LEVEL_OFF,
                                               .traces_sample_rate = 1 });
    for (int i = 0; err == 0 && i < REQUESTS; i++) {
        err = one_request(i);
    }
    (void)spy_stop(100);
    printf("%lu times asked\n", (unsigned long)asked);
    return err != 0 || asked == 0;
}
