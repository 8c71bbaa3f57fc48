// What people talk about: topics with popularity and recency, from trends.yaml.
//
// A trend comes back every year around its day (`peak: "12-01"`) or was seen once (`since:
// "2026-03-14"`). Its recency halves every `half_life_days` from then; score = 0.6 popularity + 0.4
// recency. Immutable once loaded. Threads: any.
#ifndef MEMEGEN_PIPELINE_TRENDS_H
#define MEMEGEN_PIPELINE_TRENDS_H

#include <jansson.h>
#include <stddef.h>
#include <time.h>

#define TREND_TOPIC_BYTES 201

struct trends;

struct trend {
    char topic[TREND_TOPIC_BYTES];
    double score, popularity; // 0 to 1
    double age_hours;
};

int trends_load(struct trends **ret, const char *data_dir, char *error, size_t error_size);
void trends_free(struct trends *trends);

// All trends at that time, best first: [{"topic", "score", "popularity", "age_hours", "tags"}];
// those that are yet to come are left out. A new reference; NULL without memory.
json_t *trends_at(const struct trends *trends, time_t now);

#endif
