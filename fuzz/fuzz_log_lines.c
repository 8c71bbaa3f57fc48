// All forms of a log line from any bytes: one line each, with nothing in it that would break a
// reader or a terminal, and JSON whose strings close. The input is cut into event, key and value at
// its first two NUL bytes.

#include <stdlib.h>
#include <string.h>

#include "base/utf8.h"
#include "encode/log_console.h"
#include "encode/log_json.h"
#include "encode/log_logfmt.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(int fine)
{
    if (!fine) {
        abort();
    }
}

// Braces and brackets balance outside of strings, escapes are those of RFC 8259, and the text is
// UTF-8.
static void check_json(const char *s, size_t n)
{
    int depth = 0;
    bool in_string = false;
    check(spy__utf8_valid(s, n));
    for (size_t i = 0; i < n; i++) {
        check((unsigned char)s[i] >= 0x20);
        if (in_string && s[i] == '\\') {
            i++;
            check(i < n && strchr("\"\\nrtu", s[i]) != NULL);
        } else if (s[i] == '"') {
            in_string = !in_string;
        } else if (!in_string) {
            depth += (s[i] == '{' || s[i] == '[') - (s[i] == '}' || s[i] == ']');
        }
    }
    check(depth == 0 && !in_string && n > 1 && s[n - 1] == '}');
}

static void check_console(const char *s, size_t n)
{
    check(spy__utf8_valid(s, n));
    for (size_t i = 0; i < n; i++) {
        unsigned char c = (unsigned char)s[i], next = i + 1 < n ? (unsigned char)s[i + 1] : 0;
        check(c >= 0x20 && c != 0x7f && !(c == 0xc2 && next >= 0x80 && next < 0xa0));
    }
}

// Pairs of a key, '=' and a value, bare or in quotes that close, with one space between them.
static void check_logfmt(const char *s, size_t n)
{
    size_t i = 0;
    check(spy__utf8_valid(s, n));
    while (i < n) {
        size_t key = i;
        for (; i < n && s[i] != '='; i++) {
            check((unsigned char)s[i] > ' ' && s[i] != '"' && s[i] != '\'');
        }
        check(i > key && i < n);
        if (++i < n && s[i] == '"') {
            for (i++; i < n && s[i] != '"'; i++) {
                check((unsigned char)s[i] >= ' ');
                i += s[i] == '\\';
            }
            check(i++ < n);
        } else {
            for (; i < n && s[i] != ' '; i++) {
                check((unsigned char)s[i] > ' ' && s[i] != '"' && s[i] != '\'' && s[i] != '=');
            }
        }
        check(i == n || (s[i] == ' ' && ++i < n));
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *text = malloc(size + 2);
    if (!text) {
        return 0;
    }
    memcpy(text, data, size);
    text[size] = text[size + 1] = '\0';
    const char *event = text, *key = event + strlen(event) + 1;
    key = key <= text + size ? key : text + size;
    const char *value = key + strlen(key) + 1;
    size_t value_bytes = value < text + size ? (size_t)(text + size - value) : 0;
    value = value_bytes ? value : "";

    struct spy_field field = spy_strn(key, value, value_bytes);
    struct spy__record record = { .level = SPY_LEVEL_INFO,
                                  .time_ns = size,
                                  .correlation_id = "",
                                  .event = event,
                                  .module = key,
                                  .fields = &field,
                                  .field_count = key[0] ? 1 : 0 };
    struct spy__log_style style;
    spy__log_style_init(&style, event, key, false);
    struct spy__buf line;
    spy__buf_init(&line, 1u << 24);
    spy__encode_log_json(&line, &record, &style);
    check(line.failed || (line.len > 0 && line.bytes[line.len - 1] == '\n'));
    if (!line.failed) {
        check_json(line.bytes, line.len - 1);
    }
    spy__buf_reset(&line);
    spy__encode_log_console(&line, &record, &style);
    if (!line.failed) {
        check_console(line.bytes, line.len - 1);
    }
    spy__buf_reset(&line);
    spy__encode_log_logfmt(&line, &record, &style);
    if (!line.failed) {
        check_logfmt(line.bytes, line.len - 1);
    }
    spy__buf_done(&line);
    free(text);
    return 0;
}
