// A timeline is a list of ended spans under a lock, each in one allocation with its texts. The lock
// is held for a copy of some hundred bytes, or while somebody reads the timeline.
//
// Secrets are masked when it is read, so that the end of a span costs its caller no search.
//
// A forked child may have inherited a lock that was held: timelines of its parent are the parent's,
// and nothing to the child.

#include "spyglass/trace.h"

#include <pthread.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "base/ids.h"
#include "base/moment.h"
#include "base/utf8.h"
#include "metrics/dropped.h"
#include "record/mask/mask.h"
#include "record/mask/mask_text.h"
#include "signals/context.h"
#include "signals/trace.h"

// Of all masked texts of one span.
#define MASKED_BYTES 4096

struct entry {
    struct spy_trace_span span;
    char texts[];
};

static unsigned process; // forks that lie behind; atomic, relaxed: written with one thread alone

struct spy_trace {
    unsigned refs;    // atomic
    unsigned process; // const after new: in which it was made
    // Taken once, so that neither a clock that is set tears the timeline, nor a rate that is better
    // known later: what began later stays behind. Const after new.
    struct spy__moment_map moments;
    pthread_mutex_t mu;
    size_t count, lost; // guarded by mu, as is what follows
    struct entry *entries[SPY_TRACE_SPANS_MAX];
};

// The user's words for secrets, guarded by their lock.
static pthread_mutex_t words_mu = PTHREAD_MUTEX_INITIALIZER;
static struct spy__mask_words words;
static pthread_once_t once = PTHREAD_ONCE_INIT;

static void become_child(void)
{
    words_mu = (pthread_mutex_t)PTHREAD_MUTEX_INITIALIZER; // whoever held it is not here
    __atomic_fetch_add(&process, 1, __ATOMIC_RELAXED);
}

static void watch_forks(void)
{
    // Without memory for the handler, a child's span may wait for ever; there is nobody to tell.
    (void)pthread_atfork(NULL, NULL, become_child);
}

static bool is_ours(const struct spy_trace *trace)
{
    return trace->process == __atomic_load_n(&process, __ATOMIC_RELAXED);
}

struct spy_trace *spy_trace_hold(struct spy_trace *trace)
{
    if (trace) {
        __atomic_fetch_add(&trace->refs, 1, __ATOMIC_RELAXED);
    }
    return trace;
}

void spy_trace_release(struct spy_trace *trace)
{
    if (trace && __atomic_fetch_sub(&trace->refs, 1, __ATOMIC_ACQ_REL) == 1) {
        for (size_t i = 0; i < trace->count; i++) {
            free(trace->entries[i]);
        }
        if (is_ours(trace)) {
            pthread_mutex_destroy(&trace->mu);
        }
        free(trace);
    }
}

struct spy_trace *spy_trace_gather(void)
{
    pthread_once(&once, watch_forks);
    struct spy_trace *trace = spy_correlation_id()[0] ? malloc(sizeof(*trace)) : NULL;
    if (!trace) {
        if (spy_correlation_id()[0]) {
            spy__dropped(SPY__SIGNAL_CONTEXT, SPY__DROP_MEMORY, 1);
        }
        return NULL;
    }
    trace->refs = 1;
    trace->process = __atomic_load_n(&process, __ATOMIC_RELAXED);
    spy__moment_map_init(&trace->moments);
    trace->count = trace->lost = 0;
    pthread_mutex_init(&trace->mu, NULL);
    if (!spy__context_feed(trace)) {
        spy_trace_release(trace);
        return NULL;
    }
    return trace;
}

// ---- a span comes in

static size_t text_bytes(const char *text)
{
    return text ? spy__utf8_cut(text, strlen(text), SPY_TRACE_TEXT_MAX) + 1 : 0;
}

static const char *copy_text(char **at, const char *text)
{
    size_t bytes = text_bytes(text);
    char *copy = bytes ? *at : NULL;
    if (copy) {
        memcpy(copy, text, bytes - 1);
        copy[bytes - 1] = '\0';
        *at += bytes;
    }
    return copy;
}

static void print_id(char ret[SPY_SPAN_ID_LEN + 1], uint64_t id)
{
    spy__hex_u64(ret, id);
    ret[id ? SPY_SPAN_ID_LEN : 0] = '\0';
}

