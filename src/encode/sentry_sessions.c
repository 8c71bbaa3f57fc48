#include "encode/sentry_sessions.h"

#include "base/json.h"
#include "encode/sentry_common.h"

#define MINUTE_NS (UINT64_C(60) * 1000000000)

static void put_text(struct spy__json *j, const char *key, const char *text)
{
    if (text && text[0]) {
        spy__json_key(j, key);
        spy__json_str(j, text);
    }
}

static void put_count(struct spy__json *j, const char *key, uint64_t n)
{
    if (n > 0) {
        spy__json_key(j, key);
        spy__json_u64(j, n);
    }
}

void spy__encode_sentry_sessions(struct spy__buf *out, const struct spy__sentry_sessions *sessions)
{
    struct spy__json j;
    spy__json_init(&j, out);
    spy__json_object(&j);
    spy__json_key(&j, "aggregates");
    spy__json_array(&j);
    spy__json_object(&j);
    spy__json_key(&j, "started");
    spy__sentry_put_time(&j, sessions->started_ns / MINUTE_NS * MINUTE_NS);
    put_count(&j, "exited", sessions->exited);
    put_count(&j, "errored", sessions->errored);
    put_count(&j, "crashed", sessions->crashed);
    put_count(&j, "abnormal", sessions->abnormal);
    spy__json_object_end(&j);
    spy__json_array_end(&j);
    spy__json_key(&j, "attrs");
    spy__json_object(&j);
    put_text(&j, "release", sessions->release);
    put_text(&j, "environment", sessions->environment);
    spy__json_object_end(&j);
    spy__json_object_end(&j);
}
