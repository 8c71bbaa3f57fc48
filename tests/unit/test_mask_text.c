// Secrets inside of text. The table is the specification; the rest plants a secret in well-formed
// text of many shapes and looks for it in what comes out.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>
#include <jansson.h>

#include "base/random.h"
#include "record/mask/mask_text.h"

#define R "[redacted]"

static char room[1u << 20];
static struct spy__buf out;
static struct spy__mask_words words;

static int set_up(void **state)
{
    (void)state;
    spy__buf_init_fixed(&out, room, sizeof(room));
    return spy__mask_words_parse(&words, "iban, card_number");
}

static const char *masked(const char *text, size_t n)
{
    spy__buf_reset(&out);
    if (!spy__mask_text(&words, &out, text, n)) {
        assert_int_equal(out.len, 0);
        spy__buf_put(&out, text, n);
    }
    spy__buf_putc(&out, '\0');
    assert_false(out.failed);
    return out.bytes;
}

static const char *const cases[][2] = {
    // JSON
    { "{\"password\":\"hunter2\"}", "{\"password\":\"" R "\"}" },
    { "{\"a\":1,\"user\":{\"Api-Key\" : \"k\",\"x\":2}}",
      "{\"a\":1,\"user\":{\"Api-Key\" : \"" R "\",\"x\":2}}" },
    { "{\"password\":\"a\\\"b\\\\\",\"x\":\"y\"}", "{\"password\":\"" R "\",\"x\":\"y\"}" },
    { "{\"password\":1234,\"x\":1}", "{\"password\":\"" R "\",\"x\":1}" },
    { "{\"password\":null,\"x\":1}", "{\"password\":null,\"x\":1}" },
    { "{\"password\":\"\"}", "{\"password\":\"\"}" },
    { "{\"input_tokens\":1234,\"tokens\":[1,2],\"token\":{\"in\":1}}",
      "{\"input_tokens\":1234,\"tokens\":[1,2],\"token\":{\"in\":1}}" },
    { "{\"token\":\"abc\",\"tokens\":[\"abc\"]}", "{\"token\":\"" R "\",\"tokens\":\"" R "\"}" },
    { "{\"cookie\":[\"a=1\",\"b\"],\"x\":1}", "{\"cookie\":\"" R "\",\"x\":1}" },
    { "{\"secret\":{\"a\":{\"b\":\"}\"}},\"x\":1}", "{\"secret\":\"" R "\",\"x\":1}" },
    { "{\"body\":\"{\\\"password\\\":\\\"hunter2\\\",\\\"x\\\":1}\"}",
      "{\"body\":\"{\\\"password\\\":\\\"" R "\\\",\\\"x\\\":1}\"}" },
    { "{\"b\":\"{\\\"password\\\":\\\"a\\\\\\\"b\\\"}\",\"c\":1}",
      "{\"b\":\"{\\\"password\\\":\\\"" R "\\\"}\",\"c\":1}" },
    { "{\"b\":\"{\\\"password\\\":12,\\\"cookie\\\":[1]}\",\"c\":1}",
      "{\"b\":\"{\\\"password\\\":\\\"" R "\\\",\\\"cookie\\\":\\\"" R "\\\"}\",\"c\":1}" },
    { "{\"b\":\"{\\\"password\\\":\\\"cut", "{\"b\":\"{\\\"password\\\":\\\"" R },
    { "{\"b\":\"{\\\"password\\\":\\\"odd\",\"c\":\"d\"}",
      "{\"b\":\"{\\\"password\\\":\\\"" R "\",\"c\":\"d\"}" },
    { "{\"password\":\"cut off he", "{\"password\":\"" R },
    { "{\"password\":{\"cut\":\"off", "{\"password\":\"" R "\"" },
    { "{\"p\\u0061ssword\":\"hunter2\"}", "{\"p\\u0061ssword\":\"" R "\"}" },
    { "{'password': 'hunter2', 'x': 1}", "{'password': '" R "', 'x': 1}" },
    { "{password: \"hunter2\", x: 1}", "{password: \"" R "\", x: 1}" },
    { "{a: 1, password: hunter2, x: 1}", "{a: 1, password: \"" R "\", x: 1}" },
    { "{\"DE_iban\":\"x\",\"cardNumber\":\"4111\",\"libanon\":\"y\"}",
      "{\"DE_iban\":\"" R "\",\"cardNumber\":\"" R "\",\"libanon\":\"y\"}" },
    // No value hides the secret behind it.
    { "{\"x\":\"password='a\",\"password\":\"b'c\"}", "{\"x\":\"password='" R "\"}" },
    // URLs
    { "postgres://memegen:hunter2@db:5432/x", "postgres://memegen:" R "@db:5432/x" },
    { "redis://:hunter2@cache", "redis://:" R "@cache" },
    { "https://u:a:b@c@host/", "https://u:" R "@host/" },
    { "https://0123456789abcdef@sentry.example/1", "https://" R "@sentry.example/1" },
    { "ssh://git@host/x", "ssh://git@host/x" },
    { "http://127.0.0.1:8080/a@b", "http://127.0.0.1:8080/a@b" },
    { "http://[::1]:8080/a@b", "http://[::1]:8080/a@b" },
    { "amqp://u:p/w@host/x", "amqp://u:" R "@host/x" },
    { "{\"u\":\"https:\\/\\/u:p@host\\/x\"}", "{\"u\":\"https:\\/\\/u:" R "@host\\/x\"}" },
    { "/cb?token=abc&x=1", "/cb?token=" R "&x=1" },
    { "/cb?x=1&access_token=123456#top", "/cb?x=1&access_token=" R "#top" },
    { "/cb#access_token=a;b'c", "/cb#access_token=" R },
    { "/cb?p%61ssword=abc", "/cb?p%61ssword=" R },
    { "/cb?user[password]=abc&b=2", "/cb?user[password]=" R "&b=2" },
    { "/cb?token=&x=1", "/cb?token=&x=1" },
    { "see https://h/?api_key=abc, then \"https://h/?jwt=d\"",
      "see https://h/?api_key=" R " then \"https://h/?jwt=" R "\"" },
    // pairs
    { "host=db password=hunter2 port=1", "host=db password=" R " port=1" },
    { "password='hunter 2' port=1", "password='" R "' port=1" },
    { "msg=x secret=\"a \\\"b\" n=1", "msg=x secret=\"" R "\" n=1" },
    { "password = hunter2", "password = " R },
    { "input_tokens=12 token=abc", "input_tokens=12 token=" R },
    { "a=1;pwd=x;b=2", "a=1;pwd=" R ";b=2" },
    // HTTP
    { "Bearer abc.def-ghi", "Bearer " R },
    { "bearer  abc, next", "bearer  " R ", next" },
    { "Basic dXNlcjpwYXNz", "Basic " R },
    { "basic understanding", "basic understanding" },
    { "Basic understanding of it", "Basic understanding of it" },
    { "forbearer x", "forbearer x" },
    { "Authorization: Negotiate abc=\r\nHost: x", "Authorization: " R "\r\nHost: x" },
    { "GET /\r\nCookie: a=b; c=d\r\nX: y", "GET /\r\nCookie: " R "\r\nX: y" },
    { "> Cookie: a=b; c=d", "> Cookie: " R },
    { "curl -H 'X-Api-Key: abc' http://h", "curl -H 'X-Api-Key: " R "' http://h" },
    // clean
    { "", "" },
    { "/api/v1/memes", "/api/v1/memes" },
    { "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36",
      "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36" },
    { "error: unexpected token: ','", "error: unexpected token: ','" },
    { "a == b : c = d", "a == b : c = d" },
    { "2024-01-31T12:00:00Z", "2024-01-31T12:00:00Z" },
    { "{\"topic\":\"secret santa\",\"template_id\":\"two-buttons\"}",
      "{\"topic\":\"secret santa\",\"template_id\":\"two-buttons\"}" },
};

