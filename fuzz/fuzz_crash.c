// A dead process wrote it, in a state that nobody knows. The input is what is done to a crash file
// of this process: each five bytes write one byte somewhere, or an input that begins with 0xff is
// the file itself. Whatever it is, reading and naming it ends, and what it gives can be used.
#include <assert.h>
#include <signal.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <ucontext.h>

#include "base/utf8.h"
#include "crash/capture.h"
#include "crash/machine.h"
#include "crash/name.h"
#include "crash/read.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static unsigned char *good;

__attribute__((noinline)) static void make_good(void)
{
    ucontext_t context;
    good = calloc(1, SPY__CRASH_BYTES);
    if (!good) {
        abort();
    }
    struct spy__crash_head *head = spy__crash_head(good);
    memcpy(head->magic, SPY__CRASH_MAGIC, sizeof(head->magic));
    head->endian = SPY__CRASH_ENDIAN;
    head->version = SPY__CRASH_VERSION;
    head->machine = SPY__MACHINE;
    head->state = SPY__CRASH_WHOLE;
    head->signal = SIGSEGV;
    spy__crash_modules(good);
    getcontext(&context);
    for (size_t i = 0; i < 2; i++) {
        spy__crash_thread(good, i, &context, NULL);
        spy__crash_thread_at(good, i)->copy = SPY__COPY_DONE;
    }
}

// Without time there are no names: unwinding alone is ten times as quick.
static void read_all(const unsigned char *bytes, size_t n, bool named)
{
    struct spy__crash crash;
    if (spy__crash_parse(&crash, bytes, n) != 0) {
        return;
    }
    assert(crash.thread_count >= 1 && crash.thread_count <= SPY__CRASH_THREADS_MAX);
    struct spy__crash_names *names = spy__crash_name(&crash, false, named ? UINT64_MAX : 0);
    for (size_t i = 0; i < crash.thread_count; i++) {
        const struct spy__crash_stack *thread = &crash.threads[i];
        assert(thread->frame_count <= SPY__CRASH_FRAMES_MAX);
        assert(spy__utf8_valid(thread->name, strlen(thread->name)));
        for (size_t k = 0; k < thread->frame_count; k++) {
            const struct spy__frame *frame = &thread->frames[k];
            assert(!frame->module || spy__utf8_valid(frame->module, strlen(frame->module)));
        }
    }
    spy__crash_names_free(names);
    spy__crash_done(&crash);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size > 0 && data[0] == 0xff) {
        read_all(data + 1, size - 1, true);
        return 0;
    }
    if (!good) {
        make_good();
    }
    unsigned char *bad = malloc(SPY__CRASH_BYTES);
    if (!bad) {
        return 0;
    }
    memcpy(bad, good, SPY__CRASH_BYTES);
    const bool named = size % 8 == 0;
    for (; size >= 5; data += 5, size -= 5) {
        uint32_t at;
        memcpy(&at, data, sizeof(at));
        bad[at % SPY__CRASH_BYTES] = data[4];
    }
    read_all(bad, SPY__CRASH_BYTES, named);
    free(bad);
    return 0;
}
