// The engine's thread beside one that appends and one that wakes it, with two backends, over a model
// of a network that answers late, loses answers and fails; ended and started again in the midst.
// Each record is stored once by each server, whatever was lost on the way.

#include <errno.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/random.h"
#include "deliver/engine.h"

#define RECORDS 8000u
#define BACKENDS 2u
#define ROUNDS 4u
#define ROWS_MAX 97u
#define DEADLINE_S 120

// ---- the network and its servers

struct server {
    unsigned stored[RECORDS];
    char tokens[RECORDS][SPY__TOKEN_MAX]; // taken
    size_t token_count, total;
};

static struct {
    pthread_mutex_t mu;
    pthread_cond_t changed;
    bool woken;                      // guarded by mu
    struct server servers[BACKENDS]; // guarded by mu
    // The delivery thread's.
    bool busy[BACKENDS];
    long status[BACKENDS];
} net = { .mu = PTHREAD_MUTEX_INITIALIZER, .changed = PTHREAD_COND_INITIALIZER };

static void fail(const char *what)
{
    fprintf(stderr, "stress_engine: %s\n", what);
    exit(1);
}

static bool is_taken(struct server *server, const char *token)
{
    for (size_t i = server->token_count; i-- > 0;) {
        if (strcmp(server->tokens[i], token) == 0) {
            return true;
        }
    }
    (void)snprintf(server->tokens[server->token_count++], SPY__TOKEN_MAX, "%s", token);
    return false;
}

static void store(struct server *server, const struct spy__call *call)
{
    const unsigned *numbers = (const unsigned *)(const void *)call->body->bytes;
    pthread_mutex_lock(&net.mu);
    if (!is_taken(server, call->request->path + 1)) {
        for (size_t i = 0; i < call->body->len / sizeof(*numbers); i++) {
            server->stored[numbers[i]]++;
            server->total++;
        }
    }
    pthread_mutex_unlock(&net.mu);
}

static int send_call(void *self, unsigned slot, const struct spy__call *call)
{
    (void)self;
    unsigned luck = (unsigned)(spy__random_u64() % 16);
    if (luck == 0) {
        return -ENOMEM;
    }
    if (luck > 2) {
        store(&net.servers[slot], call);
    }
    net.busy[slot] = true;
    net.status[slot] = luck > 3 ? 200 : 0; // 3: it was stored, and the answer is lost
    return 0;
}

static void cancel(void *self, unsigned slot)
{
    (void)self;
    net.busy[slot] = false;
}

static void wait_for_news(void *self, const int *fds, size_t count, unsigned timeout_ms)
{
    struct timespec end;
    (void)self;
    (void)fds; // they are looked at again soon enough
    (void)count;
    clock_gettime(CLOCK_REALTIME, &end);
    end.tv_nsec += (timeout_ms < 1 ? 0 : 1) * 1000000;
    end.tv_sec += end.tv_nsec / 1000000000;
    end.tv_nsec %= 1000000000;
    pthread_mutex_lock(&net.mu);
    if (!net.woken) {
        (void)pthread_cond_timedwait(&net.changed, &net.mu, &end);
    }
    net.woken = false;
    pthread_mutex_unlock(&net.mu);
}

static bool ended(void *self, unsigned *ret_slot, struct spy__answer *ret)
{
    (void)self;
    for (unsigned slot = 0; slot < BACKENDS; slot++) {
        if (net.busy[slot] && spy__random_u64() % 2) {
            net.busy[slot] = false;
            *ret_slot = slot;
            *ret = (struct spy__answer){ .status = net.status[slot], .body = "" };
            return true;
        }
    }
    return false;
}

static void wake(void *self)
{
    (void)self;
    pthread_mutex_lock(&net.mu);
    net.woken = true;
    pthread_cond_signal(&net.changed);
    pthread_mutex_unlock(&net.mu);
}

// ---- the backends

static int encode(void *self, const struct spy__delivery *delivery, struct spy__buf *body,
                  struct spy__request *ret)
{
    (void)self;
    (void)snprintf(ret->path, sizeof(ret->path), "/%s", delivery->token);
    ret->header_count = 0;
    ret->encoding = SPY__ENCODING_NONE;
    spy__buf_reset(body);
    for (size_t i = 0; i < delivery->count; i++) {
        spy__buf_put(body, delivery->records[i].bytes, sizeof(unsigned));
    }
    return body->failed ? -ENOMEM : (int)delivery->count;
}

static struct spy__verdict judge(void *self, const struct spy__answer *answer)
{
    (void)self;
    return answer->status == 200 ? (struct spy__verdict){ .kind = SPY__SENT, .reason = "" }
                                 : (struct spy__verdict){ .kind = SPY__RETRY, .reason = "trouble" };
}

static void hear_count(void *arg, const char *backend, enum spy__lane_count what, uint64_t n)
{
    (void)arg, (void)backend, (void)what, (void)n;
}

