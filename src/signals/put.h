// A record's parts as every signal writes them into its thread's ring, inline: what runs on the
// caller's time (record/wire_put.h).
#ifndef SIGNALS_PUT_H
#define SIGNALS_PUT_H

#include "record/wire_put.h"
#include "signals/context.h"

// The ids of this thread's context, which are in wire form already.
static inline void spy__put_ids(struct spy__wire_put *put, struct spy__wire_head *head)
{
    const struct spy_context *ctx = spy__current.ctx;
    if (ctx) {
        head->context_bytes = (uint16_t)ctx->ids_bytes;
        spy__wire_put_blob(put, &ctx->ids, ctx->ids_bytes, ctx->ids_sum);
    }
}

// The call's fields, behind those that head counts already. Returns how many were none, and left out.
static inline unsigned spy__put_fields(struct spy__wire_put *put, struct spy__wire_head *head,
                                       const struct spy_field *fields, size_t n)
{
    unsigned bad = 0;
    for (size_t i = 0; i < n; i++) {
        if (SPY__LIKELY(spy__wire_is_field(&fields[i]))) {
            spy__wire_put_field(put, &fields[i]);
            head->field_count++;
        } else {
            bad += fields[i].type != SPY_FIELD_NONE; // that is left out on purpose
        }
    }
    return bad;
}

#endif
