// Stacks in log lines, innermost call first.
//
// As JSON, an array of frames; what is not known of one is left out, and one without a function has
// what finds it later (addr2line, debuginfod):
//
//     [{"function":"draw_text","file":"memegen/render/text.c","line":88,"address":"0x…","module":"memegen"},
//      {"function":"put","file":"…","line":12,"inlined":true,"address":"0x…","module":"memegen"},
//      {"address":"0x…","module":"libcairo.so.2.11600.0","offset":"0x1f3c","build_id":"…"}]
//
// For people: [draw_text(memegen/render/text.c:88) put(…:12) libcairo.so.2.11600.0+0x1f3c 0x55d0]
#ifndef ENCODE_LOG_STACK_H
#define ENCODE_LOG_STACK_H

#include "base/buf.h"
#include "record/record.h"

// Longest name that a line says, in bytes: a mangled C++ function has no end. So the frames of one
// record stay below 90 KiB, and their line within SPY__LINE_MAX.
#define SPY__FRAME_TEXT_MAX 160

// Appends the value of a field of type SPY_FIELD_ADDRS or SPY__FIELD_FRAMES.
void spy__encode_stack_json(struct spy__buf *out, const struct spy_field *field);
// Holds no control characters, and nothing but ASCII ('?' stands for the rest).
void spy__encode_stack_text(struct spy__buf *out, const struct spy_field *field);

#endif
