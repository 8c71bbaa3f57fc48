// Trends and their scores: see trends.h.

#include "memegen/pipeline/trends.h"

#include <errno.h>
#include <math.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "memegen/yaml.h"

#define FILE_NAME "trends.yaml"
#define TRENDS_MAX 500
#define POPULARITY_WEIGHT 0.6
#define RECENCY_WEIGHT 0.4

struct entry {
    const char *topic; // borrowed from the tree, as are the tags
    json_t *tags;
    double popularity, half_life_days;
    int year, month, day; // year 0: every year
};

struct trends {
    json_t *tree;
    size_t count;
    struct entry entries[];
};

// "MM-DD" or "YYYY-MM-DD".
static int read_day(struct entry *entry, const char *peak, const char *since)
{
    int end = 0;
    bool ok = peak ? sscanf(peak, "%2d-%2d%n", &entry->month, &entry->day, &end) == 2 && !peak[end]
                   : sscanf(since, "%4d-%2d-%2d%n", &entry->year, &entry->month, &entry->day,
                            &end) == 3 &&
                         !since[end];
    return ok && entry->month >= 1 && entry->month <= 12 && entry->day >= 1 && entry->day <= 31
               ? 0
               : -EINVAL;
}

static int read_entry(struct entry *entry, json_t *object, char *error, size_t size)
{
    const char *peak = NULL, *since = NULL;
    json_error_t problem;
    size_t i;
    json_t *tag;
    if (json_unpack_ex(object, &problem, JSON_STRICT, "{s:s, s:F, s:F, s:o, s?s, s?s}", "topic",
                       &entry->topic, "popularity", &entry->popularity, "half_life_days",
                       &entry->half_life_days, "tags", &entry->tags, "peak", &peak, "since",
                       &since) < 0) {
        snprintf(error, size, "%s", problem.text);
        return -EINVAL;
    }
    bool tags_good = json_is_array(entry->tags);
    json_array_foreach(entry->tags, i, tag)
    {
        tags_good = tags_good && json_is_string(tag);
    }
    const char *what = NULL;
    if (!*entry->topic || strlen(entry->topic) >= TREND_TOPIC_BYTES) {
        what = "its topic must have 1 to 200 bytes";
    } else if (!(entry->popularity >= 0 && entry->popularity <= 1)) {
        what = "its popularity must be from 0 to 1";
    } else if (!(entry->half_life_days > 0 && entry->half_life_days <= 3650)) {
        what = "its half_life_days must be over 0 and at most 3650";
    } else if (!tags_good) {
        what = "its tags must be a list of strings";
    } else if (!peak == !since || read_day(entry, peak, since) < 0) {
        what = "it needs peak: \"MM-DD\" or since: \"YYYY-MM-DD\"";
    }
    snprintf(error, size, "%s", what ? what : "");
    return what ? -EINVAL : 0;
}

int trends_load(struct trends **ret, const char *data_dir, char *error, size_t error_size)
{
    char path[4096], what[160];
    int r = -EINVAL;
    struct trends *trends = NULL;
    snprintf(path, sizeof(path), "%s/%s", data_dir, FILE_NAME);
    json_t *tree = yaml_load(path, error, error_size);
    if (!tree) {
        return -EINVAL;
    }
    const json_t *list = json_object_get(tree, "trends");
    size_t count = json_array_size(list);
    if (count == 0 || count > TRENDS_MAX) {
        snprintf(error, error_size, "%s: trends must be a list of 1 to %d", FILE_NAME, TRENDS_MAX);
        goto fail;
    }
    trends = calloc(1, sizeof(*trends) + count * sizeof(trends->entries[0]));
    if (!trends) {
        snprintf(error, error_size, "out of memory");
        r = -ENOMEM;
        goto fail;
    }
    for (; trends->count < count; trends->count++) {
        r = read_entry(&trends->entries[trends->count], json_array_get(list, trends->count), what,
                       sizeof(what));
        if (r < 0) {
            snprintf(error, error_size, "%s: trend %zu is wrong: %s", FILE_NAME, trends->count + 1,
                     what);
            goto fail;
        }
    }
    trends->tree = tree;
    *ret = trends;
    return 0;
fail:
    free(trends);
    json_decref(tree);
    return r;
}

void trends_free(struct trends *trends)
{
    if (trends) {
        json_decref(trends->tree);
        free(trends);
    }
}

// Seconds since the trend's day last began, in UTC; negative where it is yet to come.
static double age_seconds(const struct entry *entry, time_t now)
{
    struct tm today;
    gmtime_r(&now, &today);
    struct tm day = { .tm_year = entry->year ? entry->year - 1900 : today.tm_year,
                      .tm_mon = entry->month - 1,
                      .tm_mday = entry->day };
    double age = difftime(now, timegm(&day));
    if (age < 0 && !entry->year) {
        day = (struct tm){ .tm_year = today.tm_year - 1,
                           .tm_mon = entry->month - 1,
                           .tm_mday = entry->day };
        age = difftime(now, timegm(&day));
    }
    return age;
}

struct scored {
    const struct entry *entry;
    double score, age_hours;
};

static int by_score(const void *a, const void *b)
{
    const struct scored *x = a, *y = b;
    if (x->score != y->score) {
        return x->score < y->score ? 1 : -1;
    }
    return strcmp(x->entry->topic, y->entry->topic);
}

json_t *trends_at(const struct trends *trends, time_t now)
{
    struct scored *scored = calloc(trends->count, sizeof(*scored));
    json_t *list = json_array();
    size_t count = 0;
    for (size_t i = 0; scored && i < trends->count; i++) {
        const struct entry *entry = &trends->entries[i];
        double age = age_seconds(entry, now);
        if (age >= 0) {
            double recency = exp2(-age / 86400 / entry->half_life_days);
            scored[count++] = (struct scored){
                entry, POPULARITY_WEIGHT * entry->popularity + RECENCY_WEIGHT * recency, age / 3600
            };
        }
    }
    int failed = !scored || !list;
    if (count > 1) {
        qsort(scored, count, sizeof(*scored), by_score);
    }
    for (size_t i = 0; i < count && !failed; i++) {
        failed = json_array_append_new(
            list, json_pack("{s:s, s:f, s:f, s:f, s:O}", "topic", scored[i].entry->topic, "score",
                            scored[i].score, "popularity", scored[i].entry->popularity, "age_hours",
                            scored[i].age_hours, "tags", scored[i].entry->tags));
    }
    free(scored);
    if (failed) {
        json_decref(list);
        return NULL;
    }
    return list;
}
