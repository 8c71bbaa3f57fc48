// Any URL parameters and headers of a request to the event store. The input is lines: parameters
// "name=value", then, after an empty line, headers "name: value"; a value may hold any bytes but a
// newline.

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "tools/events/request.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(int status, const char *why)
{
    bool refused = status == 400 || status == 501;
    if (status != 0 && (!refused || !why || !*why)) {
        abort();
    }
}

// What is kept lies in the input.
static void check_text(struct events_text text, const char *start, size_t size)
{
    if (text.bytes && (text.bytes < start || text.bytes + text.len > start + size)) {
        abort();
    }
}

static void check_request(const struct events_request *r, const char *start, size_t size)
{
    if (r->settings_count > EVENTS_SETTINGS_MAX || r->params_count > EVENTS_PARAMS_MAX) {
        abort();
    }
    for (size_t i = 0; i < r->settings_count; i++) {
        check_text(r->settings[i].name, start, size);
        check_text(r->settings[i].value, start, size);
    }
    for (size_t i = 0; i < r->params_count; i++) {
        check_text(r->params[i].name, start, size);
        check_text(r->params[i].value, start, size);
    }
    check_text(r->query, start, size);
    check_text(r->database, start, size);
    check_text(r->format, start, size);
    check_text(r->query_id, start, size);
    // Whoever names another user, or has a password, is not let in.
    if (events_request_is_default_user(r) && r->password.len > 0) {
        abort();
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct events_request request = { 0 };
    const char *why = NULL;
    char *text = malloc(size + 1);
    if (!text) {
        return 0;
    }
    memcpy(text, data, size);
    text[size] = '\0';
    char *rest = text;
    bool in_headers = false;
    while (rest < text + size) {
        char *end = memchr(rest, '\n', (size_t)(text + size - rest));
        char *line = rest;
        end = end ? end : text + size;
        rest = end + 1;
        *end = '\0';
        if (line == end) {
            in_headers = true;
            continue;
        }
        char *value = memchr(line, in_headers ? ':' : '=', (size_t)(end - line));
        size_t name_len = (size_t)((value ? value : end) - line);
        value = value ? value + 1 : end;
        int status;
        if (in_headers) {
            line[name_len] = '\0';
            status = events_request_header(&request, line, value, &why);
        } else {
            status =
                events_request_param(&request, (struct events_text){ line, name_len },
                                     (struct events_text){ value, (size_t)(end - value) }, &why);
        }
        check(status, why);
    }
    check_request(&request, text, size + 1);
    free(text);
    return 0;
}
