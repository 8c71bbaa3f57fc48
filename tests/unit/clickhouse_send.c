// For tests/integration/test_clickhouse.py: the ClickHouse backend against a real server, as the
// delivery engine drives it. clickhouse_send URL COMMAND:
//
//     migrate             applies the migrations; a line for each
//     insert N TOKEN      N events "meme_generated", the same ones for the same N
//     odd                 one event "odd" with values of every kind
//     bad                 three events, the middle one with a quality_score that is no number
//
// The first event is of the second FIRST_S (environment) since 1970, and 123456 µs; each of the others
// an hour later. The last line is the verdict, its reason and its text.
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "backends/clickhouse.h"
#include "deliver/http.h"
#include "record/wire.h"
#include "spyglass/events.h"

#define RECORD_BYTES 1024
#define FIRST_FRACTION_NS 123456000u
#define HOUR_NS UINT64_C(3600000000000)

static uint64_t first_ns(void)
{
    const char *value = getenv("FIRST_S");
    return strtoull(value ? value : "0", NULL, 10) * 1000000000u + FIRST_FRACTION_NS;
}

static void put(struct spy__bytes *bytes, const char *type, uint64_t i,
                const struct spy_field *fields, size_t n)
{
    const struct spy__record record = { .kind = SPY__KIND_EVENT,
                                        .level = SPY_LEVEL_INFO,
                                        .time_ns = first_ns() + i * HOUR_NS,
                                        .correlation_id = "c-1",
                                        .trace_hi = 0x0af7651916cd43dd,
                                        .trace_lo = 0x8448eb211c80319c,
                                        .event = type,
                                        .fields = fields,
                                        .field_count = n,
                                        .event_hi = 0x018df6e1c4db7000,
                                        .event_lo = 0x8000000000000000 | i };
    void *to = aligned_alloc(8, RECORD_BYTES);
    *bytes = (struct spy__bytes){ to, to ? spy__wire_write(to, RECORD_BYTES, &record) : 0 };
    if (bytes->n == 0) {
        abort();
    }
}

static void put_generated(struct spy__bytes *bytes, uint64_t i)
{
    char template[32], user[32];
    (void)snprintf(template, sizeof(template), "t%d", (int)(i % 7));
    (void)snprintf(user, sizeof(user), "u%d", (int)(i % 31));
    const struct spy_field fields[] = { spy_str("template_id", template),
                                        spy_double("generation_time", 0.5),
                                        spy_double("quality_score", (double)(i % 10) / 10),
                                        spy_str("user_id", user) };
    put(bytes, "meme_generated", i, fields, 4);
}

static void put_odd(struct spy__bytes *bytes)
{
    const struct spy_field fields[] = {
        spy_str("template_id", "a \"b\"\\\n\t'\x1b"),
        spy_strn("bytes", "\xff\xc3\xa9\0z", 5),
        spy_int("i", INT64_MIN),
        spy_uint("u", UINT64_MAX),
        spy_uint("past_53_bits", UINT64_C(9007199254740993)),
        spy_double("nan", __builtin_nan("")),
        spy_double("tiny", 1e-7),
        spy_bool("yes", true),
        spy_str("a.b", "dotted"),
        spy_str("", "no key"),
    };
    put(bytes, "odd", 0, fields, sizeof(fields) / sizeof(fields[0]));
}

static void tell(void *arg, const char *name)
{
    (void)arg;
    puts(name);
}

static struct spy__verdict exchange(struct spy__clickhouse *ch, struct spy__http_reply *reply,
                                    const struct spy__request *request, const struct spy__buf *body,
                                    struct spy__verdict (*judge)(void *,
                                                                 const struct spy__answer *))
{
    struct spy__answer answer;
    const struct spy__http_server server = { .base = spy__clickhouse_base(ch) };
    spy__http_post(&answer, reply, &server, request, body, NULL);
    return judge(ch, &answer);
}

static struct spy__verdict send_all(const char *url, const struct spy__delivery *delivery)
{
    static struct spy__request request;
    struct spy__verdict verdict = { .kind = SPY__DROP, .reason = "setup" };
    const struct spy__clickhouse_options options = {
        .url = url, .service = "sender", .environment = "test", .no_migrate = true
    };
    struct spy__clickhouse *ch;
    const char *why;
    if (spy__clickhouse_new(&ch, &options, &why) != 0) {
        return verdict;
    }
    struct spy__http_reply reply;
    struct spy__buf body;
    spy__http_reply_init(&reply, 1u << 20);
    spy__buf_init(&body, 64u << 20);
    verdict.kind = SPY__SENT;
    while (verdict.kind == SPY__SENT && spy__clickhouse_prepare(ch, &request, &body) > 0) {
        verdict = exchange(ch, &reply, &request, &body, spy__clickhouse_prepared);
    }
    if (verdict.kind == SPY__SENT &&
        spy__clickhouse_encode(ch, delivery, &body, &request) == (int)delivery->count) {
        verdict = exchange(ch, &reply, &request, &body, spy__clickhouse_judge);
    }
    spy__buf_done(&body);
    spy__http_reply_done(&reply);
    spy__clickhouse_free(ch);
    return verdict;
}

int main(int argc, char **argv)
{
    static const char *const kinds[] = { "sent", "retry", "split", "drop" };
    char error[SPY_EVENTS_ERROR_MAX] = "";
    const char *command = argc > 2 ? argv[2] : "";
    struct spy__delivery delivery = { .token = "odd" };
    if (strcmp(command, "migrate") == 0) {
        int err =
            spy_events_migrate(&(struct spy_events_server){ .url = argv[1] }, tell, NULL, error);
        printf("%d %s\n", err, error);
        return 0;
    }
    bool insert = strcmp(command, "insert") == 0 && argc == 5;
    bool bad = strcmp(command, "bad") == 0;
    delivery.count = insert ? (size_t)strtoul(argv[3], NULL, 10) : bad ? 3 : 1;
    struct spy__bytes *records = calloc(delivery.count, sizeof(*records));
    if (!records || (!insert && !bad && strcmp(command, "odd") != 0)) {
        return 2;
    }
    for (size_t i = 0; i < delivery.count; i++) {
        const struct spy_field wrong = spy_str("quality_score", "abc");
        if (bad && i == 1) {
            put(&records[i], "bad", i, &wrong, 1);
        } else if (insert || bad) {
            put_generated(&records[i], i);
        } else {
            put_odd(&records[i]);
        }
    }
    (void)snprintf(delivery.token, sizeof(delivery.token), "%s", insert ? argv[4] : command);
    delivery.records = records;
    struct spy__verdict verdict = send_all(argv[1], &delivery);
    printf("%s %s %s\n", kinds[verdict.kind], verdict.reason, verdict.text);
    for (size_t i = 0; i < delivery.count; i++) {
        free((void *)(uintptr_t)records[i].bytes);
    }
    free(records);
    return 0;
}
