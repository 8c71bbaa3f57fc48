// One call in a stack, with what is known of it: what a code address becomes once it has a name. A
// plain view: it borrows all it points to.
//
// Most addresses are one frame; where functions were inlined at it, it is several: the innermost
// first, all with the same address, all but the last `inlined` into the next one.
#ifndef RECORD_FRAME_H
#define RECORD_FRAME_H

#include <stdbool.h>
#include <stdint.h>

#include "spyglass/log.h"

// Most frames of one record, inlined ones included.
#define SPY__FRAMES_MAX 128

struct spy__frame {
    uintptr_t address;    // as it was captured: a return address
    const char *function; // NULL where it is not known
    const char *file;     // of the source; NULL where it is not known
    unsigned line;        // 0 where it is not known
    bool inlined;         // its code lies in the function of the next frame
    const char *module;   // file name of the program or library; NULL where there is none
    const char *build_id; // of the module, in hex; NULL where it has none
    uint64_t offset;      // the address as the module's file has it: what addr2line asks for
    const char *package;  // path of the module's file; NULL where it is not known
    uintptr_t image_addr; // where the module begins in memory; 0 where there is none
    uint64_t image_size;
    bool in_app; // the program's own code, or that of a library that lies beside it
};

// The type of a field that is an array of frames, made from one of SPY_FIELD_ADDRS by the pump:
// `value.addrs` points to struct spy__frame, `len` counts them. No caller can make one.
#define SPY__FIELD_FRAMES ((int)SPY_FIELD_ADDRS + 1)

static inline const struct spy__frame *spy__field_frames(const struct spy_field *field)
{
    return (const struct spy__frame *)(const void *)field->value.addrs;
}

static inline struct spy_field spy__frames(const char *key, const struct spy__frame *frames,
                                           size_t n)
{
    struct spy_field field = { .key = key,
                               .type = (enum spy_field_type)SPY__FIELD_FRAMES,
                               .len = n };
    field.value.addrs = (const uintptr_t *)(const void *)frames;
    return field;
}

#endif
