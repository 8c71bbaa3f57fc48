#include "record/journal/watermarks.h"

#include <string.h>

#include "record/document.h"
#include "record/wire.h"

static uint64_t *find_run(struct spy__watermarks *marks, uint64_t run)
{
    for (unsigned i = 0; i < SPY__WATERMARK_RUNS; i++) {
        if (marks->runs[i].run == run) {
            return marks->runs[i].sequence;
        }
    }
    unsigned i = marks->next++ % SPY__WATERMARK_RUNS;
    memset(&marks->runs[i], 0, sizeof(marks->runs[i]));
    marks->runs[i].run = run;
    return marks->runs[i].sequence;
}

static void note(struct spy__watermarks *marks, const struct spy__record_id *id)
{
    if (id->run == 0 || id->slot >= SPY__WATERMARK_SLOTS) {
        return;
    }
    uint64_t *sequence = find_run(marks, id->run) + id->slot;
    if (id->sequence > *sequence) {
        *sequence = id->sequence;
    }
}

void spy__watermarks_note(struct spy__watermarks *marks, const void *bytes, size_t n)
{
    struct spy__document document;
    struct spy__wire_view view;
    if (spy__wire_read(&view, bytes, n) == 0) {
        note(marks, &view.record.id);
    } else if (spy__document_read(&document, bytes, n) == 0) {
        note(marks, &document.id);
    }
}

bool spy__watermarks_hold(const struct spy__watermarks *marks, const struct spy__record_id *id)
{
    for (unsigned i = 0; i < SPY__WATERMARK_RUNS && id->run != 0; i++) {
        if (marks->runs[i].run == id->run) {
            return id->slot < SPY__WATERMARK_SLOTS &&
                   id->sequence <= marks->runs[i].sequence[id->slot];
        }
    }
    return false;
}
