// spy_metrics_write(): a scrape for hosts that answer their scraper themselves.
#include <errno.h>

#include "encode/prom_text.h"
#include "spyglass/metrics.h"

static int write_pieces(struct spy__buf *b, int (*write)(void *arg, const char *bytes, size_t n),
                        void *arg)
{
    struct spy__prom_text text = { 0 };
    int r = 0;
    for (bool more = true; more && r == 0;) {
        spy__buf_reset(b);
        more = spy__prom_text_write(&text, b);
        if (b->failed) {
            return -ENOMEM;
        }
        if (b->len > 0) {
            r = write(arg, b->bytes, b->len);
        }
    }
    return r;
}

int spy_metrics_write(const char *accept, const char **ret_content_type,
                      int (*write)(void *arg, const char *bytes, size_t n), void *arg)
{
    (void)accept; // there is one format, which every scraper reads
    struct spy__buf b;
    spy__buf_init(&b, SPY__PROM_TEXT_PIECE);
    if (!spy__buf_reserve(&b, SPY__PROM_TEXT_PIECE)) {
        return -ENOMEM;
    }
    if (ret_content_type) {
        *ret_content_type = SPY__PROM_TEXT_TYPE;
    }
    int r = write_pieces(&b, write, arg);
    spy__buf_done(&b);
    return r;
}
