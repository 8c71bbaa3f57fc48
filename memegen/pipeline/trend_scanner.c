// trend_scanner: something that people talk about now and that suits the topic.

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "memegen/llm/dice.h"
#include "memegen/pipeline/agents.h"

// Of the best ones, where no trend shares a word with the topic.
#define BEST 5

// The trends of this hour: from the cache, else scored and cached. A new reference; NULL without
// memory.
static json_t *trends_cached(struct pipeline *pipeline, time_t now)
{
    char key[48];
    void *value;
    size_t len;
    snprintf(key, sizeof(key), "ranking/%lld", (long long)now / 3600);
    if (cache_get(pipeline->cache, CACHE_TREND, key, &value, &len) == 0) {
        json_t *list = json_loadb(value, len, 0, NULL);
        free(value);
        if (list) {
            return list;
        }
    }
    json_t *list = trends_at(pipeline->trends, now);
    char *text = list ? json_dumps(list, JSON_COMPACT) : NULL;
    if (text) {
        cache_set(pipeline->cache, CACHE_TREND, key, text, strlen(text));
        free(text);
    }
    return list;
}

json_t *pipeline_trends(struct pipeline *pipeline)
{
    return trends_cached(pipeline, time(NULL));
}

// Tags and words of the trend that are key words of the topic or its subject.
static size_t shared(const struct route *route, const json_t *trend)
{
    char folded[TREND_TOPIC_BYTES * 2];
    const char *topic = json_string_value(json_object_get(trend, "topic"));
    const json_t *tags = json_object_get(trend, "tags");
    size_t hits = 0;
    words_fold(folded, sizeof(folded), topic, strlen(topic));
    for (size_t i = 0; i < route->keyword_count; i++) {
        hits += words_find(folded, route->keywords[i]) != NULL;
    }
    for (size_t i = 0; i < json_array_size(tags); i++) {
        const char *tag = json_string_value(json_array_get(tags, i));
        hits += strcmp(tag, route->subject) == 0;
        for (size_t k = 0; k < route->keyword_count; k++) {
            hits += strcmp(tag, route->keywords[k]) == 0;
        }
    }
    return hits;
}

void agent_trend_scanner(struct job *job, struct agent_result *ret)
{
    json_t *list = trends_cached(job->pipeline, job->now);
    if (!list) {
        agent_fail(ret, "internal", "Out of memory.");
        return;
    }
    const json_t *best = NULL;
    double best_fit = 0;
    for (size_t i = 0; i < json_array_size(list); i++) {
        const json_t *trend = json_array_get(list, i);
        double fit =
            (double)shared(&job->route, trend) * json_number_value(json_object_get(trend, "score"));
        if (fit > best_fit) {
            best = trend;
            best_fit = fit;
        }
    }
    size_t count = json_array_size(list) < BEST ? json_array_size(list) : BEST;
    if (!best && count > 0) {
        struct dice dice = { job->seed ^ 0x7472656e64u };
        best = json_array_get(list, dice_below(&dice, count));
    }
    if (best) {
        words_copy(job->trend.topic, sizeof(job->trend.topic),
                   json_string_value(json_object_get(best, "topic")));
        job->trend.score = json_number_value(json_object_get(best, "score"));
        job->trend.popularity = json_number_value(json_object_get(best, "popularity"));
        job->trend.age_hours = json_number_value(json_object_get(best, "age_hours"));
        agent_note(ret, "\"%.100s\", score %.2f%s.", job->trend.topic, job->trend.score,
                   best_fit > 0 ? ", shares words with the topic" : ", for it is popular");
    } else {
        agent_note(ret, "No trend now.");
    }
    json_decref(list);
}
