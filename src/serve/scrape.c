#include "serve/scrape.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/clock.h"
#include "encode/prom_text.h"

// Bytes that libmicrohttpd asks for at a time; what its connection has room for may be less.
#define BLOCK_BYTES (32u * 1024)
#define SCRAPE_WAIT_MAX_S 10.0
// A client that reads by drops must not keep its slot for ever.
#define SCRAPE_MAX_NS (60 * UINT64_C(1000000000))

// A piece of text is written into a buffer of our own, and handed out from there as the socket
// takes it.
struct scrape {
    struct spy__prom_text text;
    struct spy__buf piece;
    size_t given; // of the piece
    bool more;    // the text goes on after this piece
    uint64_t end_ns;
    struct spy__slots *slots;
};

static ssize_t read_text(void *arg, uint64_t pos, char *out, size_t max)
{
    struct scrape *scrape = arg;
    (void)pos;
    if (spy__monotonic_ns() > scrape->end_ns) {
        return MHD_CONTENT_READER_END_WITH_ERROR;
    }
    while (scrape->given == scrape->piece.len) {
        if (!scrape->more) {
            return MHD_CONTENT_READER_END_OF_STREAM;
        }
        spy__buf_reset(&scrape->piece);
        scrape->given = 0;
        scrape->more = spy__prom_text_write(&scrape->text, &scrape->piece);
        if (scrape->piece.failed) {
            return MHD_CONTENT_READER_END_WITH_ERROR; // cut off, so that no scraper takes it for
                                                      // whole
        }
    }
    size_t left = scrape->piece.len - scrape->given;
    size_t n = left < max ? left : max;
    memcpy(out, scrape->piece.bytes + scrape->given, n);
    scrape->given += n;
    return (ssize_t)n;
}

static void scrape_free(void *arg)
{
    struct scrape *scrape = arg;
    spy__slots_give(scrape->slots);
    spy__buf_done(&scrape->piece);
    free(scrape);
}

struct MHD_Response *spy__scrape_response(struct spy__slots *slots)
{
    struct scrape *scrape = calloc(1, sizeof(*scrape));
    if (!scrape) {
        return NULL;
    }
    scrape->slots = slots;
    scrape->more = true;
    scrape->end_ns = spy__monotonic_ns() + SCRAPE_MAX_NS;
    spy__buf_init(&scrape->piece, SPY__PROM_TEXT_PIECE);
    struct MHD_Response *response = NULL;
    if (spy__buf_reserve(&scrape->piece, SPY__PROM_TEXT_PIECE)) {
        response = MHD_create_response_from_callback(MHD_SIZE_UNKNOWN, BLOCK_BYTES, read_text,
                                                     scrape, scrape_free);
    }
    if (!response) {
        spy__buf_done(&scrape->piece);
        free(scrape);
    }
    return response;
}

static ssize_t read_nothing(void *arg, uint64_t pos, char *out, size_t max)
{
    (void)arg;
    (void)pos;
    (void)out;
    (void)max;
    return MHD_CONTENT_READER_END_OF_STREAM;
}

struct MHD_Response *spy__scrape_head_response(void)
{
    struct MHD_Response *response =
        MHD_create_response_from_callback(MHD_SIZE_UNKNOWN, 1, read_nothing, NULL, NULL);
    if (response) {
        (void)MHD_add_response_header(response, MHD_HTTP_HEADER_CONNECTION, "close");
    }
    return response;
}

uint64_t spy__scrape_timeout_ns(const char *header)
{
    // Read by hand: strtod() would take the decimal point of the host's locale.
    double seconds = 0, unit = 1;
    const char *s = header;
    for (; s && *s >= '0' && *s <= '9' && seconds < SCRAPE_WAIT_MAX_S; s++) {
        seconds = seconds * 10 + (*s - '0');
    }
    if (s && *s == '.') {
        for (s++; *s >= '0' && *s <= '9' && unit > 1e-9; s++) {
            unit /= 10;
            seconds += (*s - '0') * unit;
        }
    }
    if (!header || s == header || seconds > SCRAPE_WAIT_MAX_S) {
        seconds = SCRAPE_WAIT_MAX_S;
    }
    return (uint64_t)(seconds * 1e9);
}
