// Patterns of personal data: see personal.h.
//
// Each tries to be sure rather than complete: a meme about the year 2001, an IP address or π is no
// secret. Card numbers are checked by Luhn (ISO/IEC 7812-1), bank accounts by their remainder of 97
// (ISO 13616).

#include "memegen/pipeline/personal.h"

#include <ctype.h>
#include <stdbool.h>
#include <stddef.h>
#include <string.h>

#include "memegen/llm/words.h"

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static bool is_alnum(char c)
{
    return isalnum((unsigned char)c) != 0;
}

// name@host.tld, around the "@" at `at`.
static bool is_email(const char *text, const char *at)
{
    const char *begin = at, *end = at + 1, *dot = NULL;
    while (begin > text && (is_alnum(begin[-1]) || strchr("._%+-", begin[-1]))) {
        begin--;
    }
    for (; is_alnum(*end) || *end == '-' || (*end == '.' && is_alnum(end[1])); end++) {
        dot = *end == '.' ? end : dot;
    }
    if (begin == at || !dot || dot == at + 1 || end - dot < 3) {
        return false;
    }
    for (const char *c = dot + 1; c < end; c++) {
        if (is_digit(*c)) {
            return false;
        }
    }
    return true;
}

// A run of digits in groups.
struct digits {
    char all[24];
    size_t count;     // digits, at most 23
    size_t groups[8]; // digits of each
    size_t group_count;
    bool plus;  // "+" before it
    size_t len; // bytes
};

// Reads digits with single separators (two around brackets) from s. A run that is longer than any
// number we know has a count of 0.
static void read_digits(const char *s, struct digits *ret)
{
    const char *begin = s;
    bool too_long = false;
    *ret = (struct digits){ .plus = *s == '+' };
    s += ret->plus || *s == '(';
    for (;;) {
        size_t n = strspn(s, "0123456789");
        if (ret->count + n >= sizeof(ret->all) || ret->group_count >= 8) {
            too_long = true;
            ret->count = ret->group_count = 0;
        }
        if (!too_long) {
            memcpy(ret->all + ret->count, s, n);
            ret->count += n;
            ret->groups[ret->group_count++] = n;
        }
        s += n;
        size_t gap = strspn(s, " -.()/");
        if (gap == 0 || gap > 2 || !is_digit(s[gap])) {
            break;
        }
        s += gap;
    }
    ret->len = (size_t)(s - begin);
    if (too_long) {
        ret->count = 0;
    }
}

static bool passes_luhn(const struct digits *digits)
{
    unsigned sum = 0;
    for (size_t i = 0; i < digits->count; i++) {
        unsigned d = (unsigned)(digits->all[digits->count - 1 - i] - '0');
        d = i % 2 ? d * 2 : d;
        sum += d > 9 ? d - 9 : d;
    }
    return sum % 10 == 0;
}

static bool is_card(const struct digits *digits)
{
    return !digits->plus && digits->count >= 13 && digits->count <= 19 && digits->all[0] >= '2' &&
           digits->all[0] <= '6' && passes_luhn(digits);
}

static bool groups_are(const struct digits *digits, size_t a, size_t b, size_t c, size_t d)
{
    const size_t wanted[] = { a, b, c, d };
    size_t count = d ? 4 : 3;
    return digits->group_count == count &&
           memcmp(digits->groups, wanted, count * sizeof(wanted[0])) == 0;
}

// International with "+"; North American 3-3-4; national with a leading 0 in two groups or more.
static bool is_phone(const struct digits *digits)
{
    if (digits->plus) {
        return digits->count >= 8 && digits->count <= 15;
    }
    if (groups_are(digits, 3, 3, 4, 0) || groups_are(digits, 1, 3, 3, 4)) {
        return true;
    }
    return digits->all[0] == '0' && digits->group_count >= 2 && digits->groups[0] >= 2 &&
           digits->count >= 9 && digits->count <= 12;
}

