#include "record/mask/scrub.h"

#include <string.h>
#include <strings.h>

#include "base/ascii.h"
#include "base/utf8.h"
#include "record/mask/mask.h"
#include "record/mask/mask_text.h"

// Looked at of a header's value: what is masked by what stands behind it (https://user:…@host) is
// seen as far ahead as record/mask/mask_text.c looks, and more than that is never told.
#define LOOKED_AT_MAX 2048u
// Times that an argument is decoded: of a URL in a URL.
#define DECODED_MAX 3
// A longer argument that is no pair may be a key: ?0123456789abcdef0.
#define BARE_MAX 16u

// Sentry's deny list, without what record/mask/mask_words.c knows too.
static const char *const secrets[] = { "auth", "pwd",  "key",  "jwt", "bearer",   "sso",
                                       "saml", "csrf", "xsrf", "sid", "identity", "session" };

// Sentry's terms for what is no secret, and says who somebody is ("forwarded", "-ip", "remote-",
// "via", "-user"), and what forms call the same.
static const char *const people[] = { "forwarded", "remote", "user",  "mail",
                                      "phone",     "addr",   "birth", "person" };
static const char *const people_words[] = { "ip", "via", "name" }; // alone, between separators

static const char *const harmless[] = {
    "Accept",
    "Accept-Encoding",
    "Accept-Language",
    "Content-Encoding",
    "Content-Length",
    "Content-Type",
    "Expect",
    "Host",
    "Range",
    "Referer",
    "TE",
    "Trailer",
    "Transfer-Encoding",
    "User-Agent",
};

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

static bool begins_with(const char *s, size_t n, const char *word)
{
    size_t len = strlen(word);
    for (size_t i = 0; i < len; i++) {
        if (i == n || spy__ascii_lower(s[i]) != word[i]) {
            return false;
        }
    }
    return true;
}

static bool has_any(const char *const words[], size_t count, const char *s, size_t n)
{
    for (size_t at = 0; at < n; at++) {
        for (size_t i = 0; i < count; i++) {
            if (begins_with(s + at, n - at, words[i])) {
                return true;
            }
        }
    }
    return false;
}

static bool has_word(const char *const words[], size_t count, const char *s, size_t n)
{
    for (size_t at = 0, end; at < n; at = end + 1) {
        for (end = at; end < n && spy__ascii_is_alnum(s[end]); end++) {
        }
        for (size_t i = 0; i < count; i++) {
            if (end - at == strlen(words[i]) && begins_with(s + at, end - at, words[i])) {
                return true;
            }
        }
    }
    return false;
}

static bool is_secret(const struct spy__scrub *scrub, const char *key, size_t n)
{
    return spy__key_kind(scrub->more, key, n) != SPY__KEY_CLEAN ||
           has_any(secrets, COUNT(secrets), key, n);
}

static bool is_personal(const char *key, size_t n)
{
    return has_any(people, COUNT(people), key, n) ||
           has_word(people_words, COUNT(people_words), key, n);
}

// Appends it whole, or nothing.
static bool put_whole(struct spy__buf *out, const struct spy__buf *piece)
{
    if (piece->failed || piece->len > out->max - out->len || !spy__buf_reserve(out, piece->len)) {
        return false;
    }
    spy__buf_put(out, piece->bytes, piece->len);
    return true;
}

// Appends text on one line: controls become spaces.
static void put_text(struct spy__buf *out, const char *s, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        unsigned char c = (unsigned char)s[i];
        spy__buf_putc(out, c < 0x20 || c == 0x7f ? ' ' : s[i]);
    }
}

// ---- headers

// A name by RFC 9110, section 5.6.2: then no line of ours can be torn by one.
static bool is_name(const char *name)
{
    size_t n = strspn(name, "!#$%&'*+-.^_`|~0123456789abcdefghijklmnopqrstuvwxyz"
                            "ABCDEFGHIJKLMNOPQRSTUVWXYZ");
    return n > 0 && name[n] == '\0' && n <= SPY__SCRUB_NAME_MAX;
}

static bool is_harmless(const char *name)
{
    for (size_t i = 0; i < COUNT(harmless); i++) {
        if (strcasecmp(harmless[i], name) == 0) {
            return true;
        }
    }
    return false;
}

static bool is_there(const struct spy__buf *out, const char *name)
{
    size_t len = strlen(name);
    for (size_t at = 0; at < out->len;) {
        const char *line = out->bytes + at, *end = memchr(line, '\n', out->len - at);
        if (out->len - at > len && line[len] == ':' && strncasecmp(line, name, len) == 0) {
            return true;
        }
        at = end ? (size_t)(end + 1 - out->bytes) : out->len;
    }
    return false;
}

static void put_masked(const struct spy__scrub *scrub, struct spy__buf *out, const char *value,
                       size_t n)
{
    char storage[LOOKED_AT_MAX + 256];
    struct spy__buf masked;
    spy__buf_init_fixed(&masked, storage, sizeof(storage));
    n = n < LOOKED_AT_MAX ? n : LOOKED_AT_MAX;
    if (!spy__mask_text(scrub->more, &masked, value, n)) {
        put_text(out, value, spy__utf8_cut(value, n, SPY__SCRUB_HEADER_MAX));
    } else if (masked.failed) {
        spy__buf_puts(out, SPY__REDACTED);
    } else {
        put_text(out, masked.bytes, spy__utf8_cut(masked.bytes, masked.len, SPY__SCRUB_HEADER_MAX));
    }
}

