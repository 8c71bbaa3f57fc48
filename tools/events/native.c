#include "tools/events/native.h"

#include <endian.h>
#include <string.h>

// From this version on, a byte after a column's type tells whether it is serialized in an unusual
// way (DBMS_MIN_REVISION_WITH_CUSTOM_SERIALIZATION); here none is.
#define VERSION_WITH_SERIALIZATION 54454
// A varint of 64 bits.
#define VARINT_BYTES_MAX 10

struct reader {
    const char *at, *end;
};

// LEB128, as ClickHouse writes counts and lengths.
static bool get_varint(struct reader *r, uint64_t *ret)
{
    *ret = 0;
    for (unsigned i = 0; i < VARINT_BYTES_MAX && r->at < r->end; i++) {
        unsigned char byte = (unsigned char)*r->at++;
        *ret |= (uint64_t)(byte & 0x7f) << (7 * i);
        if (byte < 0x80) {
            return true;
        }
    }
    return false;
}

static void put_varint(struct spy__buf *out, uint64_t n)
{
    for (; n >= 0x80; n >>= 7) {
        spy__buf_putc(out, (char)(n | 0x80));
    }
    spy__buf_putc(out, (char)n);
}

static bool get_u64(struct reader *r, uint64_t *ret)
{
    uint64_t n;
    if ((size_t)(r->end - r->at) < sizeof(n)) {
        return false;
    }
    memcpy(&n, r->at, sizeof(n));
    r->at += sizeof(n);
    *ret = le64toh(n);
    return true;
}

// A length and so many bytes; *ret has both.
static bool get_string(struct reader *r, struct events_text *ret)
{
    uint64_t len;
    ret->bytes = r->at;
    if (!get_varint(r, &len) || len > (uint64_t)(r->end - r->at)) {
        return false;
    }
    r->at += len;
    ret->len = (size_t)(r->at - ret->bytes);
    return true;
}

// is_overflows false, bucket_num -1, no more fields.
static void put_block_info(struct spy__buf *out)
{
    static const unsigned char info[] = { 1, 0, 2, 0xff, 0xff, 0xff, 0xff, 0 };
    spy__buf_put(out, info, sizeof(info));
}

// Names come first, types after them: two readers walk through the header side by side.
static bool open_header(struct events_text header, struct reader *names, struct reader *types,
                        uint64_t *ret_columns)
{
    struct events_text skipped;
    *names = (struct reader){ header.bytes, header.bytes + header.len };
    if (!get_varint(names, ret_columns) || *ret_columns > header.len) {
        return false;
    }
    *types = *names;
    for (uint64_t i = 0; i < *ret_columns; i++) {
        if (!get_string(types, &skipped)) {
            return false;
        }
    }
    return true;
}

static bool put_block(struct spy__buf *out, uint64_t version, struct events_text header,
                      struct reader *r)
{
    struct reader names, types;
    struct events_text name, type;
    uint64_t named, columns, rows, len;
    if (!open_header(header, &names, &types, &named) || !get_u64(r, &columns) ||
        !get_u64(r, &rows) || columns != named) {
        return false;
    }
    put_block_info(out);
    put_varint(out, columns);
    put_varint(out, rows);
    for (uint64_t i = 0; i < columns; i++) {
        if (!get_string(&names, &name) || !get_string(&types, &type) || !get_u64(r, &len) ||
            len > (uint64_t)(r->end - r->at)) {
            return false;
        }
        spy__buf_put(out, name.bytes, name.len);
        spy__buf_put(out, type.bytes, type.len);
        if (version >= VERSION_WITH_SERIALIZATION) {
            spy__buf_putc(out, 0);
        }
        spy__buf_put(out, r->at, (size_t)len);
        r->at += len;
    }
    return true;
}

bool events_native_put(struct spy__buf *out, uint64_t protocol_version, struct events_text header,
                       struct events_text buffers)
{
    struct reader r = { buffers.bytes, buffers.bytes + buffers.len };
    while (r.at < r.end) {
        if (!put_block(out, protocol_version, header, &r) || out->failed) {
            return false;
        }
    }
    return true;
}
