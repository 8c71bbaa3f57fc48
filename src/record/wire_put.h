// Writing a record's bytes, inline: the part of a log call that runs on the caller's time.
//
// Every part is written once, and its check is made of what passes through registers on the way:
// reading a record back to sum it would wait until its stores have left the store buffer. For the
// same reason nothing is put together in memory in pieces.
//
// Where a part does not fit, the put has failed: no room is left, and what follows goes nowhere.
// Copies may write past what they copy; the next part writes over that. The owner of the bytes keeps
// SPY__WIRE_SLACK free behind `end`, so that small parts are written first and looked at then: `at`
// is past `end` for a moment, by less than the slack.
#ifndef RECORD_WIRE_PUT_H
#define RECORD_WIRE_PUT_H

#include <string.h>

#if defined(__SSE2__)
#include <emmintrin.h>
#elif defined(__ARM_NEON)
#include <arm_neon.h>
#endif

#include "record/wire.h"

_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "words are put together by shifts");

// Two words, which compilers keep in one register.
typedef uint64_t spy__pair __attribute__((vector_size(16)));

struct spy__wire_put {
    unsigned char *start, *at, *end; // start is 8-aligned
    spy__pair a, b;                  // the check
};

// ---- the check: a sum, and a sum of the sums, which tells the order (after J. G. Fletcher, "An
// arithmetic checksum for serial transmissions", IEEE Trans. Commun. 30, 1982; modulo 2^64)

static inline void spy__wire_mix(struct spy__wire_put *put, spy__pair v)
{
    put->a += v;
    put->b += put->a;
}

// A bit that is wrong, and by how much it is so in the sum of sums, do not meet: that is by less
// than 2^32, for there are fewer parts.
static inline uint64_t spy__wire_sum(const struct spy__wire_put *put)
{
    spy__pair folded = put->b ^ (put->a << 32 | put->a >> 32);
    return folded[0] + (folded[1] << 17 | folded[1] >> 47);
}

static inline uint64_t spy__wire_turn(uint64_t v)
{
    return v << 25 | v >> 39;
}

static inline spy__pair spy__wire_pair(uint64_t x, uint64_t y)
{
    return (spy__pair){ x, y };
}

static inline spy__pair spy__wire_load(const void *s)
{
    spy__pair v;
    memcpy(&v, s, 16);
    return v;
}

static inline uint64_t spy__wire_load8(const void *s)
{
    uint64_t v;
    memcpy(&v, s, 8);
    return v;
}

static inline void spy__wire_store8(unsigned char *to, uint64_t v)
{
    memcpy(to, &v, 8);
}

// Less than 16 bytes, zeros above. Bytes of a word that are read twice agree.
static inline spy__pair spy__wire_load_few(const unsigned char *s, size_t n)
{
    if (n >= 8) {
        uint64_t high = n > 8 ? spy__wire_load8(s + n - 8) >> (8 * (16 - n)) : 0;
        return spy__wire_pair(spy__wire_load8(s), high);
    }
    if (n >= 4) {
        uint32_t low, high;
        memcpy(&low, s, 4);
        memcpy(&high, s + n - 4, 4);
        return spy__wire_pair(low | (uint64_t)high << (8 * (n - 4)), 0);
    }
    if (n == 0) {
        return spy__wire_pair(0, 0);
    }
    return spy__wire_pair(
        s[0] | (uint64_t)s[n / 2] << (8 * (n / 2)) | (uint64_t)s[n - 1] << (8 * (n - 1)), 0);
}

// Bytes go in by 16, the last ones with those before them once more; less than 16 with zeros.
static inline void spy__wire_mix_bytes(struct spy__wire_put *put, const unsigned char *s, size_t n)
{
    if (n < 16) {
        spy__wire_mix(put, spy__wire_load_few(s, n));
        return;
    }
    for (size_t i = 0; i + 16 < n; i += 16) {
        spy__wire_mix(put, spy__wire_load(s + i));
    }
    spy__wire_mix(put, spy__wire_load(s + n - 16));
}

