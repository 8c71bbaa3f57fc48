// Stacks as JSON and as text, see the header.

#include "encode/log_stack.h"

#include "base/ids.h"
#include "base/json.h"
#include "base/number.h"
#include "base/utf8.h"

static void put_text(struct spy__json *j, const char *key, const char *text)
{
    if (text) {
        spy__json_key(j, key);
        spy__json_strn(j, text, spy__utf8_cut(text, strlen(text), SPY__FRAME_TEXT_MAX));
    }
}

// Addresses are strings: JSON's numbers are doubles to many readers, and lose their last bits.
static void put_address(struct spy__json *j, const char *key, uintptr_t address)
{
    char text[18];
    spy__json_key(j, key);
    spy__json_strn(j, text, spy__address_print(text, address));
}

static void put_frame(struct spy__json *j, const struct spy__frame *frame)
{
    spy__json_object(j);
    put_text(j, "function", frame->function);
    put_text(j, "file", frame->file);
    if (frame->line > 0) {
        spy__json_key(j, "line");
        spy__json_u64(j, frame->line);
    }
    if (frame->inlined) {
        spy__json_key(j, "inlined");
        spy__json_bool(j, true);
    }
    put_address(j, "address", frame->address);
    put_text(j, "module", frame->module);
    if (!frame->function && frame->module) {
        put_address(j, "offset", (uintptr_t)frame->offset);
        put_text(j, "build_id", frame->build_id);
    }
    spy__json_object_end(j);
}

// The frames of either type of field: a bare address is a frame of which nothing else is known.
static struct spy__frame frame_at(const struct spy_field *field, size_t i)
{
    return field->type == SPY_FIELD_ADDRS ? (struct spy__frame){ .address = field->value.addrs[i] }
                                          : spy__field_frames(field)[i];
}

void spy__encode_stack_json(struct spy__buf *out, const struct spy_field *field)
{
    struct spy__json j;
    spy__json_init(&j, out);
    spy__json_array(&j);
    for (size_t i = 0; i < field->len; i++) {
        struct spy__frame frame = frame_at(field, i);
        put_frame(&j, &frame);
    }
    spy__json_array_end(&j);
}

static void put_plain(struct spy__buf *out, const char *text)
{
    for (size_t i = 0; text[i] && i < SPY__FRAME_TEXT_MAX; i++) {
        spy__buf_putc(out, text[i] >= ' ' && text[i] <= '~' ? text[i] : '?');
    }
}

static void put_frame_text(struct spy__buf *out, const struct spy__frame *frame)
{
    char number[SPY__NUMBER_MAX];
    if (frame->function) {
        put_plain(out, frame->function);
    } else if (frame->module) {
        put_plain(out, frame->module);
        spy__buf_putc(out, '+');
        spy__buf_put(out, number, spy__address_print(number, (uintptr_t)frame->offset));
    } else {
        spy__buf_put(out, number, spy__address_print(number, frame->address));
    }
    if (frame->file) {
        spy__buf_putc(out, '(');
        put_plain(out, frame->file);
        spy__buf_putc(out, ':');
        spy__buf_put(out, number, spy__u64_print(number, frame->line));
        spy__buf_putc(out, ')');
    }
}

void spy__encode_stack_text(struct spy__buf *out, const struct spy_field *field)
{
    spy__buf_putc(out, '[');
    for (size_t i = 0; i < field->len; i++) {
        struct spy__frame frame = frame_at(field, i);
        if (i > 0) {
            spy__buf_putc(out, ' ');
        }
        put_frame_text(out, &frame);
    }
    spy__buf_putc(out, ']');
}
