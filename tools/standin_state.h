// What the stand-in LLM is told to do, and what it has counted.
//
// Settings come as a JSON object, from flags at the start and from PUT /control at run time; what
// an object does not name stays as it is. Every function locks for itself. Threads: any.
#ifndef TOOLS_STANDIN_STATE_H
#define TOOLS_STANDIN_STATE_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

// What goes wrong with a request.
enum standin_fault {
    FAULT_NONE,
    FAULT_DOWN,         // the connection is closed without an answer
    FAULT_SLOW,         // the right answer, slow_ms late
    FAULT_HANG,         // no answer and no end, until the client goes
    FAULT_429,          // "Too Many Requests", with Retry-After where that is set
    FAULT_500,          // "Internal Server Error"
    FAULT_503,          // "Service Unavailable", with Retry-After where that is set
    FAULT_GARBAGE,      // 200 with a body that is no JSON
    FAULT_HALF,         // the connection is closed after half of the answer's body
    FAULT_PROSE,        // the model chats instead of writing JSON
    FAULT_WRONG_SCHEMA, // the model writes JSON of another form
    FAULT_REFUSAL,      // the model declines
    FAULTS,
};

// How one request is to be treated; drawn once, so that a change while it waits does not tear it.
struct standin_turn {
    enum standin_fault fault;
    long wait_ms; // before the first byte
    uint64_t seed;
    char retry_after[64]; // sent as it is; "" for none
};

struct standin_state;

// Returns NULL without memory.
struct standin_state *standin_state_new(void);
void standin_state_free(struct standin_state *state);

const char *standin_fault_name(enum standin_fault fault);

// Applies an object of settings, all of it or nothing. Returns whether it was right; problem then
// says what was wrong.
bool standin_state_apply(struct standin_state *state, const json_t *settings, char *problem,
                         size_t size);

// A question of the schema came in: counts it in, and says what to do with it.
struct standin_turn standin_state_begin(struct standin_state *state, const char *schema);
// It ended. `record` (taken, may be NULL) joins the latest that GET /requests shows. Tokens count
// where an answer with a usage was sent.
void standin_state_end(struct standin_state *state, const char *schema, long prompt_tokens,
                       long completion_tokens, json_t *record);

// Settings and counts; the latest requests, oldest first. New references, NULL without memory.
json_t *standin_state_json(struct standin_state *state);
json_t *standin_state_requests(struct standin_state *state);

#endif