// A text, whose NUL is one of its n bytes, goes in by 16, the last ones with zeros.
static inline void spy__wire_mix_text(struct spy__wire_put *put, const unsigned char *s, size_t n)
{
    for (; n >= 16; n -= 16, s += 16) {
        spy__wire_mix(put, spy__wire_load(s));
    }
    if (n > 0) {
        spy__wire_mix(put, spy__wire_load_few(s, n));
    }
}

// The sum of n bytes by themselves.
static inline uint64_t spy__wire_sum_of(const void *bytes, size_t n)
{
    struct spy__wire_put put = { .at = NULL };
    spy__wire_mix_bytes(&put, (const unsigned char *)bytes, n);
    return spy__wire_sum(&put);
}

// The head's words without the check, as the struct has them in memory.
struct spy__wire_words {
    uint64_t what, sequence, ticks, span_id, sizes, more_sizes;
};
_Static_assert(sizeof(struct spy__wire_head) == 56, "seven words");

static inline struct spy__wire_words spy__wire_words(const struct spy__wire_head *h)
{
    return (struct spy__wire_words){
        .what = h->bytes | (uint64_t)h->version << 32 | (uint64_t)h->kind << 40 |
                (uint64_t)h->level << 48 | (uint64_t)h->flags << 56,
        .sequence = h->sequence,
        .ticks = h->ticks,
        .span_id = h->span_id,
        .sizes = h->context_bytes | (uint64_t)h->field_count << 16 | (uint64_t)h->event_bytes << 32,
        .more_sizes = h->module_bytes | (uint64_t)h->bound_bytes << 32,
    };
}

// The check of a whole record. What is known first goes in first, so that little is left to be done
// once the record's size is known.
static inline uint64_t spy__wire_check(const struct spy__wire_put *put,
                                       const struct spy__wire_words *w)
{
    uint64_t sum = spy__wire_turn(spy__wire_turn(w->ticks) + w->sequence);
    sum = spy__wire_turn(sum + w->span_id);
    sum = spy__wire_turn(spy__wire_turn(sum + w->more_sizes) + w->sizes);
    return spy__wire_turn(spy__wire_turn(sum) + w->what) + spy__wire_sum(put);
}

// ---- parts

static inline void spy__wire_fail(struct spy__wire_put *put)
{
    put->at = put->end = put->start;
}

static inline bool spy__wire_failed(const struct spy__wire_put *put)
{
    return put->end == put->start;
}

// Room for n more bytes.
static inline bool spy__wire_fits(struct spy__wire_put *put, size_t n)
{
    if (__builtin_expect(put->end - put->at < (ptrdiff_t)n, 0)) {
        spy__wire_fail(put);
        return false;
    }
    return true;
}

// Goes to behind what was written already.
static inline void spy__wire_pass(struct spy__wire_put *put, unsigned char *to)
{
    put->at = to;
    if (__builtin_expect(to > put->end, 0)) {
        spy__wire_fail(put);
    }
}

// 16 bytes at `to`.
static inline void spy__wire_put_pair(struct spy__wire_put *put, unsigned char *to, spy__pair v)
{
    memcpy(to, &v, 16);
    spy__wire_mix(put, v);
}

static inline void spy__wire_put_bytes(struct spy__wire_put *put, const void *bytes, size_t n)
{
    const unsigned char *s = (const unsigned char *)bytes;
    if (!spy__wire_fits(put, n)) {
        return;
    }
    unsigned char *to = put->at;
    if (n < 16) {
        spy__wire_put_pair(put, to, spy__wire_load_few(s, n));
    } else {
        for (size_t i = 0; i + 16 < n; i += 16) {
            spy__wire_put_pair(put, to + i, spy__wire_load(s + i));
        }
        spy__wire_put_pair(put, to + n - 16, spy__wire_load(s + n - 16));
    }
    put->at = to + n;
}

// Bytes, at least one, that were written before and whose own sum is known: their sum stands for
// them. SPY__WIRE_SLACK more can be read.
static inline void spy__wire_put_blob(struct spy__wire_put *put, const void *bytes, size_t n,
                                      uint64_t sum)
{
    const unsigned char *s = (const unsigned char *)bytes;
    if (spy__wire_fits(put, n)) {
        size_t i = 0;
        do {
            memcpy(put->at + i, s + i, SPY__WIRE_SLACK);
            i += SPY__WIRE_SLACK;
        } while (i < n);
        put->at += n;
        spy__wire_mix(put, spy__wire_pair(sum, n));
    }
}

