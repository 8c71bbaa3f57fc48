// Threads that come and go push into few rings while these are drained, full at times, stopped and
// opened again: every record that was accepted is read once, whole, and those of a thread in the
// order in which it made them.
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "record/rings.h"
#include "record/wire.h"

#define WORKERS 4
#define LIVES 600
#define PUSHES 60
#define CYCLES 12
#define BATCH 20000

static atomic_ulong accepted, told, stopped, wrong;
static atomic_bool over;
static unsigned long read_back, overflowed;
static int next_number[WORKERS * LIVES]; // of the pump: what each thread's next record says

static void lost(enum spy__loss why, enum spy__record_kind kind, uint64_t n)
{
    wrong += why != SPY__LOSS_FULL || kind != SPY__KIND_LOG;
    told += n;
}

static void open_rings(void)
{
    int why;
    wrong += spy__rings_open(&(struct spy__rings_options){ .slots = 2,
                                                           .ring_bytes = SPY__RING_BYTES_MIN,
                                                           .full_wait_ms = 2,
                                                           .lost = lost },
                             &why) != 0;
}

// ---- callers

static void *one_life(void *arg)
{
    int life = *(int *)arg;
    char text[200];
    memset(text, 'a' + life % 26, sizeof(text));
    for (int i = 0; i < PUSHES; i++) {
        struct spy_field fields[] = { spy_int("life", life), spy_int("number", i),
                                      spy_strn("text", text, (size_t)(life + i) % sizeof(text)) };
        enum spy__push push = spy__rings_push(&(struct spy__record){
            .level = i % 3 ? SPY_LEVEL_INFO : SPY_LEVEL_DEBUG,
            .correlation_id = "id",
            .event = "stress",
            .fields = fields,
            .field_count = 3,
        });
        accepted += push == SPY__PUSH_OK;
        stopped += push == SPY__PUSH_STOPPED;
        wrong += push == SPY__PUSH_CHILD;
    }
    return NULL;
}

static void *live(void *arg)
{
    int first = *(int *)arg;
    for (int life = first; life < first + LIVES; life++) {
        pthread_t thread;
        if (pthread_create(&thread, NULL, one_life, &life) != 0) {
            wrong++;
            break;
        }
        pthread_join(thread, NULL);
    }
    return NULL;
}

// ---- the pump

struct seen {
    uint64_t ticks;
    int life, number;
};
static struct seen batch[BATCH];
static size_t batch_count;

static int by_ticks(const void *a, const void *b)
{
    const struct seen *x = a, *y = b;
    return (x->ticks > y->ticks) - (x->ticks < y->ticks);
}

static void look_at(const struct spy__wire_view *view)
{
    const struct spy_field *f = view->fields;
    int life = (int)f[0].value.i;
    bool good = view->record.field_count == 3 && strcmp(view->record.event, "stress") == 0 &&
                life >= 0 && life < WORKERS * LIVES && batch_count < BATCH;
    for (size_t i = 0; good && i < f[2].len; i++) {
        good = f[2].value.s[i] == 'a' + life % 26;
    }
    if (!good) {
        wrong++;
        return;
    }
    batch[batch_count++] = (struct seen){ view->ticks, life, (int)f[1].value.i };
}

static void drain(void)
{
    batch_count = 0;
    spy__rings_snapshot();
    for (size_t ring = 0; ring < spy__rings_count(); ring++) {
        void *bytes;
        size_t n;
        if (!spy__rings_peek(ring, &bytes, &n)) {
            continue;
        }
        struct spy__wire_view view;
        for (size_t at = 0; at < n; at += view.bytes) {
            const unsigned char *record = (const unsigned char *)bytes + at;
            uint64_t seed = spy__ring_seed(spy__rings_run(), (uint32_t)ring);
            if (spy__wire_read(&view, record, n - at) != 0 ||
                !spy__wire_intact(record, n - at, seed)) {
                wrong++;
                break;
            }
            look_at(&view);
            overflowed += ring + 1 == spy__rings_count();
        }
        memset(bytes, 0xff, n);
        spy__rings_release(ring, n);
    }
    read_back += batch_count;
    qsort(batch, batch_count, sizeof(batch[0]), by_ticks);
    for (size_t i = 0; i < batch_count; i++) {
        int *next = &next_number[batch[i].life];
        wrong += batch[i].number < *next; // those between were dropped
        *next = batch[i].number + 1;
    }
}

// Now and then it is slow, so that rings fill; or waits for ever, so that callers must wake it.
static void *pump(void *arg)
{
    (void)arg;
    for (unsigned cycle = 0; !over; cycle++) {
        unsigned long enough = accepted + WORKERS * LIVES * PUSHES / CYCLES / 2;
        while (!over && accepted < enough) {
            spy__rings_wait(cycle % 2 ? 5 : 1);
            drain();
        }
        spy__rings_stop();
        drain();
        wrong += spy__rings_snapshot() != 0;
        spy__rings_close(true);
        open_rings();
    }
    spy__rings_stop();
    drain();
    spy__rings_close(true);
    return NULL;
}

int main(void)
{
    pthread_t workers[WORKERS], drainer;
    int firsts[WORKERS];
    open_rings();
    pthread_create(&drainer, NULL, pump, NULL);
    for (int i = 0; i < WORKERS; i++) {
        firsts[i] = i * LIVES;
        pthread_create(&workers[i], NULL, live, &firsts[i]);
    }
    for (int i = 0; i < WORKERS; i++) {
        pthread_join(workers[i], NULL);
    }
    over = true;
    spy__rings_wake();
    pthread_join(drainer, NULL);
    unsigned long calls = WORKERS * LIVES * PUSHES;
    printf(
        "%lu calls = %lu accepted (%lu read, %lu overflowed) + %lu full + %lu stopped; %lu wrong\n",
        calls, (unsigned long)accepted, read_back, overflowed, (unsigned long)told,
        (unsigned long)stopped, (unsigned long)wrong);
    return wrong > 0 || read_back != accepted || accepted + told + stopped != calls ||
           accepted == 0;
}
