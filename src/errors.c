#include "errors.h"

#include "outbound.h"
#include "profile/stacks.h"
#include "signals/error_report.h"
#include "signals/http_request.h"

int spy__errors_start(const struct spy__settings *s)
{
    const struct spy__error_report_options options = {
        .before_send = s->before_send,
        .before_send_arg = s->before_send_arg,
        .release = s->release,
        .environment = s->environment,
        .send = s->sentry_dsn ? spy__outbound_error : NULL,
        .unsent = spy__outbound_error_unsent,
    };
    const struct spy__http_request_options requests = {
        .personal = s->send_default_pii,
        .redact = s->redact,
        .slow_ns = (uint64_t)s->trace_slow_ms * 1000000u,
        .sampling = s->sampling,
    };
    int err = spy__error_report_open(&options);
    err = err ? err : spy__http_requests_want(s->sentry_dsn ? &requests : NULL);
    err = err ? spy__settings_refuse(err, "there is no memory for errors")
              : spy__outbound_errors_open(s);
    return err ? err : spy__outbound_traces_open(s);
}

void spy__errors_stop(void)
{
    (void)spy__http_requests_want(NULL);
    spy__error_report_close();
    spy__outbound_errors_close();
    spy__outbound_traces_close();
}

// The stacks of a process that died lie elsewhere: their addresses stay what they are.
void spy__errors_take(const struct spy__record *record)
{
    static struct spy__stacks_room room; // the pump's alone
    struct spy__record named = *record;
    if (!record->recovered) {
        spy__stacks_of_record(&named, &room);
    }
    spy__error_take(&named, NULL);
}
