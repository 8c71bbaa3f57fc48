#include "deliver/compress.h"

#include <errno.h>
#include <stdlib.h>
#include <zlib.h>
#include <zstd.h>

// Fast ones: what is saved beyond costs more time here than it does on the way.
#define GZIP_LEVEL 1
#define ZSTD_LEVEL 1
#define GZIP_WINDOW (15 + 16) // the largest one, with gzip's own head, in which no time is written

static int gzip(struct spy__compress *c, const struct spy__buf *from, struct spy__buf *to)
{
    z_stream *z = c->gzip;
    if (!z) {
        z = calloc(1, sizeof(*z));
        if (!z ||
            deflateInit2(z, GZIP_LEVEL, Z_DEFLATED, GZIP_WINDOW, 8, Z_DEFAULT_STRATEGY) != Z_OK) {
            free(z);
            return -ENOMEM;
        }
        c->gzip = z;
    }
    (void)deflateReset(z);
    if (from->len > UINT32_MAX || !spy__buf_reserve(to, deflateBound(z, from->len))) {
        return -ENOMEM;
    }
    z->next_in = (unsigned char *)from->bytes;
    z->avail_in = (unsigned)from->len;
    z->next_out = (unsigned char *)to->bytes;
    z->avail_out = (unsigned)(to->cap < UINT32_MAX ? to->cap : UINT32_MAX);
    if (deflate(z, Z_FINISH) != Z_STREAM_END) {
        return -ENOMEM;
    }
    to->len = z->total_out;
    return 0;
}

static int zstd(struct spy__compress *c, const struct spy__buf *from, struct spy__buf *to)
{
    c->zstd = c->zstd ? c->zstd : ZSTD_createCCtx();
    if (!c->zstd || !spy__buf_reserve(to, ZSTD_compressBound(from->len))) {
        return -ENOMEM;
    }
    size_t n = ZSTD_compressCCtx(c->zstd, to->bytes, to->cap, from->bytes, from->len, ZSTD_LEVEL);
    if (ZSTD_isError(n)) {
        return -ENOMEM;
    }
    to->len = n;
    return 0;
}

int spy__compress(struct spy__compress *c, enum spy__encoding encoding, const struct spy__buf *from,
                  struct spy__buf *to)
{
    spy__buf_reset(to);
    return encoding == SPY__ENCODING_GZIP ? gzip(c, from, to) : zstd(c, from, to);
}

void spy__compress_done(struct spy__compress *c)
{
    if (c->gzip) {
        (void)deflateEnd(c->gzip);
        free(c->gzip);
    }
    (void)ZSTD_freeCCtx(c->zstd);
    *c = (struct spy__compress){ 0 };
}

const char *spy__encoding_name(enum spy__encoding encoding)
{
    return encoding == SPY__ENCODING_GZIP ? "gzip" : "zstd";
}
