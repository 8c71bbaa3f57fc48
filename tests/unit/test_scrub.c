// What is told of a request: these tables are the specification.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "record/mask/scrub.h"

static struct spy__mask_words words;
static const struct spy__scrub by_default = { .more = &words },
                               personal = { .personal = true, .more = &words };

static char storage[4096];

static const char *text_of(struct spy__buf *out)
{
    assert_false(out->failed);
    spy__buf_putc(out, '\0');
    return out->bytes;
}

static const char *header(const struct spy__scrub *scrub, const char *name, const char *value)
{
    struct spy__buf out;
    spy__buf_init_fixed(&out, storage, sizeof(storage));
    spy__scrub_header(scrub, &out, name, value, strlen(value));
    return text_of(&out);
}

static const char *query(const struct spy__scrub *scrub, const char *text)
{
    struct spy__buf out;
    spy__buf_init_fixed(&out, storage, sizeof(storage));
    spy__scrub_query(scrub, &out, text, strlen(text));
    return text_of(&out);
}

static void harmless_headers_are_told(void **state)
{
    (void)state;
    static const char *const harmless[] = {
        "Accept",
        "accept-encoding",
        "Accept-Language",
        "Content-Encoding",
        "CONTENT-TYPE",
        "Content-Length",
        "Expect",
        "Host",
        "Range",
        "TE",
        "Transfer-Encoding",
        "User-Agent",
        "Trailer",
    };
    for (size_t i = 0; i < sizeof(harmless) / sizeof(harmless[0]); i++) {
        char line[128];
        (void)snprintf(line, sizeof(line), "%s: x/1.0 (y)\n", harmless[i]);
        assert_string_equal(header(&by_default, harmless[i], "x/1.0 (y)"), line);
    }
}

static void others_are_told_with_personal_data_alone(void **state)
{
    (void)state;
    static const char *const others[] = { "X-Forwarded-For",  "X-Real-IP", "Forwarded", "Via",
                                          "CF-Connecting-IP", "X-User-Id", "From",      "Origin",
                                          "X-Anything" };
    for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++) {
        char line[128];
        (void)snprintf(line, sizeof(line), "%s: 203.0.113.7\n", others[i]);
        assert_string_equal(header(&by_default, others[i], "203.0.113.7"), "");
        assert_string_equal(header(&personal, others[i], "203.0.113.7"), line);
    }
}

static void secret_headers_are_never_told(void **state)
{
    (void)state;
    static const char *const secret[] = {
        "Authorization", "Proxy-Authorization",
        "Cookie",        "Set-Cookie",
        "X-Api-Key",     "X-Auth-Token",
        "X-CSRF-Token",  "X-Session-Id",
        "X-Amz-Key-Id",  "Sec-WebSocket-Key",
        "X-Password",    "Our-Iban",
        "x-jwt",         "SID",
    };
    for (size_t i = 0; i < sizeof(secret) / sizeof(secret[0]); i++) {
        char line[128];
        (void)snprintf(line, sizeof(line), "%s: [redacted]\n", secret[i]);
        assert_string_equal(header(&by_default, secret[i], "hush 123"), "");
        assert_string_equal(header(&personal, secret[i], "hush 123"), line);
    }
}

static void secrets_in_a_value_are_masked(void **state)
{
    (void)state;
    assert_string_equal(header(&by_default, "User-Agent", "bot https://a:hush@b/ token=hush x"),
                        "User-Agent: bot https://a:[redacted]@b/ token=[redacted] x\n");
    assert_string_equal(header(&by_default, "Referer", "http://a.example/b?q=hush#hush"),
                        "Referer: http://a.example/b\n");
    assert_string_equal(header(&personal, "referer", "http://u:hush@a.example/b#hush"),
                        "referer: http://u:[redacted]@a.example/b\n");
}

// No value makes a line of its own, whatever its bytes.
static void a_header_is_one_line(void **state)
{
    (void)state;
    assert_string_equal(header(&by_default, "Accept", "a\r\nCookie: b\x7f\tc"),
                        "Accept: a  Cookie: [redacted]\n");
    assert_string_equal(header(&by_default, "Accept", "a\r\nX: b\x7f\tc"), "Accept: a  X: b  c\n");
    static const char *const odd[] = { "", "Accept:", "Acc ept", "Accept\n", "\xc3\xa4" };
    for (size_t i = 0; i < sizeof(odd) / sizeof(odd[0]); i++) {
        assert_string_equal(header(&personal, odd[i], "x"), "");
    }
    char longest[SPY__SCRUB_NAME_MAX + 2];
    memset(longest, 'x', sizeof(longest) - 1);
    longest[SPY__SCRUB_NAME_MAX + 1] = '\0';
    assert_string_equal(header(&personal, longest, "y"), "");
    longest[SPY__SCRUB_NAME_MAX] = '\0';
    assert_string_not_equal(header(&personal, longest, "y"), "");
}