// Whether 16 bytes may be read at a string that is shorter, where they lie on one page. Tools that
// watch every byte would not believe it.
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define SPY__WIRE_PEEK 0
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer) ||                         \
    __has_feature(memory_sanitizer)
#define SPY__WIRE_PEEK 0
#endif
#endif
#if !defined(SPY__WIRE_PEEK) && (defined(__SSE2__) || defined(__ARM_NEON))
#define SPY__WIRE_PEEK 1
#endif

#if SPY__WIRE_PEEK
// The first zero byte among 16; 16 where there is none.
static inline unsigned spy__wire_first_zero(spy__pair v)
{
#if defined(__SSE2__)
    __m128i zeros = _mm_cmpeq_epi8((__m128i)v, _mm_setzero_si128());
    return (unsigned)__builtin_ctz((unsigned)_mm_movemask_epi8(zeros) | 1u << 16);
#else
    // Four bits of each byte (D. Kutenin, "Porting x86 vector bitmask optimizations to Arm NEON").
    uint8x8_t nibbles = vshrn_n_u16(vreinterpretq_u16_u8(vceqzq_u8((uint8x16_t)v)), 4);
    uint64_t mask = vget_lane_u64(vreinterpret_u64_u8(nibbles), 0);
    return mask ? (unsigned)__builtin_ctzll(mask) >> 2 : 16;
#endif
}

// v without its bytes from n on.
static inline spy__pair spy__wire_keep(spy__pair v, unsigned n)
{
    static const uint64_t masks[4] = { UINT64_MAX, UINT64_MAX, 0, 0 };
    return v & spy__wire_load((const unsigned char *)masks + 16 - n);
}
#endif

// A string with its NUL; returns its bytes. It is read once: what is copied also tells the end.
static inline size_t spy__wire_put_text(struct spy__wire_put *put, const char *s)
{
    unsigned char *to = put->at;
#if SPY__WIRE_PEEK
    while (((uintptr_t)s & 4095) <= 4096 - 16) {
        spy__pair v = spy__wire_load(s);
        unsigned n = spy__wire_first_zero(v);
        if (__builtin_expect(n < 16, 1)) {
            size_t bytes = (size_t)(to - put->at) + n + 1;
            spy__wire_put_pair(put, to, spy__wire_keep(v, n));
            spy__wire_pass(put, to + n + 1);
            return bytes;
        }
        if (put->end - to < 16) {
            break;
        }
        spy__wire_put_pair(put, to, v);
        to += 16;
        s += 16;
    }
#endif
    size_t done = (size_t)(to - put->at), n = strlen(s) + 1;
    put->at = to;
    if (spy__wire_fits(put, n)) {
        memcpy(to, s, n);
        spy__wire_mix_text(put, (const unsigned char *)s, n);
        put->at += n;
    }
    return done + n;
}

static inline void spy__wire_put_words(struct spy__wire_put *put, uint64_t x, uint64_t y)
{
    spy__wire_put_pair(put, put->at, spy__wire_pair(x, y));
    spy__wire_pass(put, put->at + 16);
}

// A field's string. False where it does not fit, or must be cut.
static inline bool spy__wire_put_string(struct spy__wire_put *put, const char *s, size_t n)
{
    if (__builtin_expect(n > SPY__FIELD_STR_MAX, 0)) {
        spy__wire_fail(put);
        return false;
    }
#if SPY__WIRE_PEEK
    if (n < 16 && ((uintptr_t)s & 4095) <= 4096 - 16) {
        spy__wire_put_pair(put, put->at, spy__wire_keep(spy__wire_load(s), (unsigned)n));
        spy__wire_pass(put, put->at + n);
        return !spy__wire_failed(put);
    }
#endif
    spy__wire_put_bytes(put, s, n);
    return !spy__wire_failed(put);
}

