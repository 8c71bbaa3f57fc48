// What every backend asks of an answer.

#include <string.h>
#include <strings.h>

#include "base/utf8.h"
#include "deliver/backend.h"

const char *spy__answer_header(const struct spy__answer *answer, const char *name)
{
    size_t n = strlen(name);
    for (size_t i = 0; i < answer->header_count; i++) {
        const char *line = answer->headers[i];
        if (strncasecmp(line, name, n) == 0 && line[n] == ':') {
            return line + n + 1 + strspn(line + n + 1, " \t");
        }
    }
    return NULL;
}

void spy__verdict_put_text(struct spy__verdict *verdict, const char *text, size_t n)
{
    char *out = verdict->text;
    size_t len = 0;
    for (size_t i = 0; i < n && len < SPY__REASON_MAX - 1;) {
        size_t bytes = spy__utf8_char((const unsigned char *)text + i, n - i);
        if (bytes > SPY__REASON_MAX - 1 - len) {
            break;
        }
        if (bytes <= 1) {
            unsigned char c = (unsigned char)text[i];
            out[len++] = bytes == 1 && c >= ' ' && c < 0x7f ? text[i] : ' ';
            i++;
        } else {
            memcpy(out + len, text + i, bytes);
            len += bytes;
            i += bytes;
        }
    }
    while (len > 0 && out[len - 1] == ' ') {
        len--;
    }
    out[len] = '\0';
}