static void table(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        // Behind text of any length, so that each case comes to lie at every place of a vector.
        for (size_t before = 0; before < 34; before += i % 2 ? 33 : 1) {
            char text[512], expected[512];
            int n = snprintf(text, sizeof(text), "%.*s\n%s", (int)before,
                             "..................................", cases[i][0]);
            snprintf(expected, sizeof(expected), "%.*s\n%s", (int)before,
                     "..................................", cases[i][1]);
            if (strcmp(masked(text, (size_t)n), expected) != 0) {
                fail_msg("\"%s\" becomes \"%s\", not \"%s\"", text, room, expected);
            }
        }
        if (strcmp(masked(cases[i][0], strlen(cases[i][0])), cases[i][1]) != 0) {
            fail_msg("\"%s\" becomes \"%s\", not \"%s\"", cases[i][0], room, cases[i][1]);
        }
    }
}

// ---- planted

static const char *const keys[] = { "password",   "Authorization", "api_key",    "x-auth-token",
                                    "set-cookie", "clientSecret",  "SENTRY_DSN", "card_number" };

static uint64_t below(uint64_t n)
{
    return spy__random_u64() % n;
}

// The secret, in a text that a value may be: its marker among bytes that want escapes.
static void make_secret(char *to, bool url)
{
    static const char any[] = "abcXYZ019 -_.~!*'();:@&=+$,/?#[]{}\"\\\n\t%";
    static const char unreserved[] = "abcXYZ019-._~!*()$'+,:";
    size_t n = 0, left = below(12), right = below(12);
    for (size_t i = 0; i < left; i++) {
        to[n++] = url ? unreserved[below(sizeof(unreserved) - 1)] : any[below(sizeof(any) - 1)];
    }
    memcpy(to + n, "hUnTeR2", 7);
    n += 7;
    for (size_t i = 0; i < right; i++) {
        to[n++] = url ? unreserved[below(sizeof(unreserved) - 1)] : any[below(sizeof(any) - 1)];
    }
    to[n] = '\0';
}

