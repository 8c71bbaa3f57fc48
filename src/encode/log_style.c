#include "encode/log_style.h"

#include <string.h>

#include "base/buf.h"
#include "base/utf8.h"
#include "encode/line.h"
#include "encode/log_logfmt.h"

void spy__log_style_init(struct spy__log_style *ret, const char *service, const char *environment,
                         bool colour)
{
    const struct {
        const char *key, *value;
    } names[] = { { "service", service }, { "environment", environment } };
    char json[SPY__LOG_CONSTANT_MAX + SPY__LINE_SLACK];
    char logfmt[SPY__LOG_CONSTANT_MAX + SPY__LINE_SLACK];
    struct spy__buf json_buf, logfmt_buf;
    struct spy__line j, f;
    spy__buf_init_fixed(&json_buf, json, sizeof(json));
    spy__buf_init_fixed(&logfmt_buf, logfmt, sizeof(logfmt));
    char *j_at = spy__line_begin(&j, &json_buf), *f_at = spy__line_begin(&f, &logfmt_buf);
    for (size_t i = 0; i < 2; i++) {
        size_t n = names[i].value ? strlen(names[i].value) : 0;
        if (n == 0) {
            continue;
        }
        n = spy__utf8_cut(names[i].value, n, SPY__LOG_NAME_MAX);
        j_at = SPY__LINE_LITERAL(j_at, ",\"");
        j_at = spy__line_puts(&j, j_at, names[i].key);
        j_at = SPY__LINE_LITERAL(j_at, "\":\"");
        j_at = spy__line_escape(&j, j_at, names[i].value, n);
        j_at = SPY__LINE_LITERAL(j_at, "\"");
        f_at = SPY__LINE_LITERAL(f_at, " ");
        f_at = spy__line_puts(&f, f_at, names[i].key);
        f_at = SPY__LINE_LITERAL(f_at, "=");
        f_at = spy__logfmt_value(&f, f_at, names[i].value, n);
    }
    ret->colour = colour;
    ret->json_len = (size_t)(j_at - json);
    ret->logfmt_len = (size_t)(f_at - logfmt);
    memcpy(ret->json, json, ret->json_len);
    memcpy(ret->logfmt, logfmt, ret->logfmt_len);
}
