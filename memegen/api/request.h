// What a client sent, checked: bodies of JSON and query strings become plain values, or a problem
// to answer.
//
// Pure functions over bytes of unknown origin: no I/O, no state. Threads: any.
#ifndef MEMEGEN_API_REQUEST_H
#define MEMEGEN_API_REQUEST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "memegen/meme.h"
#include "memegen/store/store.h"

#define REQUEST_NAME_CHARS_MAX                                                                     \
    64 // user_id, style, template_id, interaction_type, platform; 128 bytes at most
#define REQUEST_LIST_MAX 100
#define REQUEST_LIST_DEFAULT 20

// Why a request is refused.
struct problem {
    int status;       // 400 or 422
    const char *code; // a constant: "bad_json", "invalid_field"
    char field[64];   // which one; "" where it is the whole body
    char message[256];
};

// Whether the value of Content-Type (NULL where absent) is application/json, with no other charset
// than utf-8.
bool request_is_json(const char *content_type);

// Reads the body of POST /memes. Returns true, or false with *problem set; *ret is set only on
// true. Whether the template exists is not asked here.
bool request_meme(struct meme_request *ret, const char *body, size_t len, struct problem *problem);

// Reads the body of POST /memes/{id}/interactions: type, platform and user_id of *ret. Returns as
// request_meme().
bool request_interaction(struct store_interaction *ret, const char *body, size_t len,
                         struct problem *problem);

// Query parameters; value is NULL where absent. Each returns true, or false with *problem set.
bool request_limit(size_t *ret, const char *value, struct problem *problem);
bool request_before(int64_t *ret, const char *value, struct problem *problem);
bool request_async(bool *ret, const char *value, struct problem *problem);

#endif
