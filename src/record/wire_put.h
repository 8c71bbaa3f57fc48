// Writing a record's bytes, inline: the part of a log call that runs on the caller's time.
//
// Every part is written once, and its check is made of the words that pass through registers on the
// way: reading a record back to sum it would wait until its stores have left the store buffer.
//
// A part that does not fit makes the put `failed`, and what follows goes nowhere. Copies may write
// past what they copy; the next part writes over that. The owner of the bytes keeps SPY__WIRE_SLACK
// free behind `end`.
#ifndef RECORD_WIRE_PUT_H
#define RECORD_WIRE_PUT_H

#include <string.h>

#include "record/wire.h"

struct spy__wire_put {
    unsigned char *start, *at, *end; // start is 8-aligned
    uint64_t a, b;                   // two lanes of the check
    bool failed;
};

// ---- the check: two lanes of rotate and add

static inline uint64_t spy__wire_rotate(uint64_t v)
{
    return v << 25 | v >> 39;
}

static inline void spy__wire_mix(struct spy__wire_put *put, uint64_t x, uint64_t y)
{
    put->a = spy__wire_rotate(put->a) + x;
    put->b = spy__wire_rotate(put->b) + y;
}

static inline uint64_t spy__wire_load8(const void *s)
{
    uint64_t v;
    memcpy(&v, s, 8);
    return v;
}

// 1 to 7 bytes, zeros above. Parts of the word that are read twice agree.
static inline uint64_t spy__wire_load_few(const unsigned char *s, size_t n)
{
    if (n >= 4) {
        uint32_t low, high;
        memcpy(&low, s, 4);
        memcpy(&high, s + n - 4, 4);
        return low | (uint64_t)high << (8 * (n - 4));
    }
    return s[0] | (uint64_t)s[n / 2] << (8 * (n / 2)) | (uint64_t)s[n - 1] << (8 * (n - 1));
}

// The words of n bytes: up to 16 of them padded with zeros; of more, all whole pairs of words but
// the last bytes, then the last 16 bytes.
static inline void spy__wire_mix_bytes(struct spy__wire_put *put, const unsigned char *s, size_t n)
{
    if (n <= 16) {
        uint64_t low = 0, high = 0;
        if (n >= 8) {
            low = spy__wire_load8(s);
            high = n > 8 ? spy__wire_load8(s + n - 8) >> (8 * (16 - n)) : 0;
        } else if (n > 0) {
            low = spy__wire_load_few(s, n);
        }
        spy__wire_mix(put, low, high);
        return;
    }
    for (size_t i = 0; i + 16 < n; i += 16) {
        spy__wire_mix(put, spy__wire_load8(s + i), spy__wire_load8(s + i + 8));
    }
    spy__wire_mix(put, spy__wire_load8(s + n - 16), spy__wire_load8(s + n - 8));
}

static inline uint64_t spy__wire_sum(const struct spy__wire_put *put)
{
    return put->a * UINT64_C(0x9e3779b97f4a7c15) + put->b;
}

// The sum of n bytes by themselves.
static inline uint64_t spy__wire_sum_of(const void *bytes, size_t n)
{
    struct spy__wire_put put = { .a = 0 };
    spy__wire_mix_bytes(&put, (const unsigned char *)bytes, n);
    return spy__wire_sum(&put);
}

static inline void spy__wire_mix_head(struct spy__wire_put *put, const struct spy__wire_head *head)
{
    uint64_t words[7];
    memcpy(words, head, sizeof(words));
    spy__wire_mix(put, words[0], words[2]);
    spy__wire_mix(put, words[3], words[4]);
    spy__wire_mix(put, words[5], words[6]);
}

// ---- parts

// Room for n more bytes.
static inline bool spy__wire_fits(struct spy__wire_put *put, size_t n)
{
    if (__builtin_expect(n > (size_t)(put->end - put->at), 0)) {
        put->failed = true;
        put->end = put->at;
        return false;
    }
    return true;
}

