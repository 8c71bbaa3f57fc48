// A host in which much goes wrong: error_host STATE_DIR LOG
//
// Errors of each kind that there is, with odd bytes and with secrets in all places where a host may
// put one, in requests and outside of them; then it stops. Its last line is its status.
#include <fcntl.h>
#include <stdio.h>
#include <string.h>

#include <spyglass/spyglass.h>

#define SECRET "hush-hush-hush"

static struct spy_operation operation = {
    .name = "service",
    .labels = SPY_LABELS("service_name"),
    .failures = { "failures_total", "Failed calls" },
};

static void fail_oddly(void)
{
    char longest[20000];
    memset(longest, 'x', sizeof(longest) - 1);
    longest[sizeof(longest) - 1] = '\0';
    spy_error("plain", NULL);
    spy_error("odd_text", "a \"b\"\\\n\t'\x1b \xff\xc3\xa9 end", spy_str("\"key\"", "\x01\xfe"),
              spy_strn("bytes", "\xff\xc3\xa9\0z", 5));
    spy_error("numbers", "of all kinds", spy_int("i", INT64_MIN), spy_uint("u", UINT64_MAX),
              spy_double("nan", __builtin_nan("")), spy_double("tiny", 1e-300), spy_bool("yes", 1));
    spy_error("long_text", longest, spy_str("long_field", longest));
    spy_error("grouped", "by what it says", spy_error_fingerprint("payments"));
}

static void fail_with_secrets(void)
{
    spy_error("secrets", "GET https://user:" SECRET "@example.org/?api_key=" SECRET " was refused",
              spy_str("password", SECRET), spy_str("authorization", "Bearer " SECRET),
              spy_str("text", "token=" SECRET),
              spy_str("json", "{\"api_key\":\"" SECRET "\",\"n\":1}"));
}

static void tell_details(void *arg, struct spy_http_details *to)
{
    (void)arg;
    spy_http_details_header(to, "Host", "memes.example");
    spy_http_details_header(to, "Authorization", "Bearer " SECRET);
    spy_http_details_header(to, "Cookie", "session=" SECRET);
    spy_http_details_header(to, "User-Agent", "odd \"\xff\\\r\n token=" SECRET);
    spy_http_details_header(to, "Referer", "http://u:" SECRET "@a.example/?token=" SECRET);
    spy_http_details_query(to, "limit=1&token=" SECRET "&next=%2Fa%3Fapi_key%3D" SECRET);
}

static void fail_in_a_request(void)
{
    struct spy_http *http = spy_http_begin(&(struct spy_http_request){
        .method = "POST",
        .path = "/memes/7?token=" SECRET,
        .correlation_id = "request-1",
        .traceparent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
        .details = tell_details });
    spy_http_route(http, "/memes/{id}");
    spy_bind(spy_str("user_id", "u1"));
    for (int i = 0; i < 150; i++) { // more than an event has room for
        spy_info("step", spy_int("i", i), spy_str("access_token", SECRET));
    }
    struct spy_span span = spy_begin(&operation, "llm");
    spy_end(&span, spy_failure("timeout", "no answer in 10 s"));
    spy_http_fail(http, "failed", "the handler gave up");
    spy_http_answered(http, 500, 10);
    spy_http_end(http);
}

int main(int argc, char **argv)
{
    if (argc != 3) {
        fprintf(stderr, "usage: error_host STATE_DIR LOG\n");
        return 2;
    }
    int log_fd = open(argv[2], O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    int err = spy_operation_register(&operation);
    if (err == 0) {
        err = spy_start(&(struct spy_options){ .service = "error_host",
                                               .environment = "test",
                                               .release = "error_host@1.2.3",
                                               .state_dir = argv[1],
                                               .log_fd = log_fd,
                                               .traces_sample_rate = 1 });
    }
    if (err != 0) {
        fprintf(stderr, "error_host: %d %s\n", err, spy_start_error());
        return 1;
    }
    fail_oddly();
    fail_with_secrets();
    fail_in_a_request();
    printf("stopped %d\n", spy_stop(30000));
    return 0;
}