static void hear_dropped(void *arg, const char *backend, const char *reason, uint64_t records)
{
    (void)arg, (void)backend, (void)reason, (void)records;
    fail("records were dropped");
}

static void hear_time(void *arg, const char *backend, uint64_t ns)
{
    (void)arg, (void)backend, (void)ns;
}

static void hear_fails(void *arg, const char *backend, const struct spy__verdict *verdict)
{
    (void)arg, (void)backend, (void)verdict;
}

static void hear_buried(void *arg, const char *backend, const struct spy__verdict *verdict,
                        uint64_t records, int err)
{
    (void)arg, (void)backend, (void)verdict, (void)records, (void)err;
    fail("records were buried");
}

static void hear_forgets(void *arg, const char *backend, int err)
{
    (void)arg, (void)backend, (void)err;
    fail("a plan could not be written");
}

static void hear_waits(void *arg, const char *backend, uint64_t queued, uint64_t records,
                       uint64_t bytes, bool failing)
{
    (void)arg, (void)backend, (void)queued, (void)records, (void)bytes, (void)failing;
}

static void hear_wake(void *arg)
{
    (void)arg;
}

// ---- the rounds

static char dir[] = "/tmp/stress_engine.XXXXXX";
static struct spy__engine *engine;

static void run_engine(struct spy__journal *journal)
{
    static struct spy__backend backends[BACKENDS];
    static const char *const names[BACKENDS] = { "one", "two" };
    const struct spy__backend *list[BACKENDS];
    for (unsigned i = 0; i < BACKENDS; i++) {
        backends[i] = (struct spy__backend){ .name = names[i],
                                             .base = "http://model",
                                             .kinds = 1u << 2,
                                             .rows_max = ROWS_MAX,
                                             .bytes_max = 1u << 16,
                                             .age_ms = 5,
                                             .encode = encode,
                                             .judge = judge };
        list[i] = &backends[i];
    }
    const struct spy__engine_options options = {
        .journal = journal,
        .state_dir = dir,
        .backends = list,
        .count = BACKENDS,
        .transport = { NULL, send_call, cancel, wait_for_news, ended, wake },
        .hooks = { NULL, hear_count, hear_dropped, hear_time, hear_fails, hear_time, hear_buried,
                   hear_forgets },
        .waits = hear_waits,
        .woken = hear_wake,
    };
    if (spy__engine_open(&engine, &options) != 0 || spy__engine_start(engine) != 0) {
        fail("the engine does not start");
    }
}

static void *append(void *arg)
{
    struct spy__journal *journal = arg;
    static unsigned next; // one thread at a time
    for (unsigned end = next + RECORDS / ROUNDS; next < end; next++) {
        spy__journal_append(journal, 2, &next, sizeof(next));
        if (next % 50 == 0) {
            spy__journal_flush(journal);
        }
    }
    spy__journal_flush(journal);
    return NULL;
}

static void *wake_often(void *arg)
{
    (void)arg;
    for (int i = 0; i < 2000; i++) {
        spy__engine_wake(engine);
    }
    return NULL;
}

static size_t total(void)
{
    pthread_mutex_lock(&net.mu);
    size_t n = net.servers[0].total + net.servers[1].total;
    pthread_mutex_unlock(&net.mu);
    return n;
}

static void run_round(unsigned round)
{
    const struct spy__journal_options options = { .state_dir = dir };
    struct spy__journal *journal;
    pthread_t threads[2];
    if (spy__journal_open(&journal, &options) != 0) {
        fail("the journal does not open");
    }
    run_engine(journal);
    if (pthread_create(&threads[0], NULL, append, journal) != 0 ||
        pthread_create(&threads[1], NULL, wake_often, NULL) != 0) {
        fail("no thread");
    }
    pthread_join(threads[0], NULL);
    pthread_join(threads[1], NULL);
    bool last = round + 1 == ROUNDS;
    for (int i = 0; last && i < DEADLINE_S * 100 && total() < BACKENDS * RECORDS; i++) {
        (void)nanosleep(&(struct timespec){ 0, 10000000 }, NULL);
    }
    (void)spy__engine_stop(engine, last ? 10000 : round * 20); // some are cut short
    spy__journal_close(journal);
}

int main(void)
{
    char command[64];
    if (!mkdtemp(dir)) {
        fail("no folder");
    }
    for (unsigned round = 0; round < ROUNDS; round++) {
        run_round(round);
    }
    for (unsigned i = 0; i < BACKENDS * RECORDS; i++) {
        if (net.servers[i / RECORDS].stored[i % RECORDS] != 1) {
            fail("a record is not stored once");
        }
    }
    (void)snprintf(command, sizeof(command), "rm -rf '%s'", dir);
    return system(command) == 0 ? 0 : 1;
}
