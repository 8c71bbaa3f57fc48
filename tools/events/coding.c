#include "tools/events/coding.h"

#include <stdint.h>
#include <stdlib.h>
#include <zlib.h>
#include <zstd.h>

#define CHUNK_BYTES (64u << 10)
// A zstd frame may ask for a window of any size: at most this (8 MiB is what RFC 8878 asks for).
#define WINDOW_LOG_MAX 27
// Of an answer on loopback: speed counts.
#define GZIP_LEVEL 1
#define ZSTD_LEVEL 1

static atomic_size_t budget_used;

static bool reserve(struct events_body *body, size_t n)
{
    if (n > EVENTS_BODY_BYTES_MAX - body->bytes.len) {
        body->state = EVENTS_BODY_TOO_LONG;
        return false;
    }
    size_t before = atomic_fetch_add_explicit(&budget_used, n, memory_order_relaxed);
    body->counted += n;
    if (before + n > EVENTS_BODIES_BYTES_MAX) {
        body->state = EVENTS_BODY_NO_ROOM;
        return false;
    }
    return true;
}

static void keep(struct events_body *body, const char *data, size_t n)
{
    if (n > 0 && reserve(body, n)) {
        spy__buf_put(&body->bytes, data, n);
        if (body->bytes.failed) {
            body->state = EVENTS_BODY_NO_ROOM;
        }
    }
}

bool events_body_begin(struct events_body *body, enum events_coding coding)
{
    spy__buf_init(&body->bytes, EVENTS_BODY_BYTES_MAX);
    body->coding = coding;
    if (coding == EVENTS_GZIP) {
        z_stream *gzip = calloc(1, sizeof(*gzip));
        // 16: gzip, and not zlib's own header.
        if (gzip && inflateInit2(gzip, 16 + MAX_WBITS) != Z_OK) {
            free(gzip);
            gzip = NULL;
        }
        body->decoder = gzip;
    } else if (coding == EVENTS_ZSTD) {
        ZSTD_DStream *zstd = ZSTD_createDStream();
        if (zstd) {
            ZSTD_DCtx_setParameter(zstd, ZSTD_d_windowLogMax, WINDOW_LOG_MAX);
        }
        body->decoder = zstd;
    }
    return coding == EVENTS_IDENTITY || body->decoder;
}

// One member may follow another (RFC 1952, 2.2).
static void inflate_some(struct events_body *body, const char *data, size_t n)
{
    char chunk[CHUNK_BYTES];
    z_stream *gzip = body->decoder;
    gzip->next_in = (Bytef *)data;
    gzip->avail_in = (uInt)n;
    do {
        if (body->ended && gzip->avail_in > 0) {
            body->ended = false;
            (void)inflateReset(gzip);
        }
        gzip->next_out = (Bytef *)chunk;
        gzip->avail_out = sizeof(chunk);
        int rc = inflate(gzip, Z_NO_FLUSH);
        if (rc != Z_OK && rc != Z_STREAM_END && rc != Z_BUF_ERROR) {
            body->state = EVENTS_BODY_BROKEN;
            return;
        }
        body->ended = rc == Z_STREAM_END;
        keep(body, chunk, sizeof(chunk) - gzip->avail_out);
    } while (body->state == EVENTS_BODY_GOOD && (gzip->avail_in > 0 || gzip->avail_out == 0));
}

static void unzstd_some(struct events_body *body, const char *data, size_t n)
{
    char chunk[CHUNK_BYTES];
    ZSTD_inBuffer in = { data, n, 0 };
    ZSTD_outBuffer out;
    do {
        out = (ZSTD_outBuffer){ chunk, sizeof(chunk), 0 };
        size_t rc = ZSTD_decompressStream(body->decoder, &out, &in);
        if (ZSTD_isError(rc)) {
            body->state = EVENTS_BODY_BROKEN;
            return;
        }
        body->ended = rc == 0;
        keep(body, chunk, out.pos);
    } while (body->state == EVENTS_BODY_GOOD && (in.pos < in.size || out.pos == out.size));
}

void events_body_take(struct events_body *body, const char *data, size_t n)
{
    if (body->state != EVENTS_BODY_GOOD || n == 0) {
        return;
    }
    if (body->coding == EVENTS_GZIP) {
        inflate_some(body, data, n);
    } else if (body->coding == EVENTS_ZSTD) {
        unzstd_some(body, data, n);
    } else {
        keep(body, data, n);
    }
}

void events_body_end(struct events_body *body)
{
    if (body->state == EVENTS_BODY_GOOD && body->coding != EVENTS_IDENTITY && !body->ended) {
        body->state = EVENTS_BODY_BROKEN;
    }
}

void events_body_done(struct events_body *body)
{
    if (body->decoder && body->coding == EVENTS_GZIP) {
        (void)inflateEnd(body->decoder);
        free(body->decoder);
    } else if (body->decoder) {
        ZSTD_freeDStream(body->decoder);
    }
    atomic_fetch_sub_explicit(&budget_used, body->counted, memory_order_relaxed);
    spy__buf_done(&body->bytes);
    *body = (struct events_body){ 0 };
}

static bool encode_gzip(struct spy__buf *out, const char *bytes, size_t n)
{
    z_stream gzip = { 0 };
    if (n > UINT32_MAX || deflateInit2(&gzip, GZIP_LEVEL, Z_DEFLATED, 16 + MAX_WBITS, 8,
                                       Z_DEFAULT_STRATEGY) != Z_OK) {
        return false;
    }
    size_t bound = deflateBound(&gzip, n);
    bool right = spy__buf_reserve(out, bound);
    if (right) {
        gzip.next_in = (Bytef *)bytes;
        gzip.avail_in = (uInt)n;
        gzip.next_out = (Bytef *)out->bytes + out->len;
        gzip.avail_out = (uInt)bound;
        right = deflate(&gzip, Z_FINISH) == Z_STREAM_END;
        out->len += right ? bound - gzip.avail_out : 0;
    }
    (void)deflateEnd(&gzip);
    return right;
}

static bool encode_zstd(struct spy__buf *out, const char *bytes, size_t n)
{
    size_t bound = ZSTD_compressBound(n);
    if (!spy__buf_reserve(out, bound)) {
        return false;
    }
    size_t size = ZSTD_compress(out->bytes + out->len, bound, bytes, n, ZSTD_LEVEL);
    if (ZSTD_isError(size)) {
        return false;
    }
    out->len += size;
    return true;
}

bool events_encode(struct spy__buf *out, enum events_coding coding, const char *bytes, size_t n)
{
    return coding == EVENTS_GZIP ? encode_gzip(out, bytes, n) : encode_zstd(out, bytes, n);
}
