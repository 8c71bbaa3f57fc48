// Events: what becomes of one on its way, and the wiring that spyglass.c needs.
#ifndef SIGNALS_EVENT_H
#define SIGNALS_EVENT_H

#include "record/mask/pseudonym.h"
#include "record/record.h"

// Registers the events' metrics. Returns as spy_counter_register().
int spy__event_register(void);

// The pseudonyms of all events from now on; NULL for none. Borrowed until the next call. Threads: one
// at a time, while no pump runs.
void spy__event_set_pseudonyms(const struct spy__pseudonyms *pseudonyms);

// What a record of an event may be changed into; its fields then point in there until the next call.
struct spy__event_room {
    struct spy_field fields[SPY_FIELDS_MAX];
    struct spy__pseudonym_room pseudonyms;
};

// For the pump, before an event goes anywhere: counts it, brings its fields into their declared
// types, counts those that are unexpected, and puts pseudonyms in. Threads: one at a time with the
// same room.
void spy__event_check(struct spy__record *record, struct spy__event_room *room);

#endif
