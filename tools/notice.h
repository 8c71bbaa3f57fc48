// A notification of Alertmanager, as Slack, PagerDuty or a webhook gets it: whether it has the form
// that the real service asks for, and one line that a human reads.
#ifndef TOOLS_NOTICE_H
#define TOOLS_NOTICE_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>

// A line, with its end: longer ones are cut.
#define NOTICE_LINE_BYTES 512

enum notice_kind { NOTICE_SLACK, NOTICE_PAGERDUTY, NOTICE_WEBHOOK };

// Reads one body (NULL: it was no JSON). True: line says what it tells; false: what is wrong with
// it. A line never holds a control character or a secret of the body, whatever the body holds.
// Threads: any.
bool notice_read(enum notice_kind kind, const json_t *body, char line[NOTICE_LINE_BYTES]);

#endif
