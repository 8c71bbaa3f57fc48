// Sentry, where documents go: errors, transactions, sessions.

#include <errno.h>
#include <stdlib.h>

#include "backends/sentry.h"
#include "outbound.h"
#include "record/journal/segment.h"
#include "record/recent/keep.h"

static struct {
    struct spy__sentry *sentry;
    // The giver's own: one document as bytes. Pages that none is long enough for are never touched.
    unsigned char *scratch;
} out;

int spy__outbound_sentry_make(struct spy__backend *ret, const struct spy__settings *s)
{
    const char *why = "no memory";
    out.scratch = malloc(SPY__ENTRY_BYTES_MAX);
    int err = out.scratch ? spy__sentry_new(&out.sentry, s->sentry_dsn, &why) : -ENOMEM;
    if (err != 0) {
        return spy__settings_refuse(err, "sentry_dsn cannot be used: %s", why);
    }
    *ret = (struct spy__backend){
        .name = "sentry",
        .base = spy__sentry_base(out.sentry),
        .self = out.sentry,
        .kinds = 1u << SPY__KIND_DOCUMENT,
        .rows_max = 1, // an envelope has one event at most
        .bytes_max = SPY__ENTRY_BYTES_MAX,
        .encode = spy__sentry_encode,
        .judge = spy__sentry_judge,
    };
    return 0;
}

const char *spy__outbound_sentry(void)
{
    return out.sentry ? spy__sentry_base(out.sentry) : NULL;
}

bool spy__outbound_sentry_wants(void)
{
    return out.sentry != NULL;
}

void spy__outbound_sentry_give(const struct spy__document *document)
{
    size_t n = out.sentry ? spy__document_write(out.scratch, SPY__ENTRY_BYTES_MAX, document) : 0;
    if (n > 0) {
        spy__keep_document(out.scratch, n);
    } else if (out.sentry) {
        spy__outbound_refused("sentry", "too_large");
    }
}

void spy__outbound_sentry_free(bool child)
{
    if (!child) { // whose copy may be half of something
        spy__sentry_free(out.sentry);
        free(out.scratch);
    }
    out.sentry = NULL;
    out.scratch = NULL;
}
