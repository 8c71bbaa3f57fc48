// Many questions at once through few places, most calls failing, and a stop in the middle: no more
// calls at once than there are places, every question ends, none begins after the stop.
//
// Says on stderr what was not as it should be; a hang is the test's time-out.
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "memegen/llm/openai.h"
#include "memegen/llm/signatures.h"

#define CALLERS 8
#define PLACES 3
#define CALLS_BEFORE_STOP 2000

static struct llm *llm;
static unsigned inside, calls, too_many, stopped, after_stop; // atomic, relaxed: counts

static void post(void *arg, const struct http_request *request, struct http_answer *ret)
{
    static const char good[] = "{\"choices\":[{\"message\":{\"content\":\"{\\\"kind\\\":"
                               "\\\"none\\\"}\"}}]}";
    unsigned call = __atomic_add_fetch(&calls, 1, __ATOMIC_RELAXED);
    (void)arg, (void)request;
    if (__atomic_add_fetch(&inside, 1, __ATOMIC_RELAXED) > PLACES) {
        __atomic_store_n(&too_many, 1, __ATOMIC_RELAXED);
    }
    *ret = (struct http_answer){ .outcome = call % 3 ? HTTP_UNREACHABLE : HTTP_ANSWERED,
                                 .status = 200 };
    if (ret->outcome == HTTP_ANSWERED) {
        ret->body = strdup(good);
        ret->len = strlen(good);
    }
    __atomic_sub_fetch(&inside, 1, __ATOMIC_RELAXED);
}

static int64_t now_ms(void *arg)
{
    struct timespec now;
    (void)arg;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static time_t unix_time(void *arg)
{
    (void)arg;
    return time(NULL);
}

static int no_wait(void *arg, int64_t until_ms)
{
    (void)arg, (void)until_ms;
    return 0;
}

static double no_luck(void *arg)
{
    (void)arg;
    return 0;
}

static void *ask(void *arg)
{
    json_t *inputs =
        json_pack("{s:s, s:s, s:[s]}", "topic", "tea", "language", "en", "captions", "more tea");
    bool ended = false;
    (void)arg;
    while (!ended) {
        struct llm_failure failure = { "none", "" };
        json_t *outputs = NULL;
        ended = __atomic_load_n(&stopped, __ATOMIC_ACQUIRE);
        int r = llm_complete(llm, &signature_appropriateness, inputs, "appropriateness", 1,
                             &outputs, &failure);
        if (r == 0 && ended) {
            __atomic_store_n(&after_stop, 1, __ATOMIC_RELAXED);
        }
        json_decref(outputs);
    }
    json_decref(inputs);
    return NULL;
}

int main(void)
{
    const struct openai_world world = { post, now_ms, unix_time, no_wait, no_luck, NULL };
    const struct openai_options options = { .base_url = "http://llm.example",
                                            .key = "",
                                            .model = "m",
                                            .attempt_ms = 60000,
                                            .timeout_ms = 60000,
                                            .retries = 2,
                                            .concurrency = PLACES,
                                            .world = &world };
    pthread_t threads[CALLERS];
    const struct timespec pause = { .tv_nsec = 1000000 };
    if (openai_open(&llm, &options) != 0) {
        fputs("no provider\n", stderr);
        return 1;
    }
    for (size_t i = 0; i < CALLERS; i++) {
        if (pthread_create(&threads[i], NULL, ask, NULL) != 0) {
            perror("pthread_create");
            return 1;
        }
    }
    while (__atomic_load_n(&calls, __ATOMIC_RELAXED) < CALLS_BEFORE_STOP) {
        nanosleep(&pause, NULL);
    }
    llm_stop(llm);
    __atomic_store_n(&stopped, 1, __ATOMIC_RELEASE);
    for (size_t i = 0; i < CALLERS; i++) {
        pthread_join(threads[i], NULL);
    }
    llm_close(llm);
    if (too_many || after_stop) {
        fprintf(stderr, "too many at once: %u, answered after the stop: %u\n", too_many,
                after_stop);
        return 1;
    }
    return 0;
}
