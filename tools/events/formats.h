// The engine's formats and their content types, as its table system.formats has them.
//
// Threads: loaded by one, then read by any.
#ifndef EVENTS_FORMATS_H
#define EVENTS_FORMATS_H

#include "tools/events/engine.h"

struct events_format {
    char name[64], content_type[96];
};

struct events_formats {
    struct events_format *all;
    size_t count;
};

// False where the engine does not tell them.
bool events_formats_load(struct events_formats *ret, struct events_session *session);
void events_formats_done(struct events_formats *formats);
// The format of that name, whatever its letters' case; NULL: there is none.
const struct events_format *events_formats_find(const struct events_formats *formats,
                                                struct events_text name);

#endif
