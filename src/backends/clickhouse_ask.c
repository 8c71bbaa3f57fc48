#include "backends/clickhouse_ask.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "backends/clickhouse_answer.h"
#include "backends/clickhouse_migrate.h"
#include "backends/clickhouse_request.h"
#include "deliver/http.h"

// ClickHouse ends a question itself, so that it says why; this is for a server that hangs.
#define TIMEOUT_MS 15000u
#define EXECUTION_S "10"
#define MEMORY_BYTES "536870912"
// What people look at; one more tells that there are more.
#define ROWS "1000"
#define ROWS_AND_ONE "1001"
#define OLD_RESULT_BYTES "4194304"
#define ANSWER_BYTES_MAX (2u << 20)
#define WORDS_MAX 8192u

// Knows the setting `limit`, which cuts a result at a row. An older one ends a result with the block
// that passes the limit.
#define VERSION_LIMIT 21001u

struct spy__clickhouse_asker {
    struct spy__clickhouse_url url;
    struct spy__http_server server; // const after new, as the address is
    unsigned version; // atomic, relaxed: nothing else is published by it; 0: not known
};

int spy__clickhouse_asker_new(struct spy__clickhouse_asker **ret, const char *url,
                              const struct spy__tls *tls, const char **ret_why)
{
    struct spy__clickhouse_asker *asker = calloc(1, sizeof(*asker));
    if (!asker) {
        return -ENOMEM;
    }
    int err = spy__clickhouse_url_parse(&asker->url, url, ret_why);
    if (err != 0) {
        free(asker);
        return err;
    }
    asker->server = (struct spy__http_server){ asker->url.base, *tls };
    *ret = asker;
    return 0;
}

void spy__clickhouse_asker_free(struct spy__clickhouse_asker *asker)
{
    if (asker) {
        explicit_bzero(&asker->url, sizeof(asker->url));
        free(asker);
    }
}

void spy__clickhouse_question(struct spy__request *ret, const struct spy__clickhouse_url *url,
                              unsigned version)
{
    static const char *const settings[][2] = {
        { "default_format", "JSONCompact" },
        { "output_format_json_quote_64bit_integers", "1" }, // JavaScript's numbers have 53 bits
        { "output_format_json_quote_denormals", "1" },
        { "max_execution_time", EXECUTION_S },
        { "max_memory_usage", MEMORY_BYTES },
    };
    struct spy__buf path;
    spy__clickhouse_request_begin(ret, &path, url, TIMEOUT_MS);
    for (size_t i = 0; i < sizeof(settings) / sizeof(settings[0]); i++) {
        spy__clickhouse_request_param(&path, settings[i][0], settings[i][1]);
    }
    if (version >= VERSION_LIMIT) {
        spy__clickhouse_request_param(&path, "limit", ROWS_AND_ONE);
    } else {
        spy__clickhouse_request_param(&path, "max_result_rows", ROWS);
        spy__clickhouse_request_param(&path, "max_result_bytes", OLD_RESULT_BYTES);
        spy__clickhouse_request_param(&path, "result_overflow_mode", "break");
    }
    spy__clickhouse_request_param(&path, "readonly", "1"); // the last: none may be set after it
    spy__buf_putc(&path, '\0');
}

static int say(struct spy__buf *ret, int err, const char *words, size_t n)
{
    spy__buf_reset(ret);
    spy__buf_put(ret, words, n < WORDS_MAX ? n : WORDS_MAX);
    return ret->failed ? -ENOMEM : err;
}

// What an answer that is no result means.
static int refuse(struct spy__clickhouse_asker *asker, const struct spy__answer *answer,
                  const struct spy__clickhouse_outcome *outcome, struct spy__buf *ret)
{
    static const char stranger[] = "what answers at its address is not ClickHouse";
    if (outcome->code == SPY__CLICKHOUSE_UNKNOWN_SETTING || answer->status == 0) {
        __atomic_store_n(&asker->version, 0, __ATOMIC_RELAXED); // it may be another server by then
    }
    if (answer->status != 0 && outcome->code == 0 && !spy__clickhouse_said(answer)) {
        return say(ret, -EAGAIN, stranger, sizeof(stranger) - 1);
    }
    return say(ret, answer->status == 0 ? -EAGAIN : -EBADMSG, outcome->text, outcome->text_len);
}

static int ask_version(struct spy__clickhouse_asker *asker, struct spy__http_reply *reply,
                       const int *stop, struct spy__buf *ret)
{
    static const char ask[] = SPY__CLICKHOUSE_ASK_VERSION, none[] = "it does not tell its version";
    struct spy__request request;
    struct spy__answer answer;
    struct spy__buf path, body;
    spy__clickhouse_request_begin(&request, &path, &asker->url, TIMEOUT_MS);
    spy__buf_putc(&path, '\0');
    spy__buf_init_fixed(&body, (char *)(uintptr_t)ask, sizeof(ask) - 1);
    body.len = sizeof(ask) - 1;
    spy__http_post(&answer, reply, &asker->server, &request, &body, stop);
    const struct spy__clickhouse_outcome outcome = spy__clickhouse_outcome(&answer, true);
    if (outcome.class != SPY__CLICKHOUSE_FINE) {
        return refuse(asker, &answer, &outcome, ret);
    }
    unsigned version = spy__clickhouse_version(&answer);
    if (version == 0) {
        return say(ret, -EAGAIN, none, sizeof(none) - 1);
    }
    __atomic_store_n(&asker->version, version, __ATOMIC_RELAXED);
    return 0;
}

// An error has a status of its own, since ClickHouse answers when all is done: what a 200 brings are
// rows, whatever words are in them.
static bool is_result(const struct spy__answer *answer)
{
    return answer->status == 200 && spy__clickhouse_said(answer) &&
           !spy__answer_header(answer, "X-ClickHouse-Exception-Code");
}

static int ask(struct spy__clickhouse_asker *asker, struct spy__http_reply *reply, const char *sql,
               size_t n, const int *stop, struct spy__buf *ret)
{
    struct spy__request request;
    struct spy__answer answer;
    struct spy__buf body;
    spy__clickhouse_question(&request, &asker->url,
                             __atomic_load_n(&asker->version, __ATOMIC_RELAXED));
    spy__buf_init_fixed(&body, (char *)(uintptr_t)sql, n);
    body.len = n;
    reply->may_cut = true;
    spy__http_post(&answer, reply, &asker->server, &request, &body, stop);
    if (!is_result(&answer)) {
        const struct spy__clickhouse_outcome outcome = spy__clickhouse_outcome(&answer, true);
        return refuse(asker, &answer, &outcome, ret);
    }
    spy__buf_done(ret);
    *ret = reply->body;
    spy__buf_init(&reply->body, 0);
    return reply->cut ? -EMSGSIZE : 0;
}

int spy__clickhouse_ask(void *self, const char *sql, size_t n, const int *stop,
                        struct spy__buf *ret)
{
    struct spy__clickhouse_asker *asker = self;
    struct spy__http_reply reply;
    int err = 0;
    spy__buf_init(ret, WORDS_MAX);
    spy__http_reply_init(&reply, ANSWER_BYTES_MAX);
    if (__atomic_load_n(&asker->version, __ATOMIC_RELAXED) == 0) {
        err = ask_version(asker, &reply, stop, ret);
    }
    if (err == 0) {
        err = ask(asker, &reply, sql, n, stop, ret);
    }
    spy__http_reply_done(&reply);
    return err;
}
