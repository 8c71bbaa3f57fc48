// Writing a record from its plain view; see the headers.

#include "base/utf8.h"
#include "record/wire_put.h"

size_t spy__wire_put_long(struct spy__wire_put *put, const struct spy_field *field)
{
    if (field->type == SPY_FIELD_STR) {
        size_t n = spy__utf8_cut(field->value.s, field->len, SPY__FIELD_STR_MAX);
        spy__wire_put_bytes(put, field->value.s, n);
        return n;
    }
    size_t pad = (size_t)(put->start - put->at) & 7;
    if (field->len > SPY__RECORD_MAX / sizeof(uintptr_t)) {
        spy__wire_fail(put);
        return 0;
    }
    memset(put->at, 0, 8); // the pad, and more
    spy__wire_pass(put, put->at + pad);
    spy__wire_put_bytes(put, field->value.addrs, field->len * sizeof(uintptr_t));
    return field->len * sizeof(uintptr_t);
}

static void put_extras(struct spy__wire_put *put, struct spy__wire_head *head,
                       const struct spy__record *record)
{
    if (record->time_ns | record->duration_ns) {
        head->flags |= SPY__WIRE_TIME;
        spy__wire_put_words(put, record->time_ns, record->duration_ns);
    }
    if (record->parent_id) {
        head->flags |= SPY__WIRE_PARENT;
        spy__wire_put_words(put, record->parent_id, 0);
    }
    if (record->id.run) {
        head->flags |= SPY__WIRE_ID;
        head->sequence = record->id.sequence;
        spy__wire_put_words(put, record->id.run, record->id.slot);
    }
    if (record->event_hi | record->event_lo) {
        head->flags |= SPY__WIRE_EVENT;
        spy__wire_put_words(put, record->event_hi, record->event_lo);
    }
    head->flags |= record->recovered ? SPY__WIRE_RECOVERED : 0;
    head->flags |= record->root ? SPY__WIRE_ROOT : 0;
}

static void put_context(struct spy__wire_put *put, struct spy__wire_head *head,
                        const struct spy__record *record)
{
    if (!(record->trace_hi | record->trace_lo) && !record->correlation_id[0]) {
        return;
    }
    size_t n = strlen(record->correlation_id) + 1;
    if (n > UINT16_MAX - 16 || !spy__wire_fits(put, 16 + n)) {
        spy__wire_fail(put);
        return;
    }
    unsigned char *to = put->at;
    memcpy(to, &record->trace_hi, 8);
    memcpy(to + 8, &record->trace_lo, 8);
    memcpy(to + 16, record->correlation_id, n);
    head->context_bytes = (uint16_t)(16 + n);
    put->at += 16 + n;
    spy__wire_mix(put, spy__wire_pair(spy__wire_sum_of(to, 16 + n), 16 + n));
}

void spy__wire_put_record(struct spy__wire_put *put, struct spy__wire_head *head,
                          const struct spy__record *record)
{
    head->kind = (uint8_t)record->kind;
    head->level = (uint8_t)record->level;
    head->span_id = record->span_id;
    put_extras(put, head, record);
    put_context(put, head, record);
    head->event_bytes = (uint32_t)spy__wire_put_text(put, record->event);
    if (record->module) {
        head->module_bytes = (uint32_t)spy__wire_put_text(put, record->module);
    }
    for (size_t i = 0; i < record->field_count && i < UINT16_MAX; i++) {
        if (spy__wire_is_field(&record->fields[i])) {
            spy__wire_put_field(put, &record->fields[i]);
            head->field_count++;
        }
    }
}

size_t spy__wire_write(void *to, size_t cap, const struct spy__record *record)
{
    struct spy__wire_put put;
    struct spy__wire_head head = { 0 };
    if (cap < sizeof(head) + SPY__WIRE_SLACK) {
        return 0;
    }
    cap -= SPY__WIRE_SLACK;
    spy__wire_put_begin(&put, to, cap < SPY__RECORD_MAX ? cap & ~(size_t)7 : SPY__RECORD_MAX, 0);
    spy__wire_put_record(&put, &head, record);
    return spy__wire_failed(&put) ? 0 : spy__wire_put_end(&put, &head);
}

static inline unsigned char *put_pair(unsigned char *at, uint64_t x, uint64_t y)
{
    spy__wire_store8(at, x);
    spy__wire_store8(at + sizeof(x), y);
    return at + 2 * sizeof(x);
}

// What stands between the head and the record's texts: its words in the order of their flags.
size_t spy__wire_copy(void *to, size_t cap, const struct spy__record *record)
{
    const size_t pair = 2 * sizeof(uint64_t);
    struct spy__wire_head head;
    if (!record->wire) {
        return 0;
    }
    memcpy(&head, record->wire, sizeof(head));
    if (head.flags & ~(SPY__WIRE_TIME | SPY__WIRE_PARENT | SPY__WIRE_ROOT | SPY__WIRE_SHAPE)) {
        return 0;
    }
    const unsigned char *from = (const unsigned char *)record->wire + sizeof(head);
    const size_t left = record->wire_bytes - sizeof(head);
    const size_t had = head.flags & SPY__WIRE_TIME ? pair : 0;
    const size_t parent = head.flags & SPY__WIRE_PARENT ? pair : 0;
    const size_t with_id = record->id.run ? pair : 0;
    const size_t n = record->wire_bytes - had + pair + with_id;
    if (n > cap || n > SPY__RECORD_MAX || left < had + parent) {
        return 0;
    }
    head.bytes = (uint32_t)n;
    head.flags |= (uint8_t)(SPY__WIRE_TIME | (record->id.run ? SPY__WIRE_ID : 0) |
                            (record->recovered ? SPY__WIRE_RECOVERED : 0));
    head.sequence = record->id.run ? record->id.sequence : 0;
    unsigned char *at = to;
    memcpy(at, &head, sizeof(head));
    at = put_pair(at + sizeof(head), record->time_ns, record->duration_ns);
    if (parent) {
        at = put_pair(at, record->parent_id, 0);
    }
    if (with_id) {
        at = put_pair(at, record->id.run, record->id.slot);
    }
    memcpy(at, from + had + parent, left - had - parent);
    return n;
}
