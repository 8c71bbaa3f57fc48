#include "encode/sentry_envelope.h"

#include "base/json.h"
#include "encode/sentry_common.h"

void spy__encode_sentry_header(struct spy__buf *out, const struct spy__sentry_header *header)
{
    struct spy__json j;
    spy__json_init(&j, out);
    spy__json_object(&j);
    if (header->event_hi || header->event_lo) {
        spy__json_key(&j, "event_id");
        spy__sentry_put_id(&j, header->event_hi, header->event_lo);
    }
    spy__json_key(&j, "sent_at");
    spy__sentry_put_time(&j, header->sent_ns);
    spy__json_key(&j, "sdk");
    spy__sentry_put_sdk(&j);
    if (header->trace_n > 0) {
        spy__json_key(&j, "trace");
        spy__buf_put(out, header->trace, header->trace_n);
    }
    spy__json_object_end(&j);
    spy__buf_putc(out, '\n');
}

void spy__encode_sentry_item(struct spy__buf *out, const char *type, const void *bytes, size_t n)
{
    struct spy__json j;
    spy__json_init(&j, out);
    spy__json_object(&j);
    spy__json_key(&j, "type");
    spy__json_str(&j, type);
    spy__json_key(&j, "length"); // without it an item ends at the first line break
    spy__json_u64(&j, n);
    spy__json_object_end(&j);
    spy__buf_putc(out, '\n');
    spy__buf_put(out, bytes, n);
    spy__buf_putc(out, '\n');
}