// A C string without its NUL, as such a value; returns its bytes. Where it is short it is read once,
// as by spy__wire_put_text(). Fails where it does not fit, or must be cut.
static inline size_t spy__wire_put_chars(struct spy__wire_put *put, const char *s)
{
#if SPY__WIRE_PEEK
    if (((uintptr_t)s & 4095) <= 4096 - 16) {
        const spy__pair v = spy__wire_load(s);
        const unsigned n = spy__wire_first_zero(v);
        if (__builtin_expect(n < 16, 1)) {
            spy__wire_put_pair(put, put->at, spy__wire_keep(v, n));
            spy__wire_pass(put, put->at + n);
            return n;
        }
    }
#endif
    const size_t n = strlen(s);
    (void)spy__wire_put_string(put, s, n);
    return n;
}

// The value of a string that must be cut, or addresses; returns its bytes.
size_t spy__wire_put_long(struct spy__wire_put *put, const struct spy_field *field);

// A field that is one, see spy__wire_is_field().
static inline void spy__wire_put_field(struct spy__wire_put *put, const struct spy_field *field)
{
    unsigned char *word_at = put->at;
    uint64_t word = field->type, number = 0;
    put->at += 8;
    if (field->type < SPY_FIELD_STR) {
        number = field->type == SPY_FIELD_BOOL ? field->value.b : field->value.u;
        spy__wire_store8(put->at, number);
        put->at += 8;
    }
    word |= spy__wire_put_text(put, field->key) << 8;
    if (field->type == SPY_FIELD_STR && field->len <= SPY__FIELD_STR_MAX) {
        word |= (uint64_t)field->len << 32;
        spy__wire_put_bytes(put, field->value.s, field->len);
    } else if (field->type >= SPY_FIELD_STR) {
        struct spy__wire_put lent = *put; // so that *put itself may stay in registers
        word |= (uint64_t)spy__wire_put_long(&lent, field) << 32;
        *put = lent;
    }
    spy__wire_store8(word_at, word);
    spy__wire_mix(put, spy__wire_pair(word, number));
}

// Values behind a shape: numbers and lengths first, then the strings. Fails where a string must be cut.
static inline void spy__wire_put_values(struct spy__wire_put *put, const struct spy_field *fields,
                                        size_t n)
{
    unsigned char *value_at = put->at;
    uint64_t sum = 0;
    if (!spy__wire_fits(put, n * 8)) {
        return;
    }
    put->at += n * 8;
    for (size_t i = 0; i < n; i++, value_at += 8) {
        uint64_t value = fields[i].value.u;
        if (fields[i].type == SPY_FIELD_STR) {
            value = fields[i].len;
            if (__builtin_expect(!spy__wire_put_string(put, fields[i].value.s, value), 0)) {
                return;
            }
        } else if (fields[i].type == SPY_FIELD_BOOL) {
            value = fields[i].value.b;
        }
        spy__wire_store8(value_at, value);
        sum = spy__wire_turn(sum) + value;
    }
    spy__wire_mix(put, spy__wire_pair(sum, n));
}

// Values that are all strings, as spy__wire_put_values() writes them.
static inline void spy__wire_put_texts(struct spy__wire_put *put, const char *const texts[],
                                       size_t n)
{
    unsigned char *value_at = put->at;
    uint64_t sum = 0;
    if (!spy__wire_fits(put, n * 8)) {
        return;
    }
    put->at += n * 8;
    for (size_t i = 0; i < n; i++, value_at += 8) {
        const uint64_t bytes = spy__wire_put_chars(put, texts[i]);
        if (__builtin_expect(spy__wire_failed(put), 0)) {
            return;
        }
        spy__wire_store8(value_at, bytes);
        sum = spy__wire_turn(sum) + bytes;
    }
    spy__wire_mix(put, spy__wire_pair(sum, n));
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
    put->a = spy__wire_pair(seed, 0);
    put->b = spy__wire_pair(0, 0);
    if (cap >= sizeof(struct spy__wire_head)) {
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
    struct spy__wire_words w = spy__wire_words(head);
    spy__wire_store8(put->start, w.what);
    spy__wire_store8(put->start + 8, spy__wire_check(put, &w));
    spy__wire_store8(put->start + 16, w.sequence);
    spy__wire_store8(put->start + 24, w.ticks);
    spy__wire_store8(put->start + 32, w.span_id);
    spy__wire_store8(put->start + 40, w.sizes);
    spy__wire_store8(put->start + 48, w.more_sizes);
    return n;
}

#endif
