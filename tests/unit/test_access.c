// Who may use the admin server, and which addresses it takes.

#include "serve/access.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static struct sockaddr_storage address(const char *text)
{
    struct sockaddr_storage ret;
    socklen_t len;
    assert_int_equal(spy__address_parse(text, &ret, &len), 0);
    return ret;
}

static void addresses_are_parsed(void **state)
{
    struct sockaddr_storage ret;
    struct sockaddr_in in4;
    struct sockaddr_in6 in6;
    socklen_t len;
    (void)state;

    assert_int_equal(spy__address_parse("127.0.0.1:8000", &ret, &len), 0);
    memcpy(&in4, &ret, sizeof(in4));
    assert_int_equal(len, sizeof(in4));
    assert_int_equal(in4.sin_family, AF_INET);
    assert_int_equal(ntohs(in4.sin_port), 8000);
    assert_int_equal(ntohl(in4.sin_addr.s_addr), INADDR_LOOPBACK);

    assert_int_equal(spy__address_parse("localhost:0", &ret, &len), 0);
    memcpy(&in4, &ret, sizeof(in4));
    assert_int_equal(ntohl(in4.sin_addr.s_addr), INADDR_LOOPBACK);

    assert_int_equal(spy__address_parse("[::1]:65535", &ret, &len), 0);
    memcpy(&in6, &ret, sizeof(in6));
    assert_int_equal(len, sizeof(in6));
    assert_int_equal(ntohs(in6.sin6_port), 65535);
    assert_true(IN6_IS_ADDR_LOOPBACK(&in6.sin6_addr));
}

static void bad_addresses_are_refused(void **state)
{
    static const char *const bad[] = {
        "",
        ":",
        ":80",
        "127.0.0.1",
        "127.0.0.1:",
        "127.0.0.1:65536",
        "127.0.0.1:-1",
        "127.0.0.1:+1",
        "127.0.0.1:80x",
        "127.0.0.1:123456",
        "127.0.0.1: 80",
        "256.0.0.1:80",
        "::1:80",
        "[::1]",
        "[::1]80",
        "[::1",
        "[]:80",
        "[127.0.0.1]:80",
        "example.org:80",
        "localhost",
        "[::1%lo]:80",
        "1111:2222:3333:4444:5555:6666:7777:8888:9999:0000:aaaa:80",
    };
    struct sockaddr_storage ret;
    socklen_t len = 7;
    (void)state;
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        if (spy__address_parse(bad[i], &ret, &len) != -EINVAL) {
            fail_msg("taken as an address: %s", bad[i]);
        }
    }
    assert_int_equal(len, 7);
}

static void loopback_peers_are_known(void **state)
{
    static const char *const yes[] = { "127.0.0.1:1", "127.255.255.254:1", "[::1]:1",
                                       "[::ffff:127.0.0.1]:1" };
    static const char *const no[] = { "128.0.0.1:1",     "126.255.255.255:1", "10.0.0.1:1",
                                      "[::]:1",          "[::2]:1",           "[::ffff:10.0.0.1]:1",
                                      "[::127.0.0.1]:1", "0.0.0.0:1" };
    struct sockaddr unix_peer = { .sa_family = AF_UNIX };
    (void)state;
    for (size_t i = 0; i < sizeof(yes) / sizeof(yes[0]); i++) {
        struct sockaddr_storage peer = address(yes[i]);
        assert_true(spy__address_is_loopback((struct sockaddr *)&peer));
    }
    for (size_t i = 0; i < sizeof(no) / sizeof(no[0]); i++) {
        struct sockaddr_storage peer = address(no[i]);
        assert_false(spy__address_is_loopback((struct sockaddr *)&peer));
    }
    assert_false(spy__address_is_loopback(&unix_peer));
}

static void loopback_hosts_are_known(void **state)
{
    static const char *const yes[] = { "localhost",    "LocalHost:8000", "127.0.0.1",
                                       "127.1.2.3:80", "[::1]",          "[::1]:8000" };
    static const char *const no[] = { "",
                                      "evil.example",
                                      "localhost.evil.example",
                                      "localhost:evil",
                                      "127.0.0.1.evil.example",
                                      "127.0.0.1@evil.example",
                                      "127.1",
                                      "2130706433",
                                      "::1",
                                      "[::1]evil",
                                      "[::2]",
                                      "0.0.0.0",
                                      " localhost",
                                      "localhost, evil.example" };
    (void)state;
    for (size_t i = 0; i < sizeof(yes) / sizeof(yes[0]); i++) {
        if (!spy__host_is_loopback(yes[i])) {
            fail_msg("not taken as loopback: %s", yes[i]);
        }
    }
    for (size_t i = 0; i < sizeof(no) / sizeof(no[0]); i++) {
        if (spy__host_is_loopback(no[i])) {
            fail_msg("taken as loopback: %s", no[i]);
        }
    }
}

static void headers_of_proxies_are_known(void **state)
{
    (void)state;
    assert_true(spy__header_is_forwarding("Forwarded"));
    assert_true(spy__header_is_forwarding("via"));
    assert_true(spy__header_is_forwarding("X-Forwarded-For"));
    assert_true(spy__header_is_forwarding("x-forwarded-host"));
    assert_true(spy__header_is_forwarding("X-Forwarded"));
    assert_false(spy__header_is_forwarding("Host"));
    assert_false(spy__header_is_forwarding("X-Forward"));
    assert_false(spy__header_is_forwarding(""));
}