// Where a URL's query or fragment begins.
static size_t path_end(const char *url, size_t n)
{
    size_t end = 0;
    while (end < n && url[end] != '?' && url[end] != '#') {
        end++;
    }
    return end;
}

void spy__scrub_header(const struct spy__scrub *scrub, struct spy__buf *out, const char *name,
                       const char *value, size_t n)
{
    char storage[SPY__SCRUB_NAME_MAX + SPY__SCRUB_HEADER_MAX + 3];
    struct spy__buf line;
    if (!is_name(name) || (!scrub->personal && !is_harmless(name)) || is_there(out, name)) {
        return;
    }
    spy__buf_init_fixed(&line, storage, sizeof(storage));
    spy__buf_puts(&line, name);
    spy__buf_puts(&line, ": ");
    if (is_secret(scrub, name, strlen(name))) {
        spy__buf_puts(&line, SPY__REDACTED);
    } else {
        put_masked(scrub, &line, value, strcasecmp(name, "Referer") == 0 ? path_end(value, n) : n);
    }
    spy__buf_putc(&line, '\n');
    (void)put_whole(out, &line);
}

// ---- the query

// Decodes *n bytes in their place: %41 and '+'. Returns whether they are others now.
static bool decode(char *s, size_t *n)
{
    size_t len = 0;
    bool changed = false;
    for (size_t i = 0; i < *n; i++) {
        int high = s[i] == '%' && *n - i > 2 ? spy__ascii_hex_digit(s[i + 1]) : -1;
        int low = high >= 0 ? spy__ascii_hex_digit(s[i + 2]) : -1;
        changed = changed || low >= 0 || s[i] == '+';
        s[len++] = low >= 0 ? (char)(high * 16 + low) : s[i] == '+' ? ' ' : s[i];
        i += low >= 0 ? 2 : 0;
    }
    *n = len;
    return changed;
}

static bool is_key_told(const struct spy__scrub *scrub, const char *key, size_t n)
{
    return !is_secret(scrub, key, n) && (scrub->personal || !is_personal(key, n));
}

static bool is_value_told(const struct spy__scrub *scrub, const char *value, size_t n)
{
    char storage[2 * SPY__SCRUB_ARGUMENT_MAX];
    struct spy__buf masked;
    spy__buf_init_fixed(&masked, storage, sizeof(storage));
    return (scrub->personal || !memchr(value, '@', n)) &&
           !spy__mask_text(scrub->more, &masked, value, n);
}

// Whether all is told of a key or value, which is looked at again each time that it is decoded.
static bool is_told(const struct spy__scrub *scrub, const char *s, size_t n,
                    bool (*look)(const struct spy__scrub *scrub, const char *s, size_t n))
{
    char text[SPY__SCRUB_ARGUMENT_MAX];
    if (n > sizeof(text)) {
        return false;
    }
    memcpy(text, s, n);
    for (int times = 0; times <= DECODED_MAX; times++) {
        if (!look(scrub, text, n)) {
            return false;
        }
        if (!decode(text, &n)) {
            return true;
        }
    }
    return false; // what is hidden so well is none of ours
}

static void put_argument(const struct spy__scrub *scrub, struct spy__buf *out, const char *s,
                         size_t n)
{
    const char *equals = memchr(s, '=', n);
    size_t key = equals ? (size_t)(equals - s) : n, value = equals ? n - key - 1 : 0;
    if (!equals) {
        bool told = n <= BARE_MAX && is_told(scrub, s, n, is_value_told);
        told ? put_text(out, s, n) : spy__buf_puts(out, SPY__REDACTED);
        return;
    }
    // A key that is too long, or hides something, is odd itself; any other is told.
    if (!is_told(scrub, s, key, is_value_told)) {
        spy__buf_puts(out, SPY__REDACTED);
        return;
    }
    put_text(out, s, key + 1);
    if (is_told(scrub, s, key, is_key_told) && is_told(scrub, equals + 1, value, is_value_told)) {
        put_text(out, equals + 1, value);
    } else if (value > 0) {
        spy__buf_puts(out, SPY__REDACTED);
    }
}

void spy__scrub_query(const struct spy__scrub *scrub, struct spy__buf *out, const char *query,
                      size_t n)
{
    char storage[2 * SPY__SCRUB_ARGUMENT_MAX + 16];
    for (size_t at = 0; at < n;) {
        struct spy__buf argument;
        size_t end = at;
        while (end < n && query[end] != '&' && query[end] != ';') {
            end++;
        }
        spy__buf_init_fixed(&argument, storage, sizeof(storage));
        put_argument(scrub, &argument, query + at, end - at);
        if (end < n) {
            spy__buf_putc(&argument, query[end]);
        }
        if (!put_whole(out, &argument)) {
            return;
        }
        at = end + 1;
    }
}
