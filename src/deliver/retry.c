#include "deliver/retry.h"

#include <stddef.h>
#include <string.h>
#include <time.h>

#define NS_PER_MS 1000000u

static unsigned wait_ms(unsigned failures, uint64_t random)
{
    if (failures >= SPY__RETRY_FAILURES_MAX) {
        return SPY__RETRY_PROBE_MS;
    }
    unsigned bound = SPY__RETRY_BASE_MS << (failures - 1);
    bound = bound < SPY__RETRY_CAP_MS ? bound : SPY__RETRY_CAP_MS;
    return (unsigned)(random % (bound + 1));
}

void spy__retry_failed(struct spy__retry *retry, uint64_t now_ns, unsigned after_ms,
                       uint64_t random)
{
    retry->first_ns = retry->failures == 0 ? now_ns : retry->first_ns;
    retry->failures += retry->failures < SPY__RETRY_FAILURES_MAX;
    unsigned ms = wait_ms(retry->failures, random);
    if (after_ms > 0 && ms < after_ms) {
        // Whoever was told the same does not come at the same moment.
        ms = after_ms + (unsigned)(random % (SPY__RETRY_BASE_MS + 1));
    }
    retry->not_before_ns = now_ns + (uint64_t)ms * NS_PER_MS;
}

void spy__retry_succeeded(struct spy__retry *retry)
{
    *retry = (struct spy__retry){ 0 };
}

bool spy__retry_is_open(const struct spy__retry *retry)
{
    return retry->failures >= SPY__RETRY_FAILURES_MAX;
}

// ---- Retry-After

// n digits, or -1.
static int digits(const char *s, int n)
{
    int v = 0;
    for (int i = 0; i < n; i++) {
        if (s[i] < '0' || s[i] > '9') {
            return -1;
        }
        v = v * 10 + (s[i] - '0');
    }
    return v;
}

// "Sun, 06 Nov 1994 08:49:37 GMT", the form that servers must send
// (https://www.rfc-editor.org/rfc/rfc9110#name-date-time-formats). -1 for anything else.
static time_t parse_date(const char *s)
{
    static const char months[] = "JanFebMarAprMayJunJulAugSepOctNovDec";
    static const char form[] = "xxx, dd xxx dddd dd:dd:dd GMT";
    for (size_t i = 0; i < sizeof(form) - 1; i++) {
        bool letter = (s[i] | 0x20) >= 'a' && (s[i] | 0x20) <= 'z';
        bool digit = s[i] >= '0' && s[i] <= '9';
        if (form[i] == 'x' ? !letter : form[i] == 'd' ? !digit : s[i] != form[i]) {
            return -1; // also at the end of a string that is too short
        }
    }
    int month = 0;
    while (month < 12 && memcmp(months + 3 * month, s + 8, 3) != 0) {
        month++;
    }
    if (month == 12) {
        return -1;
    }
    struct tm t = { .tm_mday = digits(s + 5, 2),
                    .tm_mon = month,
                    .tm_year = digits(s + 12, 4) - 1900,
                    .tm_hour = digits(s + 17, 2),
                    .tm_min = digits(s + 20, 2),
                    .tm_sec = digits(s + 23, 2) };
    return timegm(&t);
}

unsigned spy__retry_asked_ms(const struct spy__answer *answer)
{
    const char *value = spy__answer_header(answer, "Retry-After"),
               *date = spy__answer_header(answer, "Date");
    const unsigned s_max = SPY__RETRY_ASKED_MS_MAX / 1000;
    size_t n = value ? strspn(value, "0123456789") : 0;
    if (n > 0) {
        int s = n < 6 ? digits(value, (int)n) : (int)s_max;
        return (s < (int)s_max ? (unsigned)s : s_max) * 1000;
    }
    time_t until = value ? parse_date(value) : -1, now = date ? parse_date(date) : -1;
    if (until < 0 || now < 0 || until <= now) {
        return 0;
    }
    return (until - now < (time_t)s_max ? (unsigned)(until - now) : s_max) * 1000;
}