static inline void spy__wire_put_bytes(struct spy__wire_put *put, const void *bytes, size_t n)
{
    const unsigned char *s = (const unsigned char *)bytes;
    if (!spy__wire_fits(put, n)) {
        return;
    }
    if (n <= 16) {
        uint64_t words[2] = { 0, 0 };
        if (n >= 8) {
            words[0] = spy__wire_load8(s);
            words[1] = n > 8 ? spy__wire_load8(s + n - 8) >> (8 * (16 - n)) : 0;
        } else if (n > 0) {
            words[0] = spy__wire_load_few(s, n);
        }
        spy__wire_mix(put, words[0], words[1]);
        memcpy(put->at, words, 16);
    } else {
        size_t i = 0;
        for (; i + 16 < n; i += 16) {
            uint64_t words[2];
            memcpy(words, s + i, 16);
            memcpy(put->at + i, words, 16);
            spy__wire_mix(put, words[0], words[1]);
        }
        uint64_t words[2];
        memcpy(words, s + n - 16, 16);
        memcpy(put->at + n - 16, words, 16);
        spy__wire_mix(put, words[0], words[1]);
    }
    put->at += n;
}

// Bytes that were written before and whose own sum is known: their sum stands for them.
static inline void spy__wire_put_blob(struct spy__wire_put *put, const void *bytes, size_t n,
                                      uint64_t sum)
{
    if (spy__wire_fits(put, n)) {
        memcpy(put->at, bytes, n);
        put->at += n;
        spy__wire_mix(put, sum, n);
    }
}

// A string with its NUL; returns its bytes.
static inline size_t spy__wire_put_text(struct spy__wire_put *put, const char *s)
{
    size_t n = strlen(s) + 1;
    spy__wire_put_bytes(put, s, n);
    return n;
}

static inline void spy__wire_put_u64(struct spy__wire_put *put, uint64_t v)
{
    if (spy__wire_fits(put, 8)) {
        memcpy(put->at, &v, 8);
        put->at += 8;
    }
}

// The value of a string that must be cut, or addresses; returns its bytes.
size_t spy__wire_put_long(struct spy__wire_put *put, const struct spy_field *field);

// A field that is one, see spy__wire_is_field().
static inline void spy__wire_put_field(struct spy__wire_put *put, const struct spy_field *field)
{
    unsigned char *word_at = put->at;
    uint64_t word = field->type, number = 0;
    if (!spy__wire_fits(put, 16)) {
        return;
    }
    put->at += 8;
    if (field->type < SPY_FIELD_STR) {
        number = field->type == SPY_FIELD_BOOL ? field->value.b : field->value.u;
        memcpy(put->at, &number, 8);
        put->at += 8;
    }
    word |= spy__wire_put_text(put, field->key) << 8;
    if (field->type == SPY_FIELD_STR && field->len <= SPY__FIELD_STR_MAX) {
        word |= (uint64_t)field->len << 32;
        spy__wire_put_bytes(put, field->value.s, field->len);
    } else if (field->type >= SPY_FIELD_STR) {
        word |= (uint64_t)spy__wire_put_long(put, field) << 32;
    }
    memcpy(word_at, &word, 8);
    spy__wire_mix(put, word, number);
}

static inline bool spy__wire_is_field(const struct spy_field *field)
{
    return field->type > SPY_FIELD_NONE && field->type <= SPY_FIELD_ADDRS && field->key &&
           field->key[0];
}

// ---- a whole record

static inline void spy__wire_put_begin(struct spy__wire_put *put, void *to, size_t cap,
                                       uint64_t seed)
{
    put->start = (unsigned char *)to;
    put->at = put->end = put->start;
    put->a = seed;
    put->b = 0;
    put->failed = cap < sizeof(struct spy__wire_head);
    if (!put->failed) {
        put->at += sizeof(struct spy__wire_head);
        put->end += cap;
    }
}

// Everything but the head's end: fills in what of `head` follows from the record.
void spy__wire_put_record(struct spy__wire_put *put, struct spy__wire_head *head,
                          const struct spy__record *record);

// Writes the head, whose `bytes` and `check` are filled in here; the put has not failed. Returns
// the record's bytes.
static inline size_t spy__wire_put_end(struct spy__wire_put *put, struct spy__wire_head *head)
{
    size_t n = ((size_t)(put->at - put->start) + 7) & ~(size_t)7;
    head->bytes = (uint32_t)n;
    head->version = SPY__WIRE_VERSION;
    spy__wire_mix_head(put, head);
    head->check = spy__wire_sum(put);
    memcpy(put->start, head, sizeof(*head));
    return n;
}

#endif
