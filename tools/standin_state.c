#include "tools/standin_state.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "memegen/llm/dice.h"

// Requests that GET /requests shows.
#define RECORDS_MAX 128

struct settings {
    enum standin_fault fault;
    double probability;    // that a request gets the fault
    json_int_t times;      // faults still to give; below 0: no limit
    json_int_t latency_ms; // of every answer
    json_int_t jitter_ms;  // up to so much more
    json_int_t slow_ms;    // of the fault "slow", on top
    json_int_t seed;
    char retry_after[64];
    char only[64]; // the fault is for questions of this schema alone; "" for all
};

struct counts {
    json_int_t requests, answered, in_flight, in_flight_max, prompt_tokens, completion_tokens;
    json_int_t faults[FAULTS];
};

struct standin_state {
    pthread_mutex_t mutex; // guards everything below
    struct settings settings;
    struct counts counts;
    json_t *by_schema; // name → {requests, prompt_tokens, completion_tokens}
    json_t *records;
    struct dice dice;
};

static const char *const fault_names[FAULTS] = {
    "none", "down",    "slow", "hang",  "429",          "500",
    "503",  "garbage", "half", "prose", "wrong_schema", "refusal",
};

const char *standin_fault_name(enum standin_fault fault)
{
    return fault_names[fault];
}

static const struct settings defaults = {
    .probability = 1, .times = -1, .slow_ms = 30000, .seed = 1
};

struct standin_state *standin_state_new(void)
{
    struct standin_state *state = calloc(1, sizeof(*state));
    if (!state) {
        return NULL;
    }
    pthread_mutex_init(&state->mutex, NULL);
    state->settings = defaults;
    state->dice.state = (uint64_t)defaults.seed;
    state->by_schema = json_object();
    state->records = json_array();
    if (!state->by_schema || !state->records) {
        standin_state_free(state);
        return NULL;
    }
    return state;
}

void standin_state_free(struct standin_state *state)
{
    if (state) {
        json_decref(state->by_schema);
        json_decref(state->records);
        pthread_mutex_destroy(&state->mutex);
        free(state);
    }
}

static bool wrong(char *problem, size_t size, const char *key, const char *rule)
{
    snprintf(problem, size, "\"%.60s\" must be %s.", key, rule);
    return false;
}

static bool set_fault(struct settings *settings, const json_t *value)
{
    const char *name = json_string_value(value);
    for (int i = 0; name && i < FAULTS; i++) {
        if (strcmp(name, fault_names[i]) == 0) {
            settings->fault = (enum standin_fault)i;
            return true;
        }
    }
    return false;
}

// What goes into a header, or is held against a schema's name.
static bool set_text(char text[64], const json_t *value)
{
    const char *s = json_string_value(value);
    if (!s || strlen(s) != json_string_length(value) || strlen(s) >= 64) {
        return false;
    }
    for (const char *c = s; *c; c++) {
        if (*c < ' ' || *c > '~') {
            return false;
        }
    }
    snprintf(text, 64, "%s", s);
    return true;
}

static bool set_number(json_int_t *number, const json_t *value, json_int_t min, json_int_t max)
{
    json_int_t n = json_integer_value(value);
    if (!json_is_integer(value) || n < min || n > max) {
        return false;
    }
    *number = n;
    return true;
}

#define A_DAY_MS 86400000

static bool set(struct settings *s, const char *key, const json_t *value, char *problem,
                size_t size)
{
    const struct {
        const char *key;
        json_int_t *number;
        json_int_t min, max;
    } numbers[] = {
        { "latency_ms", &s->latency_ms, 0, A_DAY_MS },
        { "jitter_ms", &s->jitter_ms, 0, A_DAY_MS },
        { "slow_ms", &s->slow_ms, 0, A_DAY_MS },
        { "times", &s->times, -1, INT32_MAX },
        { "seed", &s->seed, 0, INT64_MAX },
    };
    for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++) {
        if (strcmp(key, numbers[i].key) == 0) {
            return set_number(numbers[i].number, value, numbers[i].min, numbers[i].max) ||
                   wrong(problem, size, key, "a whole number, and not a wild one");
        }
    }
    if (strcmp(key, "fault") == 0) {
        return set_fault(s, value) ||
               wrong(problem, size, key,
                     "none, down, slow, hang, 429, 500, 503, garbage, half, prose, wrong_schema "
                     "or refusal");
    }
    if (strcmp(key, "probability") == 0) {
        double p = json_number_value(value);
        s->probability = p;
        return (json_is_number(value) && p >= 0 && p <= 1) ||
               wrong(problem, size, key, "a number from 0 to 1");
    }
    if (strcmp(key, "retry_after") == 0 || strcmp(key, "only") == 0) {
        return set_text(*key == 'o' ? s->only : s->retry_after, value) ||
               wrong(problem, size, key, "at most 63 printable ASCII characters");
    }
    return wrong(problem, size, key, "a setting; GET /control shows them all");
}

// {"reset": true} puts every setting and count back, before the rest is applied.
static void reset(struct standin_state *state)
{
    json_int_t in_flight = state->counts.in_flight;
    state->settings = defaults;
    state->counts = (struct counts){ .in_flight = in_flight, .in_flight_max = in_flight };
    json_object_clear(state->by_schema);
    json_array_clear(state->records);
}

