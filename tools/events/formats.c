#include "tools/events/formats.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

// Some 120 in 26.7.
#define FORMATS_MAX 1024

static const struct events_text question = {
    "SELECT name, content_type FROM system.formats WHERE is_output", 61
};
static const struct events_text tab_separated = { "TSVRaw", 6 };

// "name\tcontent type\n"; false where that does not fit.
static bool read_line(struct events_format *ret, const char *line, size_t n)
{
    const char *tab = memchr(line, '\t', n);
    size_t name_len = tab ? (size_t)(tab - line) : n;
    size_t type_len = tab ? n - name_len - 1 : n;
    if (!tab || name_len >= sizeof(ret->name) || type_len >= sizeof(ret->content_type)) {
        return false;
    }
    memcpy(ret->name, line, name_len);
    ret->name[name_len] = '\0';
    memcpy(ret->content_type, tab + 1, type_len);
    ret->content_type[type_len] = '\0';
    return true;
}

static void read_lines(struct events_formats *ret, const char *text, size_t n)
{
    const char *end = text + n;
    while (text < end && ret->count < FORMATS_MAX) {
        const char *stop = memchr(text, '\n', (size_t)(end - text));
        stop = stop ? stop : end;
        ret->count += read_line(&ret->all[ret->count], text, (size_t)(stop - text));
        text = stop + 1;
    }
}

bool events_formats_load(struct events_formats *ret, struct events_session *session)
{
    struct events_answer answer;
    *ret = (struct events_formats){ calloc(FORMATS_MAX, sizeof(*ret->all)), 0 };
    events_session_query(session, question, tab_separated, NULL, 0, &answer);
    if (ret->all && answer.code == 0) {
        read_lines(ret, answer.bytes, answer.len);
    }
    events_answer_done(&answer);
    return ret->count > 0;
}

void events_formats_done(struct events_formats *formats)
{
    free(formats->all);
    *formats = (struct events_formats){ 0 };
}

const struct events_format *events_formats_find(const struct events_formats *formats,
                                                struct events_text name)
{
    for (size_t i = 0; i < formats->count; i++) {
        const struct events_format *format = &formats->all[i];
        if (strlen(format->name) == name.len &&
            strncasecmp(format->name, name.bytes, name.len) == 0) {
            return format;
        }
    }
    return NULL;
}