// JSON with the secret under a key, among values of all kinds, at some depth, as often as not inside
// of a string of JSON, and that too.
static json_t *make_json(int depth)
{
    json_t *root = json_object();
    char secret[64];
    make_secret(secret, false);
    json_object_set_new(root, "before \"it\"", json_string("x\\y\"z: {["));
    if (depth > 0 && below(2)) {
        json_object_set_new(root, "inner", make_json(depth - 1));
    } else if (depth > 0) {
        json_t *inner = make_json(depth - 1);
        char *text = json_dumps(inner, below(2) ? JSON_COMPACT : JSON_INDENT(2));
        json_object_set_new(root, "body", json_string(text));
        json_decref(inner);
        free(text);
    } else if (below(4) == 0) {
        json_object_set_new(root, keys[below(8)], json_pack("{s:[i,s]}", "v", 1, secret));
    } else {
        json_object_set_new(root, keys[below(8)], json_string(secret));
    }
    json_object_set_new(root, "after", json_pack("[i,b,n,s]", 1, 1, "q"));
    return root;
}

static void no_secret_leaves_json(void **state)
{
    (void)state;
    spy__random_seed(21);
    for (int round = 0; round < 20000; round++) {
        json_t *root = make_json((int)below(4));
        char *text = json_dumps(root, (below(2) ? JSON_COMPACT : 0) | JSON_ENSURE_ASCII);
        size_t n = strlen(text);
        const char *result = masked(text, n);
        if (strstr(result, "hUnTeR2")) {
            fail_msg("%s becomes %s", text, result);
        }
        json_t *read = json_loads(result, 0, NULL); // it stays JSON
        if (!read) {
            fail_msg("%s becomes %s", text, result);
        }
        assert_non_null(json_object_get(read, "after"));
        json_decref(read);
        // Cut off anywhere, as long values are.
        size_t cut = below(n);
        if (strstr(masked(text, cut), "hUnTeR2")) {
            fail_msg("%.*s becomes %s", (int)cut, text, room);
        }
        free(text);
        json_decref(root);
    }
}

