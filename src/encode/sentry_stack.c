#include "encode/sentry_stack.h"

#include "base/ids.h"
#include "base/utf8.h"

// Longest name that is said, in bytes: a mangled C++ function has no end.
#define NAME_MAX_BYTES 256u

static void put_text(struct spy__json *j, const char *key, const char *text)
{
    if (text) {
        spy__json_key(j, key);
        spy__json_strn(j, text, spy__utf8_cut(text, strlen(text), NAME_MAX_BYTES));
    }
}

static void put_address(struct spy__json *j, const char *key, uintptr_t address)
{
    char text[18];
    spy__json_key(j, key);
    spy__json_strn(j, text, spy__address_print(text, address));
}

// ---- frames

void spy__sentry_put_frame(struct spy__json *j, const struct spy__frame *frame)
{
    spy__json_object(j);
    put_text(j, "function", frame->function);
    put_text(j, "filename", frame->file);
    if (frame->file && frame->file[0] == '/') {
        put_text(j, "abs_path", frame->file);
    }
    if (frame->line > 0) {
        spy__json_key(j, "lineno");
        spy__json_u64(j, frame->line);
    }
    put_text(j, "package", frame->package);
    spy__json_key(j, "in_app");
    spy__json_bool(j, frame->in_app);
    put_address(j, "instruction_addr", frame->address);
    if (frame->image_addr != 0) {
        put_address(j, "image_addr", frame->image_addr);
    }
    spy__json_object_end(j);
}

void spy__sentry_put_stack(struct spy__json *j, const struct spy__sentry_stack *stack)
{
    spy__json_object(j);
    spy__json_key(j, "frames");
    spy__json_array(j);
    for (size_t i = stack->count; i > 0; i--) {
        spy__sentry_put_frame(j, &stack->frames[i - 1]);
    }
    spy__json_array_end(j);
    spy__json_key(j, "instruction_addr_adjustment");
    spy__json_str(j, stack->has_pc ? "all_but_first" : "all");
    spy__json_object_end(j);
}

// ---- images

void spy__debug_id_print(char ret[SPY__DEBUG_ID_LEN + 1], const char *build_id)
{
    // Which byte of the build id stands where: groups of 4, 2 and 2 bytes are turned round.
    static const unsigned char order[16] = { 3, 2, 1, 0, 5, 4, 7, 6, 8, 9, 10, 11, 12, 13, 14, 15 };
    const size_t bytes = strlen(build_id) / 2;
    char *at = ret;
    for (size_t i = 0; i < 16; i++) {
        if (i == 4 || i == 6 || i == 8 || i == 10) {
            *at++ = '-';
        }
        bool there = order[i] < bytes; // a shorter one is filled up with zeros
        *at++ = there ? build_id[2 * order[i]] : '0';
        *at++ = there ? build_id[2 * order[i] + 1] : '0';
    }
    *at = '\0';
}

struct image {
    const char *path, *build_id;
    uintptr_t start;
    uint64_t size;
};

static void put_image(struct spy__json *j, const struct image *image, bool older_words)
{
    char debug_id[SPY__DEBUG_ID_LEN + 1];
    spy__debug_id_print(debug_id, image->build_id);
    spy__json_object(j);
    put_text(j, "type", "symbolic");
    if (older_words) {
        put_text(j, "name", image->path);
    }
    put_text(j, "code_file", image->path);
    put_text(j, "code_id", image->build_id);
    if (older_words) {
        put_text(j, "id", debug_id);
    }
    put_text(j, "debug_id", debug_id);
    put_address(j, "image_addr", image->start);
    spy__json_key(j, "image_size");
    spy__json_u64(j, image->size);
    spy__json_object_end(j);
}

// "symbolic" is the type of a native image that all of Sentry's parsers know: the one of sentry-cli
// knows no "elf", and wants `name` and `id`, which are the older words for `code_file` and `debug_id`.
void spy__sentry_put_image(struct spy__json *j, const char *path, const char *build_id,
                           uintptr_t start, uint64_t size)
{
    put_image(j, &(struct image){ path, build_id, start, size }, true);
}

void spy__sentry_put_profile_image(struct spy__json *j, const char *path, const char *build_id,
                                   uintptr_t start, uint64_t size)
{
    put_image(j, &(struct image){ path, build_id, start, size }, false);
}

// Which images were written.
struct seen {
    size_t count;
    uintptr_t starts[SPY__SENTRY_IMAGES_MAX];
};

static bool is_new(struct seen *seen, uintptr_t start)
{
    for (size_t i = 0; i < seen->count; i++) {
        if (seen->starts[i] == start) {
            return false;
        }
    }
    if (seen->count == SPY__SENTRY_IMAGES_MAX) {
        return false;
    }
    seen->starts[seen->count++] = start;
    return true;
}

static void put_images(struct spy__json *j, const struct spy__sentry_stack *stack,
                       struct seen *seen)
{
    for (size_t i = 0; i < stack->count; i++) {
        const struct spy__frame *frame = &stack->frames[i];
        if (frame->image_addr == 0 || !frame->build_id || !is_new(seen, frame->image_addr)) {
            continue;
        }
        if (seen->count == 1) { // the first
            spy__json_key(j, "debug_meta");
            spy__json_object(j);
            spy__json_key(j, "images");
            spy__json_array(j);
        }
        spy__sentry_put_image(j, frame->package, frame->build_id, frame->image_addr,
                              frame->image_size);
    }
}

void spy__sentry_put_debug_meta(struct spy__json *j, const struct spy__sentry_stack *stacks,
                                size_t count)
{
    struct seen seen;
    seen.count = 0;
    for (size_t i = 0; i < count; i++) {
        put_images(j, &stacks[i], &seen);
    }
    if (seen.count > 0) {
        spy__json_array_end(j);
        spy__json_object_end(j);
    }
}
