// What Sentry counts and limits by: categories of what is sent
// (https://develop.sentry.dev/sdk/foundations/transport/rate-limiting/#definitions). Those that we send
// nothing of are unknown here.
#ifndef BACKENDS_SENTRY_CATEGORY_H
#define BACKENDS_SENTRY_CATEGORY_H

#include <stddef.h>
#include <stdint.h>

#include "record/document.h"

enum spy__sentry_category {
    SPY__SENTRY_DEFAULT,
    SPY__SENTRY_ERROR,
    SPY__SENTRY_TRANSACTION,
    SPY__SENTRY_SPAN, // each of a transaction, and the transaction itself
    SPY__SENTRY_PROFILE,
    SPY__SENTRY_SESSION,
    SPY__SENTRY_CATEGORIES,
};

// "error", …
const char *spy__sentry_category_name(enum spy__sentry_category category);
// The category of a name of n bytes; SPY__SENTRY_CATEGORIES for none.
enum spy__sentry_category spy__sentry_category_find(const char *name, size_t n);

// The category that an item is limited by.
enum spy__sentry_category spy__sentry_category_of(const struct spy__document_item *item);
// Adds what an item counts as.
void spy__sentry_count_item(uint64_t counts[SPY__SENTRY_CATEGORIES],
                            const struct spy__document_item *item);

#endif
