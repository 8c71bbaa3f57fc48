// Sixteen bytes at a time: where the first byte of a kind is. SSE2 (every x86-64 has it), NEON
// (every arm64), else two 64-bit words.
//
// A mask has SPY__MASK_BITS bits for each byte, the first byte's lowest; none set: no such byte.
#ifndef BASE_BYTES16_H
#define BASE_BYTES16_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

#if defined(__SSE2__) && !defined(SPY__BYTES16_PLAIN)
#include <emmintrin.h>

#define SPY__MASK_BITS 1
typedef __m128i spy__bytes16;

static inline spy__bytes16 spy__load16(const char *s)
{
    return _mm_loadu_si128((const __m128i *)(const void *)s);
}
// Two eights side by side; s and t may overlap.
static inline spy__bytes16 spy__load8x2(const char *s, const char *t)
{
    return _mm_unpacklo_epi64(_mm_loadl_epi64((const __m128i *)(const void *)s),
                              _mm_loadl_epi64((const __m128i *)(const void *)t));
}
// Two fours; what follows them is of no use.
static inline spy__bytes16 spy__load4x2(const char *s, const char *t)
{
    int a, b;
    memcpy(&a, s, 4);
    memcpy(&b, t, 4);
    return _mm_unpacklo_epi32(_mm_cvtsi32_si128(a), _mm_cvtsi32_si128(b));
}
static inline void spy__store16(char *to, spy__bytes16 v)
{
    _mm_storeu_si128((__m128i *)(void *)to, v);
}
// Bytes that equal c.
static inline spy__bytes16 spy__equal16(spy__bytes16 v, char c)
{
    return _mm_cmpeq_epi8(v, _mm_set1_epi8(c));
}
// Bytes below c or above 0x7f, for c <= 0x7f: as signed ones, the upper half is negative.
static inline spy__bytes16 spy__outside16(spy__bytes16 v, char c)
{
    return _mm_cmplt_epi8(v, _mm_set1_epi8(c));
}
static inline spy__bytes16 spy__either16(spy__bytes16 a, spy__bytes16 b)
{
    return _mm_or_si128(a, b);
}
static inline uint64_t spy__mask16(spy__bytes16 v)
{
    return (uint64_t)(unsigned)_mm_movemask_epi8(v);
}

// v as sixteen digits of hex, in lower case.
static inline spy__bytes16 spy__hex16(uint64_t v)
{
    __m128i bytes = _mm_cvtsi64_si128((long long)__builtin_bswap64(v));
    __m128i four = _mm_set1_epi8(15);
    __m128i digits = _mm_unpacklo_epi8(_mm_and_si128(_mm_srli_epi16(bytes, 4), four),
                                       _mm_and_si128(bytes, four));
    __m128i letters =
        _mm_and_si128(_mm_cmpgt_epi8(digits, _mm_set1_epi8(9)), _mm_set1_epi8('a' - '0' - 10));
    return _mm_add_epi8(_mm_add_epi8(digits, _mm_set1_epi8('0')), letters);
}

#elif defined(__aarch64__) && defined(__ARM_NEON) && !defined(SPY__BYTES16_PLAIN)
#include <arm_neon.h>

#define SPY__MASK_BITS 4
typedef uint8x16_t spy__bytes16;

static inline spy__bytes16 spy__load16(const char *s)
{
    return vld1q_u8((const uint8_t *)s);
}
static inline spy__bytes16 spy__load8x2(const char *s, const char *t)
{
    return vcombine_u8(vld1_u8((const uint8_t *)s), vld1_u8((const uint8_t *)t));
}
static inline spy__bytes16 spy__load4x2(const char *s, const char *t)
{
    uint32_t a, b;
    memcpy(&a, s, 4);
    memcpy(&b, t, 4);
    return vreinterpretq_u8_u32(vsetq_lane_u32(b, vsetq_lane_u32(a, vdupq_n_u32(0), 0), 1));
}
static inline void spy__store16(char *to, spy__bytes16 v)
{
    vst1q_u8((uint8_t *)to, v);
}
static inline spy__bytes16 spy__equal16(spy__bytes16 v, char c)
{
    return vceqq_u8(v, vdupq_n_u8((uint8_t)c));
}
static inline spy__bytes16 spy__outside16(spy__bytes16 v, char c)
{
    return vcltq_s8(vreinterpretq_s8_u8(v), vdupq_n_s8((int8_t)c));
}
static inline spy__bytes16 spy__either16(spy__bytes16 a, spy__bytes16 b)
{
    return vorrq_u8(a, b);
}
// A narrowing shift leaves four bits of each byte.
static inline uint64_t spy__mask16(spy__bytes16 v)
{
    return vget_lane_u64(vreinterpret_u64_u8(vshrn_n_u16(vreinterpretq_u16_u8(v), 4)), 0);
}
static inline spy__bytes16 spy__hex16(uint64_t v)
{
    const uint8x8_t bytes = vcreate_u8(__builtin_bswap64(v));
    const uint8x8x2_t digits = vzip_u8(vshr_n_u8(bytes, 4), vand_u8(bytes, vdup_n_u8(15)));
    return vqtbl1q_u8(vld1q_u8((const uint8_t *)"0123456789abcdef"),
                      vcombine_u8(digits.val[0], digits.val[1]));
}

#else

#define SPY__MASK_BITS 1
typedef struct {
    unsigned char b[16];
} spy__bytes16;

static inline spy__bytes16 spy__load16(const char *s)
{
    spy__bytes16 v;
    memcpy(v.b, s, 16);
    return v;
}
static inline spy__bytes16 spy__load8x2(const char *s, const char *t)
{
    spy__bytes16 v;
    memcpy(v.b, s, 8);
    memcpy(v.b + 8, t, 8);
    return v;
}
static inline spy__bytes16 spy__load4x2(const char *s, const char *t)
{
    spy__bytes16 v = { { 0 } };
    memcpy(v.b, s, 4);
    memcpy(v.b + 4, t, 4);
    return v;
}
static inline void spy__store16(char *to, spy__bytes16 v)
{
    memcpy(to, v.b, 16);
}
static inline spy__bytes16 spy__equal16(spy__bytes16 v, char c)
{
    for (int i = 0; i < 16; i++) {
        v.b[i] = v.b[i] == (unsigned char)c ? 0xff : 0;
    }
    return v;
}
static inline spy__bytes16 spy__outside16(spy__bytes16 v, char c)
{
    for (int i = 0; i < 16; i++) {
        v.b[i] = v.b[i] < (unsigned char)c || v.b[i] > 0x7f ? 0xff : 0;
    }
    return v;
}
static inline spy__bytes16 spy__either16(spy__bytes16 a, spy__bytes16 b)
{
    for (int i = 0; i < 16; i++) {
        a.b[i] |= b.b[i];
    }
    return a;
}
static inline uint64_t spy__mask16(spy__bytes16 v)
{
    uint64_t mask = 0;
    for (int i = 0; i < 16; i++) {
        mask |= (uint64_t)(v.b[i] & 1) << i;
    }
    return mask;
}
static inline spy__bytes16 spy__hex16(uint64_t v)
{
    spy__bytes16 ret;
    for (int i = 15; i >= 0; i--, v >>= 4) {
        ret.b[i] = (unsigned char)"0123456789abcdef"[v & 15];
    }
    return ret;
}
#endif

// The place of the first byte that a mask marks; mask is not 0.
static inline size_t spy__first16(uint64_t mask)
{
    return (size_t)__builtin_ctzll(mask) / SPY__MASK_BITS;
}

#endif
