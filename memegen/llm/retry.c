#include "memegen/llm/retry.h"

#include <locale.h>
#include <stdlib.h>
#include <string.h>

#define A_DAY_S 86400

static const char *status_type(long status)
{
    if (status >= 200 && status <= 299) {
        return NULL;
    }
    if (status == 408) {
        return "timeout";
    }
    if (status == 429) {
        return "status_429";
    }
    return status >= 500 && status <= 599 ? "status_5xx" : "rejected";
}

const char *retry_error_type(const struct http_answer *answer)
{
    switch (answer->outcome) {
    case HTTP_ANSWERED:
        return status_type(answer->status);
    case HTTP_TIMED_OUT:
        return "timeout";
    case HTTP_UNREACHABLE:
        return "refused";
    case HTTP_CUT_OFF:
    case HTTP_TOO_LONG:
        return "bad_answer";
    case HTTP_STOPPED:
    case HTTP_BROKEN:
        break;
    }
    return "internal";
}

bool retry_is_worth(const struct http_answer *answer)
{
    switch (answer->outcome) {
    case HTTP_ANSWERED:
        return answer->status == 408 || answer->status == 409 || answer->status == 429 ||
               (answer->status >= 500 && answer->status <= 599 && answer->status != 501);
    case HTTP_TIMED_OUT:
    case HTTP_UNREACHABLE:
    case HTTP_CUT_OFF:
        return true;
    case HTTP_TOO_LONG:
    case HTTP_STOPPED:
    case HTTP_BROKEN:
        break;
    }
    return false;
}

int64_t retry_backoff_ms(unsigned failed_before, double luck)
{
    int64_t most = failed_before < 16 ? (int64_t)RETRY_BASE_MS << failed_before : RETRY_CAP_MS;
    most = most < RETRY_CAP_MS ? most : RETRY_CAP_MS;
    return (int64_t)((double)most * luck);
}

static int64_t bounded_ms(int64_t seconds)
{
    seconds = seconds < 0 ? 0 : seconds;
    return (seconds < A_DAY_S ? seconds : A_DAY_S) * 1000;
}

int64_t retry_after_ms(const char *value, time_t now)
{
    static const char *const forms[] = { "%a, %d %b %Y %H:%M:%S GMT", "%A, %d-%b-%y %H:%M:%S GMT",
                                         "%a %b %d %H:%M:%S %Y" };
    size_t digits = strspn(value, "0123456789");
    if (digits > 0 && !value[digits]) {
        return digits > 9 ? bounded_ms(A_DAY_S) : bounded_ms(strtol(value, NULL, 10));
    }
    locale_t c = newlocale(LC_ALL_MASK, "C", (locale_t)0); // the names of days are English
    int64_t ms = -1;
    for (size_t i = 0; c && ms < 0 && i < sizeof(forms) / sizeof(forms[0]); i++) {
        struct tm tm = { 0 };
        const char *end = strptime_l(value, forms[i], &tm, c);
        if (end && !*end) {
            ms = bounded_ms((int64_t)timegm(&tm) - (int64_t)now);
        }
    }
    if (c) {
        freelocale(c);
    }
    return ms;
}
