#include "backends/sentry_category.h"

#include <string.h>

const char *spy__sentry_category_name(enum spy__sentry_category category)
{
    static const char *const names[SPY__SENTRY_CATEGORIES] = {
        [SPY__SENTRY_DEFAULT] = "default",         [SPY__SENTRY_ERROR] = "error",
        [SPY__SENTRY_TRANSACTION] = "transaction", [SPY__SENTRY_SPAN] = "span",
        [SPY__SENTRY_PROFILE] = "profile",         [SPY__SENTRY_SESSION] = "session",
    };
    return names[category];
}

enum spy__sentry_category spy__sentry_category_find(const char *name, size_t n)
{
    for (int i = 0; i < SPY__SENTRY_CATEGORIES; i++) {
        const char *own = spy__sentry_category_name((enum spy__sentry_category)i);
        if (strlen(own) == n && memcmp(own, name, n) == 0) {
            return (enum spy__sentry_category)i;
        }
    }
    return SPY__SENTRY_CATEGORIES;
}

enum spy__sentry_category spy__sentry_category_of(const struct spy__document_item *item)
{
    static const struct {
        const char *type;
        enum spy__sentry_category category;
    } known[] = {
        { "event", SPY__SENTRY_ERROR },      { "transaction", SPY__SENTRY_TRANSACTION },
        { "profile", SPY__SENTRY_PROFILE },  { "session", SPY__SENTRY_SESSION },
        { "sessions", SPY__SENTRY_SESSION },
    };
    for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++) {
        if (strcmp(known[i].type, item->type) == 0) {
            return known[i].category;
        }
    }
    return SPY__SENTRY_DEFAULT;
}

void spy__sentry_count_item(uint64_t counts[SPY__SENTRY_CATEGORIES],
                            const struct spy__document_item *item)
{
    enum spy__sentry_category category = spy__sentry_category_of(item);
    counts[category]++;
    if (category == SPY__SENTRY_TRANSACTION) {
        counts[SPY__SENTRY_SPAN] += (uint64_t)item->count + 1;
    }
}
