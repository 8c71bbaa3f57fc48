#include "serve/sql.h"

#include <errno.h>
#include <string.h>

#include "base/json.h"
#include "serve/sql_check.h"

#define AT_ONCE 2u
#define WAIT_NS UINT64_C(10000000000)
// ClickHouse's longest words, with every byte of them escaped.
#define ERROR_BYTES_MAX (64u << 10)

void spy__sql_init(struct spy__sql *sql, spy__sql_ask *ask, void *asker)
{
    sql->ask = ask;
    sql->asker = asker;
    sql->stop = 0;
    spy__slots_init(&sql->slots, AT_ONCE);
}

void spy__sql_done(struct spy__sql *sql)
{
    spy__slots_done(&sql->slots);
}

void spy__sql_close(struct spy__sql *sql)
{
    __atomic_store_n(&sql->stop, 1, __ATOMIC_RELAXED);
    spy__slots_close(&sql->slots);
}

// Takes the bytes.
static struct MHD_Response *give(struct spy__buf *bytes)
{
    struct MHD_Response *response =
        bytes->failed
            ? NULL
            : MHD_create_response_from_buffer(bytes->len, bytes->bytes, MHD_RESPMEM_MUST_FREE);
    if (!response) {
        spy__buf_done(bytes);
    }
    return response;
}

static void begin(struct spy__json *json, struct spy__buf *out, const char *status)
{
    spy__buf_init(out, ERROR_BYTES_MAX);
    spy__json_init(json, out);
    spy__json_object(json);
    spy__json_key(json, "status");
    spy__json_str(json, status);
}

static struct MHD_Response *say(unsigned *ret_status, unsigned status, const char *before,
                                const char *words, size_t n)
{
    struct spy__buf out, sentence;
    struct spy__json json;
    spy__buf_init(&sentence, ERROR_BYTES_MAX);
    spy__buf_puts(&sentence, before);
    spy__buf_put(&sentence, words, n);
    begin(&json, &out, "error");
    spy__json_key(&json, "error");
    spy__json_strn(&json, sentence.bytes, sentence.len);
    spy__json_object_end(&json);
    out.failed = out.failed || sentence.failed;
    spy__buf_done(&sentence);
    *ret_status = status;
    return give(&out);
}

static struct MHD_Response *say_sentence(unsigned *ret_status, unsigned status, const char *text)
{
    return say(ret_status, status, text, "", 0);
}

struct MHD_Response *spy__sql_state(const struct spy__sql *sql, unsigned *ret_status)
{
    struct spy__buf out;
    struct spy__json json;
    begin(&json, &out, "success");
    spy__json_key(&json, "configured");
    spy__json_bool(&json, sql->ask != NULL);
    spy__json_object_end(&json);
    *ret_status = MHD_HTTP_OK;
    return give(&out);
}

static struct MHD_Response *ask(struct spy__sql *sql, const struct spy__upload *body,
                                unsigned *ret_status)
{
    struct spy__buf answer;
    struct MHD_Response *response;
    int err = sql->ask(sql->asker, body->bytes, body->len, &sql->stop, &answer);
    switch (err) {
    case 0:
    case -EMSGSIZE:
        *ret_status = MHD_HTTP_OK;
        response = give(&answer);
        if (response && err != 0) {
            (void)MHD_add_response_header(response, "X-Spyglass-Cut", "bytes");
        }
        return response;
    case -EBADMSG:
        response = say(ret_status, MHD_HTTP_BAD_REQUEST, "", answer.bytes, answer.len);
        break;
    case -EAGAIN:
        response = say(ret_status, MHD_HTTP_BAD_GATEWAY,
                       "ClickHouse does not answer: ", answer.bytes, answer.len);
        break;
    default:
        response = say_sentence(ret_status, MHD_HTTP_SERVICE_UNAVAILABLE,
                                "There is no memory for the answer.");
    }
    spy__buf_done(&answer);
    return response;
}

struct MHD_Response *spy__sql_response(struct spy__sql *sql, const struct spy__upload *body,
                                       unsigned *ret_status)
{
    if (!sql->ask) {
        return say_sentence(ret_status, MHD_HTTP_NOT_IMPLEMENTED,
                            "No ClickHouse is configured: set clickhouse_url, or CLICKHOUSE_URL.");
    }
    if (body->too_long) {
        return say_sentence(ret_status, MHD_HTTP_CONTENT_TOO_LARGE,
                            "The statement is longer than 64 KiB.");
    }
    const char *why = spy__sql_check(body->bytes, body->len);
    if (why) {
        return say_sentence(ret_status, MHD_HTTP_BAD_REQUEST, why);
    }
    if (!spy__slots_take(&sql->slots, WAIT_NS)) {
        return say_sentence(ret_status, MHD_HTTP_SERVICE_UNAVAILABLE,
                            "Too many questions at once.");
    }
    struct MHD_Response *response = ask(sql, body, ret_status);
    spy__slots_give(&sql->slots);
    return response;
}
