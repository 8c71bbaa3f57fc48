// Bodies for the event store: decoded however they are cut, bounded, and encoded again; Native made
// of what the engine gives.

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "alloc_fail.h"
#include "tools/events/coding.h"
#include "tools/events/native.h"

static const enum events_coding codings[] = { EVENTS_IDENTITY, EVENTS_GZIP, EVENTS_ZSTD };

static char *rows(size_t *ret_len)
{
    char *text = malloc(1u << 20);
    size_t n = 0;
    assert_non_null(text);
    for (int i = 0; n < (1u << 19); i++) {
        n += (size_t)snprintf(text + n, (1u << 20) - n, "{\"n\":%d}\n", i);
    }
    *ret_len = n;
    return text;
}

static void encode(struct spy__buf *out, enum events_coding coding, const char *bytes, size_t n)
{
    spy__buf_init(out, 1u << 24);
    if (coding == EVENTS_IDENTITY) {
        spy__buf_put(out, bytes, n);
    } else {
        assert_true(events_encode(out, coding, bytes, n));
    }
    assert_false(out->failed);
}

static enum events_body_state decode(struct events_body *body, enum events_coding coding,
                                     const char *bytes, size_t n, size_t step)
{
    assert_true(events_body_begin(body, coding));
    for (size_t at = 0; at < n; at += step) {
        events_body_take(body, bytes + at, n - at < step ? n - at : step);
    }
    events_body_end(body);
    return body->state;
}

static void what_is_encoded_is_decoded_however_it_comes(void **state)
{
    static const size_t steps[] = { 1, 7, 4096, SIZE_MAX / 2 };
    size_t n;
    char *text = rows(&n);
    (void)state;
    for (size_t c = 0; c < 3; c++) {
        struct spy__buf encoded;
        encode(&encoded, codings[c], text, n);
        assert_true(codings[c] == EVENTS_IDENTITY || encoded.len < n / 4);
        for (size_t s = 0; s < 4; s++) {
            struct events_body body = { 0 };
            assert_int_equal(decode(&body, codings[c], encoded.bytes, encoded.len, steps[s]),
                             EVENTS_BODY_GOOD);
            assert_int_equal(body.bytes.len, n);
            assert_memory_equal(body.bytes.bytes, text, n);
            events_body_done(&body);
        }
        spy__buf_done(&encoded);
    }
    free(text);
}

static void one_may_follow_another(void **state)
{
    (void)state;
    for (size_t c = 1; c < 3; c++) {
        struct spy__buf two;
        struct events_body body = { 0 };
        encode(&two, codings[c], "one", 3);
        assert_true(events_encode(&two, codings[c], "two", 3));
        assert_int_equal(decode(&body, codings[c], two.bytes, two.len, 5), EVENTS_BODY_GOOD);
        assert_int_equal(body.bytes.len, 6);
        assert_memory_equal(body.bytes.bytes, "onetwo", 6);
        events_body_done(&body);
        spy__buf_done(&two);
    }
}

static void a_cut_or_broken_one_is_told(void **state)
{
    (void)state;
    for (size_t c = 1; c < 3; c++) {
        struct spy__buf encoded;
        encode(&encoded, codings[c], "some text", 9);
        for (size_t n = 0; n < encoded.len; n++) {
            struct events_body body = { 0 };
            assert_int_equal(decode(&body, codings[c], encoded.bytes, n, 3), EVENTS_BODY_BROKEN);
            events_body_done(&body);
        }
        struct events_body body = { 0 };
        assert_int_equal(decode(&body, codings[c], "plain text, no more", 19, 19),
                         EVENTS_BODY_BROKEN);
        events_body_take(&body, "more", 4); // is thrown away
        assert_int_equal(body.state, EVENTS_BODY_BROKEN);
        events_body_done(&body);
        spy__buf_done(&encoded);
    }
}

static void a_bomb_is_too_long(void **state)
{
    static char zeros[1u << 20];
    (void)state;
    for (size_t c = 0; c < 3; c++) {
        struct spy__buf encoded;
        struct events_body body = { 0 };
        encode(&encoded, codings[c], zeros, sizeof(zeros));
        assert_true(events_body_begin(&body, codings[c]));
        for (size_t i = 0; i <= EVENTS_BODY_BYTES_MAX / sizeof(zeros); i++) {
            assert_int_equal(body.state, EVENTS_BODY_GOOD);
            events_body_take(&body, encoded.bytes, encoded.len);
        }
        assert_int_equal(body.state, EVENTS_BODY_TOO_LONG);
        events_body_done(&body);
        spy__buf_done(&encoded);
    }
}

