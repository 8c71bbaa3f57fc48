// The admin server's start and its refusals, its slots, and how long a scraper waits.

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <errno.h>
#include <netinet/in.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "alloc_fail.h"
#include "base/clock.h"
#include "serve/admin.h"
#include "serve/scrape.h"
#include "serve/slots.h"

#define S UINT64_C(1000000000)

static void a_scraper_s_timeout_is_read(void **state)
{
    static const struct {
        const char *header;
        uint64_t ns;
    } cases[] = {
        { NULL, 10 * S },         { "", 10 * S },    { "0", 0 },
        { "3", 3 * S },           { "0.5", S / 2 },  { "9.75", 9 * S + S / 4 * 3 },
        { "10", 10 * S },         { "15", 10 * S },  { "99999999999999999999999999", 10 * S },
        { "-1", 10 * S },         { "nan", 10 * S }, { "inf", 10 * S },
        { "2x", 2 * S },          { ".5", S / 2 },   { "1,5", S },
        { "10.0000001", 10 * S },
    };
    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        uint64_t ns = spy__scrape_timeout_ns(cases[i].header);
        if (ns != cases[i].ns) {
            fail_msg("%s is read as %llu ns", cases[i].header, (unsigned long long)ns);
        }
    }
}

static void slots_are_as_many_as_there_are(void **state)
{
    struct spy__slots slots;
    (void)state;
    spy__slots_init(&slots, 2);
    assert_true(spy__slots_take(&slots, 0));
    assert_true(spy__slots_take(&slots, 0));
    assert_false(spy__slots_take(&slots, 0));
    assert_false(spy__slots_take(&slots, 1000));
    spy__slots_give(&slots);
    assert_true(spy__slots_take(&slots, 0));
    spy__slots_done(&slots);
}

static void *take_for_long(void *arg)
{
    return spy__slots_take(arg, 60 * S) ? arg : NULL;
}

static void closing_sends_away_who_waits_and_who_comes(void **state)
{
    struct spy__slots slots;
    pthread_t thread;
    void *took;
    (void)state;
    spy__slots_init(&slots, 1);
    assert_true(spy__slots_take(&slots, 0));
    assert_int_equal(pthread_create(&thread, NULL, take_for_long, &slots), 0);
    spy__slots_close(&slots);
    pthread_join(thread, &took);
    assert_null(took);
    spy__slots_give(&slots);
    assert_false(spy__slots_take(&slots, 60 * S));
    spy__slots_done(&slots);
}

static void a_start_that_fails_says_why(void **state)
{
    char error[SPY__ADMIN_ERROR_MAX];
    struct spy__admin *first, *second = NULL;
    char taken[32];
    (void)state;
    assert_int_equal(
        spy__admin_start(&second, &(struct spy__admin_options){ .address = "nowhere" }, error),
        -EINVAL);
    assert_non_null(strstr(error, "nowhere: it takes HOST:PORT"));
    assert_int_equal(
        spy__admin_start(&second, &(struct spy__admin_options){ .address = "0.0.0.0:0" }, error),
        -EACCES);
    assert_non_null(strstr(error, "needs a token"));
    assert_int_equal(
        spy__admin_start(&second, &(struct spy__admin_options){ .address = "[::]:0", .token = "" },
                         error),
        -EACCES);

    assert_int_equal(
        spy__admin_start(&first, &(struct spy__admin_options){ .address = "127.0.0.1:0" }, error),
        0);
    assert_true(spy__admin_port(first) > 0);
    snprintf(taken, sizeof(taken), "127.0.0.1:%u", (unsigned)spy__admin_port(first));
    assert_int_equal(
        spy__admin_start(&second, &(struct spy__admin_options){ .address = taken }, error),
        -EADDRINUSE);
    assert_non_null(strstr(error, "another process has this port"));
    assert_null(second);
    spy__admin_stop(first);

    // Free again at once.
    assert_int_equal(
        spy__admin_start(&first, &(struct spy__admin_options){ .address = taken, .token = "t" },
                         error),
        0);
    spy__admin_stop(first);
    spy__admin_stop(NULL);
    assert_int_equal(spy__admin_port(NULL), 0);
}

// It has none of the threads: it must not wait for them.
static void a_forked_child_gives_up_its_share_alone(void **state)
{
    char error[SPY__ADMIN_ERROR_MAX];
    struct spy__admin *admin;
    struct sockaddr_in address = { .sin_family = AF_INET, .sin_addr = { htonl(INADDR_LOOPBACK) } };
    int status = -1;
    (void)state;
    assert_int_equal(
        spy__admin_start(&admin, &(struct spy__admin_options){ .address = "127.0.0.1:0" }, error),
        0);
    pid_t child = fork();
    if (child == 0) {
        alarm(10);
        spy__admin_stop(admin);
        _exit(0);
    }
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(status, 0);
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    address.sin_port = htons(spy__admin_port(admin));
    assert_int_equal(connect(fd, (struct sockaddr *)&address, sizeof(address)), 0);
    close(fd);
    spy__admin_stop(admin);
}

