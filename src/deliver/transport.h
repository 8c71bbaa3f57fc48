// How the engine sends: several exchanges at once, driven by one thread that waits for all of them.
// deliver/http.h has the real one; tests have their own.
//
// Threads: the delivery thread alone, but for wake().
#ifndef DELIVER_TRANSPORT_H
#define DELIVER_TRANSPORT_H

#include <stdbool.h>
#include <stddef.h>

#include "deliver/backend.h"

// A POST. All is borrowed until the exchange has ended or was cancelled.
struct spy__call {
    const char *base;
    const struct spy__tls *tls;
    const struct spy__request *request; // its encoding: what `body` is in
    const struct spy__buf *body;
    unsigned timeout_ms;
};

struct spy__transport {
    void *self;
    // Begins an exchange in a slot that has none. Returns 0 or -ENOMEM: then there is none.
    int (*send)(void *self, unsigned slot, const struct spy__call *call);
    // Ends the slot's exchange, if it has one, without an answer.
    void (*cancel)(void *self, unsigned slot);
    // Waits until something of the network happens, one of the descriptors is readable, somebody
    // calls wake(), or the time is over.
    void (*wait)(void *self, const int *fds, size_t count, unsigned timeout_ms);
    // An exchange that has ended: true with its slot and answer, which is valid until the slot's
    // next send.
    bool (*ended)(void *self, unsigned *ret_slot, struct spy__answer *ret);
    // Ends a wait, or the next one. Threads: any.
    void (*wake)(void *self);
};

#endif
