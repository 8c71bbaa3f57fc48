// Stacks as Sentry takes them, and the files that their addresses lie in
// (https://develop.sentry.dev/sdk/foundations/transport/event-payloads/stacktrace/ and debugmeta/).
//
// Pure functions of their arguments.
#ifndef ENCODE_SENTRY_STACK_H
#define ENCODE_SENTRY_STACK_H

#include "base/json.h"
#include "record/record.h"

// A stack, its innermost frame first.
struct spy__sentry_stack {
    const struct spy__frame *frames;
    size_t count;
    bool has_pc; // the innermost address is that of an instruction: all others are return addresses
};

// The value of a "stacktrace": its frames the outermost first, as Sentry has them.
void spy__sentry_put_stack(struct spy__json *j, const struct spy__sentry_stack *stack);

// One frame.
void spy__sentry_put_frame(struct spy__json *j, const struct spy__frame *frame);

// Most images of one event; frames in others name their file alone.
#define SPY__SENTRY_IMAGES_MAX 256u

// Inside of an event's object: debug_meta, with each image that the stacks lie in and that has a
// build id; nothing where there is none.
void spy__sentry_put_debug_meta(struct spy__json *j, const struct spy__sentry_stack *stacks,
                                size_t count);

// One image of a debug_meta.
void spy__sentry_put_image(struct spy__json *j, const char *path, const char *build_id,
                           uintptr_t start, uint64_t size);

// The same in a profile, where the two words for one thing are an error.
void spy__sentry_put_profile_image(struct spy__json *j, const char *path, const char *build_id,
                                   uintptr_t start, uint64_t size);

// The id that Sentry and its tools know a debug file by: the first 16 bytes of the build id (which
// is in hex) as a little-endian GUID.
#define SPY__DEBUG_ID_LEN 36
void spy__debug_id_print(char ret[SPY__DEBUG_ID_LEN + 1], const char *build_id);

#endif