static void all_together_have_a_budget(void **state)
{
    static char zeros[1u << 20];
    enum { COUNT = EVENTS_BODIES_BYTES_MAX / EVENTS_BODY_BYTES_MAX };
    struct events_body bodies[COUNT + 1] = { 0 };
    (void)state;
    for (size_t i = 0; i <= COUNT; i++) {
        assert_true(events_body_begin(&bodies[i], EVENTS_IDENTITY));
        for (size_t n = 0; i < COUNT && n < EVENTS_BODY_BYTES_MAX / sizeof(zeros); n++) {
            events_body_take(&bodies[i], zeros, sizeof(zeros));
        }
        assert_int_equal(bodies[i].state, EVENTS_BODY_GOOD);
    }
    events_body_take(&bodies[COUNT], "x", 1);
    assert_int_equal(bodies[COUNT].state, EVENTS_BODY_NO_ROOM);
    for (size_t i = 0; i <= COUNT; i++) {
        events_body_done(&bodies[i]);
    }
    assert_true(events_body_begin(&bodies[0], EVENTS_IDENTITY)); // it is given back
    events_body_take(&bodies[0], "x", 1);
    assert_int_equal(bodies[0].state, EVENTS_BODY_GOOD);
    events_body_done(&bodies[0]);
}

static void without_memory_it_says_so(void **state)
{
    struct spy__buf encoded;
    (void)state;
    for (size_t c = 0; c < 3; c++) {
        encode(&encoded, codings[c], "some text", 9);
        bool done = false;
        for (long n = 0; !done; n++) {
            struct events_body body = { 0 };
            assert_in_range(n, 0, 20);
            alloc_fail_after(n);
            if (events_body_begin(&body, codings[c])) {
                events_body_take(&body, encoded.bytes, encoded.len);
                events_body_end(&body);
                done = body.state == EVENTS_BODY_GOOD;
                assert_true(done || body.state == EVENTS_BODY_NO_ROOM);
            }
            alloc_fail_never();
            events_body_done(&body);
        }
        spy__buf_done(&encoded);
    }
    for (size_t c = 1; c < 3; c++) {
        spy__buf_init(&encoded, 1u << 20);
        alloc_fail_after(0);
        assert_false(events_encode(&encoded, codings[c], "some text", 9));
        alloc_fail_never();
        spy__buf_done(&encoded);
    }
}

// Two columns, two blocks of two rows and one.
static const char header[] = "\2\1x\1s\5UInt8\6String";
static const char buffers[] = "\2\0\0\0\0\0\0\0\2\0\0\0\0\0\0\0"
                              "\2\0\0\0\0\0\0\0\7\10"
                              "\4\0\0\0\0\0\0\0\1a\1b"
                              "\2\0\0\0\0\0\0\0\1\0\0\0\0\0\0\0"
                              "\1\0\0\0\0\0\0\0\11"
                              "\2\0\0\0\0\0\0\0\1c";
static const char native[] = "\1\0\2\377\377\377\377\0\2\2\1x\5UInt8\0\7\10\1s\6String\0\1a\1b"
                             "\1\0\2\377\377\377\377\0\2\1\1x\5UInt8\0\11\1s\6String\0\1c";

static bool frame(struct spy__buf *out, uint64_t version, size_t header_len, size_t buffers_len)
{
    spy__buf_init(out, 1u << 16);
    return events_native_put(out, version, (struct events_text){ header, header_len },
                             (struct events_text){ buffers, buffers_len });
}

static void native_of_a_version(void **state)
{
    struct spy__buf out;
    (void)state;
    assert_true(frame(&out, 54460, sizeof(header) - 1, sizeof(buffers) - 1));
    assert_int_equal(out.len, sizeof(native) - 1);
    assert_memory_equal(out.bytes, native, out.len);
    spy__buf_done(&out);
    assert_true(frame(&out, 54453, sizeof(header) - 1, sizeof(buffers) - 1));
    assert_int_equal(out.len, sizeof(native) - 1 - 4); // without what tells of serialization
    spy__buf_done(&out);
    assert_true(frame(&out, 54460, sizeof(header) - 1, 0));
    assert_int_equal(out.len, 0);
    spy__buf_done(&out);
}

static void native_of_a_cut_answer_is_none(void **state)
{
    struct spy__buf out;
    (void)state;
    for (size_t n = 0; n < sizeof(header) - 1; n++) {
        assert_false(frame(&out, 54460, n, sizeof(buffers) - 1));
        spy__buf_done(&out);
    }
    const size_t first = 38; // bytes of the first block, which is whole by itself
    for (size_t n = 1; n < sizeof(buffers) - 1; n++) {
        assert_int_equal(frame(&out, 54460, sizeof(header) - 1, n), n == first);
        spy__buf_done(&out);
    }
    spy__buf_init(&out, 20);
    assert_false(events_native_put(&out, 54460, (struct events_text){ header, sizeof(header) - 1 },
                                   (struct events_text){ buffers, sizeof(buffers) - 1 }));
    spy__buf_done(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_encoded_is_decoded_however_it_comes),
        cmocka_unit_test(one_may_follow_another),
        cmocka_unit_test(a_cut_or_broken_one_is_told),
        cmocka_unit_test(a_bomb_is_too_long),
        cmocka_unit_test(all_together_have_a_budget),
        cmocka_unit_test(without_memory_it_says_so),
        cmocka_unit_test(native_of_a_version),
        cmocka_unit_test(native_of_a_cut_answer_is_none),
    };
    return cmocka_run_group_tests_name("events_body", tests, NULL, NULL);
}