// Names are the operation's own, which outlives all of its spans; values are its caller's.
static struct entry *copy_span(const struct spy_span *span, struct spy_outcome outcome)
{
    const struct spy_operation *operation = span->operation;
    size_t labels = 0, bytes = text_bytes(outcome.error_type) + text_bytes(outcome.message);
    for (; labels < SPY_LABELS_MAX - 1 && operation->labels[labels]; labels++) {
        bytes += text_bytes(span->values[labels]);
    }
    struct entry *entry = malloc(sizeof(*entry) + bytes);
    if (!entry) {
        return NULL;
    }
    char *at = entry->texts;
    entry->span = (struct spy_trace_span){ .name = operation->name ? operation->name : "" };
    print_id(entry->span.span_id, span->span_id);
    print_id(entry->span.parent_id, span->parent_id);
    for (size_t i = 0; i < labels; i++) {
        const char *value = copy_text(&at, span->values[i]);
        entry->span.labels[i] = operation->labels[i];
        entry->span.values[i] = value ? value : "";
    }
    entry->span.error_type = copy_text(&at, outcome.error_type);
    entry->span.message = copy_text(&at, outcome.message);
    return entry;
}

void spy__trace_add(const struct spy_span *span, struct spy_outcome outcome, uint64_t end)
{
    struct spy_trace *trace = spy__context_fed();
    if (SPY__LIKELY(!trace) || !is_ours(trace)) {
        return;
    }
    struct entry *entry = copy_span(span, outcome);
    if (entry) {
        uint64_t start_ns = spy__moment_time_ns(&trace->moments, span->start);
        uint64_t end_ns = spy__moment_time_ns(&trace->moments, end);
        entry->span.start_us = start_ns / 1000;
        entry->span.duration_us = end_ns > start_ns ? (end_ns - start_ns) / 1000 : 0;
    } else {
        spy__dropped(SPY__SIGNAL_SPAN, SPY__DROP_MEMORY, 1);
    }
    pthread_mutex_lock(&trace->mu);
    bool room = entry && trace->count < SPY_TRACE_SPANS_MAX;
    if (room) {
        trace->entries[trace->count++] = entry;
    } else {
        trace->lost++;
    }
    pthread_mutex_unlock(&trace->mu);
    if (!room) {
        free(entry);
    }
}

// ---- reading it

// By start; of two that started at once, the longer one is the outer one.
static int by_start(const void *a, const void *b)
{
    const struct spy_trace_span *x = &(*(struct entry *const *)a)->span;
    const struct spy_trace_span *y = &(*(struct entry *const *)b)->span;
    if (x->start_us != y->start_us) {
        return x->start_us < y->start_us ? -1 : 1;
    }
    return (x->duration_us < y->duration_us) - (x->duration_us > y->duration_us);
}

void spy__trace_redact(const char *list)
{
    struct spy__mask_words parsed = { 0 };
    pthread_once(&once, watch_forks);
    (void)spy__mask_words_parse(&parsed, list);
    pthread_mutex_lock(&words_mu);
    words = parsed;
    pthread_mutex_unlock(&words_mu);
}

// One reader's masks. A text that becomes longer than there is room for is masked whole.
struct masker {
    struct spy__mask_words words;
    struct spy__buf out;
    char room[MASKED_BYTES];
};

static const char *mask_text(struct masker *masker, const char *text)
{
    size_t from = masker->out.len;
    if (!text || !spy__mask_text(&masker->words, &masker->out, text, strlen(text))) {
        return text;
    }
    spy__buf_putc(&masker->out, '\0');
    return masker->out.failed ? SPY__REDACTED : masker->out.bytes + from;
}

static void mask_span(struct masker *masker, struct spy_trace_span *span)
{
    spy__buf_reset(&masker->out);
    for (size_t i = 0; i < SPY_LABELS_MAX && span->labels[i]; i++) {
        const char *label = span->labels[i];
        span->values[i] = spy__key_kind(&masker->words, label, strlen(label)) == SPY__KEY_CLEAN
                              ? mask_text(masker, span->values[i])
                              : SPY__REDACTED;
    }
    span->message = mask_text(masker, span->message);
}

void spy_trace_each(struct spy_trace *trace,
                    void (*each)(void *arg, const struct spy_trace_span *span), void *arg)
{
    struct masker masker;
    if (!trace || !is_ours(trace)) {
        return;
    }
    spy__buf_init_fixed(&masker.out, masker.room, sizeof(masker.room));
    pthread_mutex_lock(&words_mu);
    masker.words = words;
    pthread_mutex_unlock(&words_mu);
    pthread_mutex_lock(&trace->mu);
    qsort(trace->entries, trace->count, sizeof(trace->entries[0]), by_start);
    for (size_t i = 0; i < trace->count; i++) {
        struct spy_trace_span span = trace->entries[i]->span;
        mask_span(&masker, &span);
        each(arg, &span);
    }
    pthread_mutex_unlock(&trace->mu);
}

size_t spy_trace_lost(struct spy_trace *trace)
{
    size_t lost = 0;
    if (trace && is_ours(trace)) {
        pthread_mutex_lock(&trace->mu);
        lost = trace->lost;
        pthread_mutex_unlock(&trace->mu);
    }
    return lost;
}
