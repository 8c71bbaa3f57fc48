// One scrape as a string, and values out of it: for tests of what the exposition says.
#ifndef TESTS_SCRAPE_H
#define TESTS_SCRAPE_H

// The whole text exposition (format 0.0.4); the caller frees it.
char *scrape(void);
// The value of a series, written as it stands there ("db_pool_size", "x_total{a=\"b\"}"), or NaN
// where it is missing.
double scrape_value(const char *series);

#endif
