// As tests/integration/profile_build.c, for a program without any shared library: the sampler by
// itself, as the admin server, which ?profile= wants, needs libraries that Debian has as shared ones
// alone.
#include <stdio.h>

#include "base/stack.h"
#include "encode/folded.h"
#include "profile/sampler.h"
#include "profile_busy.h"
#include "reports.h"
#include "signals/context.h"
#include "signals/work.h"

int main(void)
{
    uint32_t mark;
    struct spy__buf out;
    spy__stack_warm_up();
    if (spy__sampler_start(&(struct spy__sampler_options){ .work = spy__context_work,
                                                           .mark = spy__context_mark,
                                                           .watch = spy__context_watch }) != 0) {
        return 1;
    }
    struct spy_context_scope scope = spy_context_begin(NULL, NULL);
    if (spy__profile_begin(&mark, &(struct spy__profile_ask){ .kind = SPY__PROFILE_CPU }) != 0) {
        return 1;
    }
    profile_busy(300);
    struct spy__profile *profile = spy__profile_end(mark);
    spy__buf_init(&out, SPY__REPORT_BYTES_MAX);
    if (!profile || spy__encode_folded(&out, profile, false) != 0) {
        return 1;
    }
    (void)fwrite(out.bytes, 1, out.len, stdout);
    spy__buf_done(&out);
    spy__profile_free(profile);
    spy_context_detach(scope);
    spy__sampler_stop();
    return 0;
}
