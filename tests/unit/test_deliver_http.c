// The HTTP client where a name server does not answer: neither its time limit nor a stop waits for
// it. (What it does with an HTTP server: tests/integration/test_page.py.)

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <errno.h>
#include <netdb.h>
#include <pthread.h>
#include <stdbool.h>
#include <time.h>

#include <cmocka.h>

#include "deliver/http.h"

// What ends a resolver that the client waits for, so that the test fails instead of hanging.
#define RESOLVER_S_MAX 30

static pthread_mutex_t mu = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t changed = PTHREAD_COND_INITIALIZER;
static unsigned asked, answered; // guarded by mu
static bool released;            // guarded by mu

// In place of libc's, for libcurl too: answers nothing until it is released.
__attribute__((visibility("default"))) int getaddrinfo(const char *node, const char *service,
                                                       const struct addrinfo *hints,
                                                       struct addrinfo **ret)
{
    struct timespec end;
    (void)node;
    (void)service;
    (void)hints;
    (void)ret;
    clock_gettime(CLOCK_REALTIME, &end);
    end.tv_sec += RESOLVER_S_MAX;
    pthread_mutex_lock(&mu);
    asked++;
    pthread_cond_broadcast(&changed);
    while (!released && pthread_cond_timedwait(&changed, &mu, &end) == 0) {
    }
    answered++;
    pthread_cond_broadcast(&changed);
    pthread_mutex_unlock(&mu);
    return EAI_AGAIN;
}

static int begin(void **state)
{
    (void)state;
    asked = answered = 0;
    released = false;
    return 0;
}

static int end(void **state)
{
    (void)state;
    pthread_mutex_lock(&mu);
    released = true;
    pthread_cond_broadcast(&changed);
    while (answered < asked) {
        pthread_cond_wait(&changed, &mu);
    }
    pthread_mutex_unlock(&mu);
    return 0;
}

static void assert_nobody_waited(void)
{
    pthread_mutex_lock(&mu);
    unsigned asked_now = asked, answered_now = answered;
    pthread_mutex_unlock(&mu);
    assert_int_equal(asked_now, 1);
    assert_int_equal(answered_now, 0);
}

static void the_time_limit_holds(void **state)
{
    struct spy__buf body;
    long status = 0;
    (void)state;
    spy__buf_init(&body, 1024);
    assert_int_equal(spy__http_get("http://prometheus.example/", 50, NULL, &status, &body),
                     -ETIMEDOUT);
    assert_nobody_waited();
    spy__buf_done(&body);
}

static void *stop_when_asked(void *arg)
{
    int *stop = arg;
    pthread_mutex_lock(&mu);
    while (asked == 0) {
        pthread_cond_wait(&changed, &mu);
    }
    pthread_mutex_unlock(&mu);
    __atomic_store_n(stop, 1, __ATOMIC_RELAXED);
    return NULL;
}

static void a_stop_holds(void **state)
{
    struct spy__buf body;
    pthread_t thread;
    long status = 0;
    int stop = 0;
    (void)state;
    spy__buf_init(&body, 1024);
    assert_int_equal(pthread_create(&thread, NULL, stop_when_asked, &stop), 0);
    assert_int_equal(spy__http_get("http://prometheus.example/", 60000, &stop, &status, &body),
                     -ECANCELED);
    assert_nobody_waited();
    pthread_join(thread, NULL);
    spy__buf_done(&body);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(the_time_limit_holds, begin, end),
        cmocka_unit_test_setup_teardown(a_stop_holds, begin, end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