static void a_long_header_is_cut_after_it_was_masked(void **state)
{
    (void)state;
    char value[3000];
    memset(value, 'x', sizeof(value) - 1);
    value[sizeof(value) - 1] = '\0';
    assert_int_equal(strlen(header(&by_default, "Accept", value)),
                     strlen("Accept: \n") + SPY__SCRUB_HEADER_MAX);
    memcpy(value + SPY__SCRUB_HEADER_MAX - 14, "http://u:hushhhhhhhhhhhh@b/", 27);
    assert_null(strstr(header(&by_default, "Accept", value), "hush"));
    for (size_t i = 0; i + 9 < sizeof(value); i += 9) {
        memcpy(value + i, "token=yy ", 9); // what is masked is longer than the room
    }
    assert_string_equal(header(&by_default, "Accept", value), "Accept: [redacted]\n");
}

static void a_name_is_told_once_and_what_has_no_room_is_left_out(void **state)
{
    (void)state;
    struct spy__buf out;
    spy__buf_init_fixed(&out, storage, sizeof("Accept: a\nHost: b\n") - 1);
    spy__scrub_header(&by_default, &out, "Accept", "a", 1);
    spy__scrub_header(&by_default, &out, "accept", "x", 1);
    spy__scrub_header(&by_default, &out, "TE", "too long", 8);
    spy__scrub_header(&by_default, &out, "Host", "b", 1);
    spy__scrub_header(&by_default, &out, "TE", "t", 1);
    assert_false(out.failed);
    assert_int_equal(out.len, sizeof("Accept: a\nHost: b\n") - 1);
    assert_memory_equal(out.bytes, "Accept: a\nHost: b\n", out.len);
}

static void queries(void **state)
{
    (void)state;
    static const struct {
        const char *query, *by_default, *personal; // NULL: the same
    } table[] = {
        { "", "", NULL },
        { "limit=10&before=7", "limit=10&before=7", NULL },
        { "a=b;c=d&&e&f=", "a=b;c=d&&e&f=", NULL },
        { "token=hush&limit=1", "token=[redacted]&limit=1", NULL },
        { "limit=1&X-Api-Key=hush", "limit=1&X-Api-Key=[redacted]", NULL },
        { "to%6ben=hush", "to%6ben=[redacted]", NULL },
        { "to%256ben=hush", "to%256ben=[redacted]", NULL },
        { "iban=hush", "iban=[redacted]", NULL },
        { "user[password]=hush", "user[password]=[redacted]", NULL },
        { "session=hush&csrf=hush&sso=", "session=[redacted]&csrf=[redacted]&sso=", NULL },
        { "token=5", "token=[redacted]", NULL },
        { "next=/a%3Ftoken%3Dhush", "next=[redacted]", NULL },
        { "next=%252Fa%253Ftoken%253Dhush", "next=[redacted]", NULL },
        { "next=%25252525252541", "next=[redacted]", NULL },
        { "url=https://u:hush@b/", "url=[redacted]", NULL },
        { "q=Bearer+hush", "q=[redacted]", NULL },
        { "q=100%", "q=100%", NULL },
        { "q=%4", "q=%4", NULL },
        { "password%3Dhush=x", "[redacted]", NULL },
        { "0123456789abcdef", "0123456789abcdef", NULL },
        { "0123456789abcdef0", "[redacted]", NULL },
        { "email=ada", "email=[redacted]", "email=ada" },
        { "user_id=u1", "user_id=[redacted]", "user_id=u1" },
        { "q=ada%40example.org", "q=[redacted]", "q=ada%40example.org" },
        { "ada@example.org", "[redacted]", "ada@example.org" },
        { "client-ip=x&ship=y&name=z", "client-ip=[redacted]&ship=y&name=[redacted]",
          "client-ip=x&ship=y&name=z" },
        { "a=\r\nb", "a=  b", NULL },
    };
    for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
        assert_string_equal(query(&by_default, table[i].query), table[i].by_default);
        assert_string_equal(query(&personal, table[i].query),
                            table[i].personal ? table[i].personal : table[i].by_default);
    }
}

static void long_queries(void **state)
{
    (void)state;
    char text[400] = "a=";
    memset(text + 2, 'x', SPY__SCRUB_ARGUMENT_MAX);
    assert_string_equal(query(&by_default, text), text);
    text[2 + SPY__SCRUB_ARGUMENT_MAX] = 'x';
    assert_string_equal(query(&by_default, text), "a=[redacted]");
    memset(text, 'k', SPY__SCRUB_ARGUMENT_MAX + 1);
    memcpy(text + SPY__SCRUB_ARGUMENT_MAX + 1, "=v", 3);
    assert_string_equal(query(&by_default, text), "[redacted]");

    struct spy__buf out;
    spy__buf_init_fixed(&out, storage, sizeof("a=b&") - 1);
    spy__scrub_query(&by_default, &out, "a=b&c=d", 7);
    assert_false(out.failed);
    assert_int_equal(out.len, sizeof("a=b&") - 1);
}

int main(void)
{
    if (spy__mask_words_parse(&words, "iban") != 0) {
        return 1;
    }
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(harmless_headers_are_told),
        cmocka_unit_test(others_are_told_with_personal_data_alone),
        cmocka_unit_test(secret_headers_are_never_told),
        cmocka_unit_test(secrets_in_a_value_are_masked),
        cmocka_unit_test(a_header_is_one_line),
        cmocka_unit_test(a_long_header_is_cut_after_it_was_masked),
        cmocka_unit_test(a_name_is_told_once_and_what_has_no_room_is_left_out),
        cmocka_unit_test(queries),
        cmocka_unit_test(long_queries),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