static void loopback_needs_no_token(void **state)
{
    struct sockaddr_storage peer = address("127.0.0.1:1");
    struct spy__access_request request = { .peer = (struct sockaddr *)&peer,
                                           .host = "localhost:8000" };
    (void)state;
    assert_int_equal(spy__access_check(&request, NULL), SPY__ACCESS_GRANTED);
    assert_int_equal(spy__access_check(&request, "secret"), SPY__ACCESS_GRANTED);
}

static void half_a_loopback_is_none(void **state)
{
    struct sockaddr_storage here = address("127.0.0.1:1");
    struct sockaddr_storage away = address("192.0.2.1:1");
    const struct spy__access_request requests[] = {
        { .peer = (struct sockaddr *)&here, .host = "evil.example" },
        { .peer = (struct sockaddr *)&here, .host = NULL },
        { .peer = (struct sockaddr *)&here, .host = "localhost", .forwarded = true },
        { .peer = (struct sockaddr *)&away, .host = "localhost" },
        { .peer = NULL, .host = "localhost" },
    };
    (void)state;
    for (size_t i = 0; i < sizeof(requests) / sizeof(requests[0]); i++) {
        assert_int_equal(spy__access_check(&requests[i], NULL), SPY__ACCESS_FORBIDDEN);
        assert_int_equal(spy__access_check(&requests[i], ""), SPY__ACCESS_FORBIDDEN);
        assert_int_equal(spy__access_check(&requests[i], "secret"), SPY__ACCESS_TOKEN_WANTED);
    }
}

static void the_token_opens_from_afar(void **state)
{
    static const char *const wrong[] = { NULL,
                                         "",
                                         "Bearer",
                                         "Bearer ",
                                         "Bearer secre",
                                         "Bearer secret1",
                                         "Basic secret",
                                         "secret",
                                         "Bearer SECRET",
                                         "Bearer secretsecret",
                                         "Bearer secret secret" };
    struct sockaddr_storage away = address("192.0.2.1:1");
    struct spy__access_request request = { .peer = (struct sockaddr *)&away,
                                           .host = "metrics.example" };
    (void)state;
    request.authorization = "Bearer secret";
    assert_int_equal(spy__access_check(&request, "secret"), SPY__ACCESS_GRANTED);
    request.authorization = "bearer  secret";
    assert_int_equal(spy__access_check(&request, "secret"), SPY__ACCESS_GRANTED);
    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
        request.authorization = wrong[i];
        assert_int_equal(spy__access_check(&request, "secret"), SPY__ACCESS_TOKEN_WANTED);
    }
    request.authorization = "Bearer ";
    assert_int_equal(spy__access_check(&request, ""), SPY__ACCESS_FORBIDDEN);
}

// To look takes less than to touch.
static void who_may_change_something(void **state)
{
    struct sockaddr_storage here = address("127.0.0.1:1"), away = address("192.0.2.1:1");
    struct sockaddr local = { .sa_family = AF_UNIX };
    struct spy__access_request request = { .peer = (struct sockaddr *)&here,
                                           .host = "localhost:80" };
    (void)state;

    assert_int_equal(spy__access_check_change(&request, NULL), SPY__ACCESS_FORBIDDEN);
    assert_int_equal(spy__access_check_change(&request, ""), SPY__ACCESS_FORBIDDEN);
    assert_int_equal(spy__access_check_change(&request, "t"), SPY__ACCESS_TOKEN_WANTED);
    request.authorization = "Bearer x";
    assert_int_equal(spy__access_check_change(&request, "t"), SPY__ACCESS_TOKEN_WANTED);
    request.authorization = "Bearer t";
    assert_int_equal(spy__access_check_change(&request, "t"), SPY__ACCESS_GRANTED);
    request.peer = (struct sockaddr *)&away;
    assert_int_equal(spy__access_check_change(&request, "t"), SPY__ACCESS_GRANTED);
    request.origin = "http://LOCALHOST:80";
    assert_int_equal(spy__access_check_change(&request, "t"), SPY__ACCESS_GRANTED);
    static const char *const foreign[] = {
        "", "null", "http://localhost", "http://localhost:81", "http://evil.example", "localhost:80"
    };
    for (size_t i = 0; i < sizeof(foreign) / sizeof(foreign[0]); i++) {
        request.origin = foreign[i];
        assert_int_equal(spy__access_check_change(&request, "t"), SPY__ACCESS_FORBIDDEN);
        assert_int_equal(spy__access_check_post(&request, "t"), SPY__ACCESS_FORBIDDEN);
    }
    request.origin = "http://localhost:80";
    assert_int_equal(spy__access_check_post(&request, "t"), SPY__ACCESS_GRANTED);
    request.peer = (struct sockaddr *)&here;
    request.authorization = request.origin = NULL;
    assert_int_equal(spy__access_check_post(&request, NULL), SPY__ACCESS_GRANTED);
    request.host = NULL;
    request.origin = "http://localhost:80";
    assert_int_equal(spy__access_check_change(&request, "t"), SPY__ACCESS_FORBIDDEN);
    request = (struct spy__access_request){ .peer = &local };
    assert_int_equal(spy__access_check_change(&request, NULL), SPY__ACCESS_GRANTED);
    request.origin = "http://evil.example";
    assert_int_equal(spy__access_check_change(&request, NULL), SPY__ACCESS_FORBIDDEN);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(addresses_are_parsed),         cmocka_unit_test(bad_addresses_are_refused),
        cmocka_unit_test(loopback_peers_are_known),     cmocka_unit_test(loopback_hosts_are_known),
        cmocka_unit_test(headers_of_proxies_are_known), cmocka_unit_test(loopback_needs_no_token),
        cmocka_unit_test(half_a_loopback_is_none),      cmocka_unit_test(the_token_opens_from_afar),
        cmocka_unit_test(who_may_change_something),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
