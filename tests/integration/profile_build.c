// One program, built and linked in several ways: it prints the CPU profile of a request of its own as
// folded stacks.
#include <stdio.h>
#include <stdlib.h>

#include <spyglass/spyglass.h>

#include "profile_ask.h"
#include "profile_busy.h"

int main(void)
{
    struct spy_http_report report;
    if (spy_start(&(struct spy_options){ .service = "build", .log_level = SPY_LEVEL_OFF }) != 0) {
        fprintf(stderr, "%s\n", spy_start_error());
        return 1;
    }
    struct spy_http *http = spy_http_begin(&(struct spy_http_request){ .method = "GET" });
    if (profile_ask(http, "cpu,folded") != 0) {
        return 1;
    }
    profile_busy(300);
    if (spy_http_profile_end(http, 200, &report) != 0) {
        return 1;
    }
    (void)fwrite(report.body, 1, report.body_len, stdout);
    free(report.body);
    spy_http_answered(http, 200, report.body_len);
    spy_http_end(http);
    return spy_stop(20000) == 0 ? 0 : 1;
}
