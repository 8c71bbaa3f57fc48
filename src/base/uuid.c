#include "base/uuid.h"

#include <errno.h>
#include <stdbool.h>
#include <string.h>

#include "base/clock.h"
#include "base/ids.h"
#include "base/sha1.h"

static uint64_t read_big(const unsigned char *bytes)
{
    uint64_t v = 0;
    for (int i = 0; i < 8; i++) {
        v = v << 8 | bytes[i];
    }
    return v;
}

static void write_big(unsigned char *bytes, uint64_t v)
{
    for (int i = 7; i >= 0; i--, v >>= 8) {
        bytes[i] = (unsigned char)v;
    }
}

// RFC 9562 section 5.5: SHA-1 of the namespace's bytes and the name, its first 128 bits with
// version and variant set.
struct spy_uuid spy_uuid_v5(struct spy_uuid ns, const char *name)
{
    unsigned char bytes[16], digest[SPY__SHA1_BYTES];
    struct spy__sha1 sha;
    write_big(bytes, ns.hi);
    write_big(bytes + 8, ns.lo);
    spy__sha1_init(&sha);
    spy__sha1_add(&sha, bytes, sizeof(bytes));
    spy__sha1_add(&sha, name ? name : "", name ? strlen(name) : 0);
    spy__sha1_end(&sha, digest);
    return (struct spy_uuid){
        (read_big(digest) & ~UINT64_C(0xf000)) | 0x5000,
        (read_big(digest + 8) & (UINT64_MAX >> 2)) | UINT64_C(1) << 63,
    };
}

struct spy_uuid spy_uuid_v7(void)
{
    return spy__uuid_v7(spy__realtime_ns());
}

static bool is_dash(size_t i)
{
    return i == 8 || i == 13 || i == 18 || i == 23;
}

static int digit_of(char c)
{
    char lower = (char)(c | 0x20);
    if (c >= '0' && c <= '9') {
        return c - '0';
    }
    return lower >= 'a' && lower <= 'f' ? lower - 'a' + 10 : -1;
}

int spy_uuid_parse(struct spy_uuid *ret, const char *text)
{
    uint64_t words[2] = { 0, 0 };
    size_t digits = 0;
    for (size_t i = 0; text && i < SPY_UUID_LEN; i++) {
        int digit = digit_of(text[i]); // of a NUL too: none
        if (is_dash(i) ? text[i] != '-' : digit < 0) {
            return -EINVAL;
        }
        if (!is_dash(i)) {
            words[digits / 16] = words[digits / 16] << 4 | (uint64_t)digit;
            digits++;
        }
    }
    if (!text || text[SPY_UUID_LEN] != '\0') {
        return -EINVAL;
    }
    *ret = (struct spy_uuid){ words[0], words[1] };
    return 0;
}

void spy_uuid_print(char ret[SPY_UUID_LEN + 1], struct spy_uuid id)
{
    char hex[32];
    spy__hex_u64(hex, id.hi);
    spy__hex_u64(hex + 16, id.lo);
    const char *from = hex;
    for (size_t i = 0; i < SPY_UUID_LEN; i++) {
        ret[i] = is_dash(i) ? '-' : *from++;
    }
    ret[SPY_UUID_LEN] = '\0';
}
