// Any bytes as a notification to Slack, PagerDuty or a webhook: one line of plain text, whether it
// is taken or refused.
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "tools/notice.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    json_t *body = json_loadb((const char *)data, size, 0, NULL);
    for (int kind = NOTICE_SLACK; kind <= NOTICE_WEBHOOK; kind++) {
        char line[NOTICE_LINE_BYTES];
        memset(line, 0x1b, sizeof(line));
        (void)notice_read((enum notice_kind)kind, body, line);
        if (!memchr(line, '\0', sizeof(line))) {
            abort();
        }
        for (const char *c = line; *c; c++) {
            if ((unsigned char)*c < ' ' || *c == 0x7f) {
                abort();
            }
        }
        json_t *text = json_string(line); // NULL unless it is UTF-8
        if (!text) {
            abort();
        }
        json_decref(text);
    }
    json_decref(body);
    return 0;
}
