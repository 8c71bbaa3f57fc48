// Questions over HTTP, to any endpoint that speaks OpenAI's chat completions.
//
// A try is one HTTP call, or more where one failed in a way that another may not: with full jitter
// in between, or what Retry-After says, within the time that the question has in all. Each HTTP
// call is a telemetry_external operation; its answer is held against the signature before that
// ends, so that what the model got wrong counts as a failed call.
#ifndef MEMEGEN_LLM_OPENAI_H
#define MEMEGEN_LLM_OPENAI_H

#include <stdint.h>
#include <time.h>

#include "memegen/llm/http.h"
#include "memegen/llm/llm.h"
#include "memegen/llm/price.h"

// Everything outside of the provider, for tests; what is NULL is the real one.
struct openai_world {
    void (*post)(void *arg, const struct http_request *request, struct http_answer *ret);
    int64_t (*now_ms)(void *arg); // monotonic
    time_t (*unix_time)(void *arg);
    int (*wait)(void *arg, int64_t until_ms); // 0 or -ECANCELED
    double (*luck)(void *arg);                // 0 to 1
    void *arg;
};

struct openai_options {
    const char *base_url; // "https://api.openai.com/v1": copied, as key and model
    const char *key;      // "" sends none
    const char *model;
    const struct price *price; // of the model; NULL: its cost is not counted
    unsigned connect_ms;       // of one HTTP call, to the connection
    unsigned attempt_ms;       // of one HTTP call, to the end of its answer
    unsigned timeout_ms;       // of a question, with all its HTTP calls
    unsigned retries;          // HTTP calls after the first, in one try
    size_t concurrency;        // HTTP calls at once
    const struct openai_world *world;
};

// Returns 0 or a negative errno. Makes no call.
int openai_open(struct llm **ret, const struct openai_options *options);

#endif