// Country, two check digits and 11 to 30 more, in groups of four or none.
static bool is_bank_account(const char *s)
{
    char account[36];
    size_t n = 0, i = 0;
    unsigned remainder = 0;
    for (; n < 34 && (is_alnum(s[i]) || (s[i] == ' ' && n > 0 && n % 4 == 0 && is_alnum(s[i + 1])));
         i++) {
        if (s[i] != ' ') {
            account[n++] = (char)toupper((unsigned char)s[i]);
        }
    }
    if (n < 15 || is_alnum(s[i]) || !isupper((unsigned char)s[0]) ||
        !isupper((unsigned char)s[1]) || !is_digit(s[2]) || !is_digit(s[3])) {
        return false;
    }
    for (size_t k = 0; k < n; k++) {
        char c = account[(k + 4) % n];
        unsigned value = is_digit(c) ? (unsigned)(c - '0') : (unsigned)(c - 'A') + 10;
        remainder = (remainder * (value > 9 ? 100 : 10) + value) % 97;
    }
    return remainder == 1;
}

static const char *find_numbers(const char *text)
{
    struct digits digits;
    for (const char *s = text; *s; s++) {
        bool begins = s == text || !is_alnum(s[-1]);
        if (begins && isupper((unsigned char)*s) && is_bank_account(s)) {
            return "bank account";
        }
        if (!begins || !(is_digit(*s) || ((*s == '+' || *s == '(') && is_digit(s[1])))) {
            continue;
        }
        read_digits(s, &digits);
        if (is_card(&digits)) {
            return "card number";
        }
        if (groups_are(&digits, 3, 2, 4, 0)) {
            return "social security number";
        }
        if (is_phone(&digits)) {
            return "phone number";
        }
        s += digits.len - 1;
    }
    return NULL;
}

// A house number and a street within the next four words ("12 Elm Street").
static bool has_street(const char *folded)
{
    static const char *const streets[] = { "street", "st",    "avenue", "ave",   "road",
                                           "rd",     "lane",  "drive",  "dr",    "blvd",
                                           "court",  "place", "way",    "close", "allee" };
    struct words_span word;
    int since_number = 100;
    while (words_next(&folded, &word)) {
        since_number = word.n <= 5 && strspn(word.s, "0123456789") >= word.n ? 0 : since_number + 1;
        for (size_t i = 0;
             since_number > 0 && since_number <= 4 && i < sizeof(streets) / sizeof(streets[0]);
             i++) {
            if (strlen(streets[i]) == word.n && memcmp(word.s, streets[i], word.n) == 0) {
                return true;
            }
        }
        // "Hauptstraße 12": the street is in the word, its number behind it.
        const char *next = folded + strspn(folded, " ");
        if ((memmem(word.s, word.n, "strasse", 7) || memmem(word.s, word.n,
                                                            "stra\xc3\x9f"
                                                            "e",
                                                            7)) &&
            is_digit(*next)) {
            return true;
        }
    }
    return false;
}

// A street alone may be a film; somebody's home is one with a word that says so, or with a post
// code.
static bool is_address(const char *text)
{
    static const char *const homes[] = { "lives at",     "live at",     "my address",
                                         "his address",  "her address", "their address",
                                         "home address", "wohnt in",    "vive en",
                                         "habite au",    "apt",         "apartment" };
    char folded[2048];
    words_fold(folded, sizeof(folded), text, strlen(text));
    if (!has_street(folded)) {
        return false;
    }
    for (size_t i = 0; i < sizeof(homes) / sizeof(homes[0]); i++) {
        if (words_find(folded, homes[i])) {
            return true;
        }
    }
    for (const char *s = folded; *s; s++) {
        size_t n = strspn(s, "0123456789");
        if (n == 5 && s > folded) {
            return true;
        }
        s += n > 0 ? n - 1 : 0;
    }
    return false;
}

const char *personal_find(const char *text)
{
    for (const char *at = strchr(text, '@'); at; at = strchr(at + 1, '@')) {
        if (is_email(text, at)) {
            return "e-mail address";
        }
    }
    const char *number = find_numbers(text);
    if (number) {
        return number;
    }
    return is_address(text) ? "postal address" : NULL;
}