bool standin_state_apply(struct standin_state *state, const json_t *settings, char *problem,
                         size_t size)
{
    const char *key;
    json_t *value;
    bool right = true;
    if (!json_is_object(settings)) {
        snprintf(problem, size, "The settings must be a JSON object.");
        return false;
    }
    pthread_mutex_lock(&state->mutex);
    bool resets = json_is_true(json_object_get(settings, "reset"));
    struct settings next = resets ? defaults : state->settings;
    json_object_foreach((json_t *)settings, key, value)
    {
        right = right && (strcmp(key, "reset") == 0 || set(&next, key, value, problem, size));
    }
    if (json_object_get(settings, "fault") && !json_object_get(settings, "times")) {
        next.times = -1;
    }
    if (right) {
        if (resets) {
            reset(state);
        }
        if (resets || json_object_get(settings, "seed")) {
            state->dice.state = (uint64_t)next.seed;
        }
        state->settings = next;
    }
    pthread_mutex_unlock(&state->mutex);
    return right;
}

static json_t *schema_counts(struct standin_state *state, const char *schema)
{
    json_t *counts = json_object_get(state->by_schema, schema);
    if (!counts) {
        counts =
            json_pack("{s:i, s:i, s:i}", "requests", 0, "prompt_tokens", 0, "completion_tokens", 0);
        if (json_object_set_new(state->by_schema, schema, counts) != 0) {
            return NULL;
        }
    }
    return counts;
}

static void count(json_t *counts, const char *name, json_int_t n)
{
    json_t *number = json_object_get(counts, name);
    json_integer_set(number, json_integer_value(number) + n);
}

struct standin_turn standin_state_begin(struct standin_state *state, const char *schema)
{
    struct standin_turn turn = { FAULT_NONE, 0, 0, "" };
    pthread_mutex_lock(&state->mutex);
    struct settings *s = &state->settings;
    struct counts *c = &state->counts;
    double luck =
        dice_unit(&state->dice); // drawn always, so that a seed gives one course of faults
    turn.seed = dice_u64(&state->dice);
    turn.wait_ms =
        (long)(s->latency_ms + (json_int_t)((double)s->jitter_ms * dice_unit(&state->dice)));
    if (s->fault != FAULT_NONE && s->times != 0 && luck < s->probability &&
        (!s->only[0] || strcmp(s->only, schema) == 0)) {
        turn.fault = s->fault;
        s->times -= s->times > 0;
    }
    turn.wait_ms += turn.fault == FAULT_SLOW ? (long)s->slow_ms : 0;
    memcpy(turn.retry_after, s->retry_after, sizeof(turn.retry_after));
    c->requests++;
    c->faults[turn.fault]++;
    c->in_flight++;
    c->in_flight_max = c->in_flight > c->in_flight_max ? c->in_flight : c->in_flight_max;
    count(schema_counts(state, schema), "requests", 1);
    pthread_mutex_unlock(&state->mutex);
    return turn;
}

void standin_state_end(struct standin_state *state, const char *schema, long prompt_tokens,
                       long completion_tokens, json_t *record)
{
    pthread_mutex_lock(&state->mutex);
    struct counts *c = &state->counts;
    json_t *counts = schema_counts(state, schema);
    c->in_flight--;
    c->answered += completion_tokens > 0;
    c->prompt_tokens += prompt_tokens;
    c->completion_tokens += completion_tokens;
    count(counts, "prompt_tokens", prompt_tokens);
    count(counts, "completion_tokens", completion_tokens);
    if (record && json_array_size(state->records) == RECORDS_MAX) {
        json_array_remove(state->records, 0);
    }
    if (record) {
        json_array_append_new(state->records, record);
    }
    pthread_mutex_unlock(&state->mutex);
}

static json_t *fault_counts(const struct counts *counts)
{
    json_t *faults = json_object();
    for (int i = FAULT_NONE + 1; i < FAULTS; i++) {
        json_object_set_new(faults, fault_names[i], json_integer(counts->faults[i]));
    }
    return faults;
}

json_t *standin_state_json(struct standin_state *state)
{
    pthread_mutex_lock(&state->mutex);
    const struct settings *s = &state->settings;
    const struct counts *c = &state->counts;
    json_t *root = json_pack(
        "{s:{s:s, s:f, s:I, s:I, s:I, s:I, s:I, s:s, s:s}, s:I, s:I, s:I, s:I, s:I, s:I, s:o, s:O}",
        "settings", "fault", fault_names[s->fault], "probability", s->probability, "times",
        s->times, "latency_ms", s->latency_ms, "jitter_ms", s->jitter_ms, "slow_ms", s->slow_ms,
        "seed", s->seed, "retry_after", s->retry_after, "only", s->only, "requests", c->requests,
        "answered", c->answered, "in_flight", c->in_flight, "in_flight_max", c->in_flight_max,
        "prompt_tokens", c->prompt_tokens, "completion_tokens", c->completion_tokens, "faults",
        fault_counts(c), "by_schema", state->by_schema);
    json_t *copy = json_deep_copy(root); // by_schema goes on changing
    pthread_mutex_unlock(&state->mutex);
    json_decref(root);
    return copy;
}

json_t *standin_state_requests(struct standin_state *state)
{
    pthread_mutex_lock(&state->mutex);
    json_t *copy = json_deep_copy(state->records);
    pthread_mutex_unlock(&state->mutex);
    return copy;
}