static void a_start_without_memory_leaves_nothing(void **state)
{
    char error[SPY__ADMIN_ERROR_MAX] = "";
    struct spy__admin *admin = NULL;
    (void)state;
    alloc_fail_after(0);
    int rc =
        spy__admin_start(&admin, &(struct spy__admin_options){ .address = "127.0.0.1:0" }, error);
    alloc_fail_never();
    assert_int_equal(rc, -ENOMEM);
    assert_non_null(strstr(error, "no memory"));
    assert_null(admin);
}

static void a_scrape_without_memory_leaves_its_slot(void **state)
{
    struct spy__slots slots;
    (void)state;
    spy__slots_init(&slots, 1);
    assert_true(spy__slots_take(&slots, 0));
    for (long n = 0; n < 2; n++) { // the scrape, its piece; what libmicrohttpd allocates is its own
        alloc_fail_after(n);
        assert_null(spy__scrape_response(&slots));
        alloc_fail_never();
        assert_false(spy__slots_take(&slots, 0));
    }
    struct MHD_Response *response = spy__scrape_response(&slots);
    assert_non_null(response);
    MHD_destroy_response(response);
    assert_true(spy__slots_take(&slots, 0));
    spy__slots_done(&slots);
}

// Answers with a scrape whose client then lets `late_ns` go by before it takes a byte.
struct slow_scrape {
    struct spy__slots slots;
    struct spy__fake_clock clock;
    uint64_t late_ns;
};

static enum MHD_Result on_slow_scrape(void *arg, struct MHD_Connection *connection, const char *url,
                                      const char *method, const char *version, const char *upload,
                                      size_t *upload_len, void **slot)
{
    struct slow_scrape *slow = arg;
    (void)url;
    (void)method;
    (void)version;
    (void)upload;
    (void)upload_len;
    if (!*slot) {
        *slot = slow;
        return MHD_YES;
    }
    struct MHD_Response *response =
        spy__slots_take(&slow->slots, 0) ? spy__scrape_response(&slow->slots) : NULL;
    slow->clock.monotonic_ns += slow->late_ns;
    enum MHD_Result result = response ? MHD_queue_response(connection, 200, response) : MHD_NO;
    if (response) {
        MHD_destroy_response(response);
    }
    return result;
}

// What a client that closes last gets, ended by a NUL.
static void get(uint16_t port, char *text, size_t max)
{
    static const char request[] = "GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";
    struct sockaddr_in address = { .sin_family = AF_INET,
                                   .sin_port = htons(port),
                                   .sin_addr = { htonl(INADDR_LOOPBACK) } };
    size_t len = 0;
    ssize_t n;
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    assert_int_equal(connect(fd, (struct sockaddr *)&address, sizeof(address)), 0);
    assert_int_equal(send(fd, request, sizeof(request) - 1, MSG_NOSIGNAL), sizeof(request) - 1);
    while (len < max - 1 && (n = recv(fd, text + len, max - 1 - len, 0)) > 0) {
        len += (size_t)n;
    }
    text[len] = '\0';
    close(fd);
}

static void a_scrape_read_for_too_long_is_cut_off(void **state)
{
    static const char last_chunk[] = "\r\n0\r\n\r\n";
    static char text[1 << 16];
    struct slow_scrape slow = { .clock = { 1000 * S, 0 } };
    struct sockaddr_in address = { .sin_family = AF_INET, .sin_addr = { htonl(INADDR_LOOPBACK) } };
    (void)state;
    spy__slots_init(&slow.slots, 1);
    spy__clock_fake(&slow.clock);
    for (int i = 0; i < 2; i++) {
        slow.late_ns = i == 0 ? 59 * S : 61 * S;
        struct MHD_Daemon *daemon =
            MHD_start_daemon(MHD_USE_POLL_INTERNAL_THREAD, 0, NULL, NULL, on_slow_scrape, &slow,
                             MHD_OPTION_SOCK_ADDR, &address, MHD_OPTION_END);
        assert_non_null(daemon);
        get(MHD_get_daemon_info(daemon, MHD_DAEMON_INFO_BIND_PORT)->port, text, sizeof(text));
        MHD_stop_daemon(daemon);
        size_t len = strlen(text);
        bool whole = len > sizeof(last_chunk) &&
                     strcmp(text + len - (sizeof(last_chunk) - 1), last_chunk) == 0;
        assert_int_equal(whole, i == 0);
        assert_true(spy__slots_take(&slow.slots, 0)); // it gave its slot back
        spy__slots_give(&slow.slots);
    }
    spy__clock_fake(NULL);
    spy__slots_done(&slow.slots);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_scraper_s_timeout_is_read),
        cmocka_unit_test(slots_are_as_many_as_there_are),
        cmocka_unit_test(closing_sends_away_who_waits_and_who_comes),
        cmocka_unit_test(a_start_that_fails_says_why),
        cmocka_unit_test(a_forked_child_gives_up_its_share_alone),
        cmocka_unit_test(a_start_without_memory_leaves_nothing),
        cmocka_unit_test(a_scrape_without_memory_leaves_its_slot),
        cmocka_unit_test(a_scrape_read_for_too_long_is_cut_off),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