static void no_secret_leaves_a_line(void **state)
{
    (void)state;
    static const char *const shapes[] = {
        "https://user:%s@host:80/p?q=1",      "GET /p?a=b&token=%s&c=d HTTP/1.1",
        "postgresql://u:%s@h/db?sslmode=off", "Bearer %s",
        "curl 'https://h/?api_key=%s'",       "{\"url\":\"https://h/?x=1&jwt=%s\"}",
        "POST / HTTP/1.1\r\nCookie: %s\r\n",  "host=h password=%s user=u",
    };
    spy__random_seed(22);
    for (int round = 0; round < 40000; round++) {
        char secret[64], text[256];
        size_t shape = below(sizeof(shapes) / sizeof(shapes[0]));
        make_secret(secret, true);
        for (char *c = secret; (shape == 3 || shape == 4) && *c; c++) {
            *c = *c == '\'' || *c == ',' ? '-' : *c; // what ends them where they stand
        }
        for (char *c = secret; shape == 7 && *c; c++) {
            *c = *c == '\'' ? '-' : *c;
        }
        snprintf(text, sizeof(text), shapes[shape], secret);
        if (strstr(masked(text, strlen(text)), "hUnTeR2")) {
            fail_msg("%s becomes %s", text, room);
        }
    }
}

// ---- bounds

// What is made to take long takes below 100 ns a byte; quadratic it would be 100,000.
static void time_is_linear(void **state)
{
    (void)state;
    static const char *const units[] = {
        "{\"token\":",
        "a://b:c",
        "\"token\":[1,",
        "Basic a",
        "\\\\\\\"",
        ":",
        "\":",
        "password=",
        "token: 1 ",
        "\"",
        " r ",
        "{\"a\":{",
        "a=[[%%",
        "Bearer ",
        "\\\"token\\\":{",
        "token = ",
        "p_",
        "\"secret\":{",
        "secret={\"secret\":{}}",
    };
    static char text[1u << 18];
    for (size_t u = 0; u < sizeof(units) / sizeof(units[0]); u++) {
        size_t len = strlen(units[u]);
        for (size_t i = 0; i + len <= sizeof(text); i += len) {
            memcpy(text + i, units[u], len);
        }
        struct timespec before, after;
        clock_gettime(CLOCK_THREAD_CPUTIME_ID, &before);
        spy__buf_reset(&out);
        (void)spy__mask_text(&words, &out, text, sizeof(text));
        clock_gettime(CLOCK_THREAD_CPUTIME_ID, &after);
        double ns =
            (double)(after.tv_sec - before.tv_sec) * 1e9 + (double)(after.tv_nsec - before.tv_nsec);
        if (ns / sizeof(text) > 10000) {
            fail_msg("%s: %.0f ns a byte", units[u], ns / sizeof(text));
        }
    }
}

static void no_room_fails(void **state)
{
    (void)state;
    char small[8];
    struct spy__buf tight;
    spy__buf_init_fixed(&tight, small, sizeof(small));
    assert_true(spy__mask_text(NULL, &tight, "password=x", 10));
    assert_true(tight.failed);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(table, set_up),
        cmocka_unit_test_setup(no_secret_leaves_json, set_up),
        cmocka_unit_test_setup(no_secret_leaves_a_line, set_up),
        cmocka_unit_test_setup(time_is_linear, set_up),
        cmocka_unit_test_setup(no_room_fails, set_up),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
