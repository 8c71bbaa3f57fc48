// A host that crashes, for test_crash.py:
//
//     crasher STATE_DIR HOW [WHERE]
//
// HOW: segv, bus, fpe, ill, abort (a fault, or a call of abort()); raise-SIGNAL (the same by a
// signal of its own); stack (recursion until the stack is exhausted); malloc (inside malloc(), with
// its lock held); call (of a NULL function); two (two threads at once); wedged (beside a thread that
// blocks all signals); kill (by SIGKILL); exit (without a stop); earlier (a handler of the host's was there first); survive (the same, and it
// saves the process); fork (a child crashes); reentrant (the host's earlier handler crashes).
// WHERE: main, attached (by spy_thread_attach()), working (a thread in a request, by its context),
// nested (an HTTP request that has handed a part of its work to another thread, which crashes within
// operations, as the request's own thread is; a line was logged, and written, long before), never (a
// thread that never called Spyglass).
//
//     crasher STATE_DIR
//
// starts and stops. Lines go where the environment says, which may also name an address of the admin
// server (CRASHER_ADMIN): one that is none makes the start fail.
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <spyglass/spyglass.h>

#define STOP_MS 20000

static pthread_barrier_t together;
static const char *how;

// ---- ways to die: each a function of its own, to be found in the stack

__attribute__((noinline)) static void die_of_segv(void)
{
    *(volatile int *)(uintptr_t)0x1234 = 1;
}

__attribute__((noinline)) static void die_of_bus(void)
{
    FILE *file = tmpfile(); // empty: no page of it can be touched
    volatile char *bytes = mmap(NULL, 4096, PROT_READ, MAP_SHARED, fileno(file), 0);
    (void)bytes[0];
}

// A sanitizer that ends the process at it would leave nothing to catch.
__attribute__((noinline, no_sanitize("undefined"))) static void die_of_fpe(void)
{
    static volatile int zero, seven = 7;
#ifdef __x86_64__
    zero = seven / zero;
#else
    (void)zero, (void)seven; // arm64 divides by zero without a trap
    raise(SIGFPE);
#endif
}

__attribute__((noinline)) static void die_of_ill(void)
{
    __builtin_trap();
}

__attribute__((noinline)) static int die_of_stack(volatile char *above)
{
    volatile char bytes[512];
    bytes[0] = above ? above[0] : 'x';
    return bytes[0] ? die_of_stack(bytes) + bytes[0] : 0;
}

__attribute__((noinline)) static void die_of_call(void)
{
    void (*volatile nothing)(void) = NULL;
    nothing();
}

// What malloc() keeps about a free block is overwritten until it stumbles over it, or says so.
__attribute__((noinline)) static void die_in_malloc(void)
{
    for (size_t size = 24; size < 4096; size += 16) {
        void **blocks[64];
        for (int i = 0; i < 64; i++) {
            blocks[i] = malloc(size);
        }
        for (int i = 0; i < 64; i++) {
            free(blocks[i]);
        }
        for (int i = 0; i < 64; i++) {
            memset(blocks[i], 0x41, size + 64);
        }
    }
    for (size_t size = 24; size < 4096; size += 16) {
        for (int i = 0; i < 64; i++) {
            *(volatile char *)malloc(size) = 1;
        }
    }
}

static void die(void)
{
    static const struct {
        const char *name;
        int signal;
    } raised[] = { { "raise-segv", SIGSEGV }, { "raise-bus", SIGBUS }, { "raise-fpe", SIGFPE },
                   { "kill", SIGKILL },       { "raise-ill", SIGILL }, { "raise-abort", SIGABRT } };
    for (size_t i = 0; i < sizeof(raised) / sizeof(raised[0]); i++) {
        if (strcmp(how, raised[i].name) == 0) {
            raise(raised[i].signal);
        }
    }
    if (strcmp(how, "bus") == 0) {
        die_of_bus();
    } else if (strcmp(how, "fpe") == 0) {
        die_of_fpe();
    } else if (strcmp(how, "ill") == 0) {
        die_of_ill();
    } else if (strcmp(how, "abort") == 0) {
        abort();
    } else if (strcmp(how, "stack") == 0) {
        die_of_stack(NULL);
    } else if (strcmp(how, "malloc") == 0) {
        die_in_malloc();
    } else if (strcmp(how, "exit") == 0) {
        exit(0);
    } else if (strcmp(how, "call") == 0) {
        die_of_call();
    } else {
        die_of_segv();
    }
}

// ---- threads

__attribute__((noinline)) static void handle_request(void)
{
    struct spy_context_scope scope =
        spy_context_begin("request-1", "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01");
    spy_info("handling", spy_str("step", "one"));
    die();
    spy_context_detach(scope);
}

static void *attached(void *arg)
{
    (void)arg;
    spy_thread_attach();
    die();
    return NULL;
}

static void *working(void *arg)
{
    (void)arg;
    handle_request();
    return NULL;
}

static void *never(void *arg)
{
    (void)arg;
    die();
    return NULL;
}

static void *at_once(void *arg)
{
    (void)arg;
    spy_info("one_of_two");
    pthread_barrier_wait(&together);
    die_of_segv();
    return NULL;
}

__attribute__((noinline)) static void sit_and_wait(void)
{
    pthread_barrier_wait(&together);
    for (;;) {
        pause();
    }
}

static void *waiting(void *arg)
{
    (void)arg;
    (void)pthread_setname_np(pthread_self(), "sitter");
    spy_info("sitting");
    if (strcmp(how, "wedged") == 0) {
        sigset_t all;
        sigfillset(&all);
        pthread_sigmask(SIG_SETMASK, &all, NULL);
    }
    sit_and_wait();
    return NULL;
}

// ---- operations within each other, in two threads

static struct spy_operation kitchen = { .name = "kitchen", .labels = SPY_LABELS("dish") };
static struct spy_operation pot = { .name = "pot", .op = "pot.boil" };
static struct spy_operation salt = { .name = "salt", .labels = SPY_LABELS("kind", "amount") };
static struct spy_context *handed;

// The line is mostly no longer in its ring when this returns.
static void log_and_wait(void)
{
    const struct timespec written = { .tv_nsec = 50000000 };
    spy_info("soon_forgotten", spy_str("password", "hunter2"), spy_str("step", "two"));
    nanosleep(&written, NULL);
}

// Whose spans are looked for on the stack: the address sanitizer's functions may keep theirs elsewhere.
#define ON_THE_STACK __attribute__((noinline, no_sanitize("address")))

ON_THE_STACK static void add_salt(void)
{
    struct spy_span span = spy_begin(&salt, "sea", NULL);
    die();
    spy_end(&span, SPY_SUCCESS);
}

ON_THE_STACK static void *cook(void *arg)
{
    (void)arg;
    struct spy_context_scope scope = spy_context_attach(handed);
    struct spy_span span = spy_begin(&pot);
    log_and_wait();
    pthread_barrier_wait(&together);
    add_salt();
    spy_end(&span, SPY_SUCCESS);
    spy_context_detach(scope);
    return NULL;
}

ON_THE_STACK static void cook_elsewhere(void)
{
    struct spy_span span = spy_begin(&kitchen, "soup");
    handed = spy_context_capture();
    pthread_t thread;
    if (pthread_create(&thread, NULL, cook, NULL) != 0) {
        _exit(3);
    }
    pthread_barrier_wait(&together);
    pthread_join(thread, NULL);
    spy_end(&span, SPY_SUCCESS);
}

static void *nested(void *arg)
{
    (void)arg;
    const struct spy_http_request request = {
        .method = "POST",
        .path = "/dishes/7?token=hunter2",
        .correlation_id = "request-2",
        .traceparent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
    };
    struct spy_http *http = spy_http_begin(&request);
    spy_http_route(http, "/dishes/{id}");
    cook_elsewhere();
    spy_http_end(http);
    return NULL;
}

static pthread_t start(void *(*run)(void *))
{
    pthread_t thread;
    if (pthread_create(&thread, NULL, run, NULL) != 0) {
        _exit(3);
    }
    return thread;
}

static void run_in_thread(void *(*run)(void *))
{
    pthread_join(start(run), NULL);
}

// ---- the host's own handlers

static void say(const char *text)
{
    (void)!write(STDERR_FILENO, text, strlen(text));
}

static void plain_handler(int number)
{
    say(number == SIGSEGV ? "the host's handler\n" : "another signal\n");
    signal(number, SIG_DFL);
    raise(number);
}

static void crashing_handler(int number)
{
    (void)number;
    say("the host's handler crashes\n");
    die_of_segv();
}

static void saving_handler(int number, siginfo_t *info, void *context)
{
    static const char text[] = "the host's handler saves\n";
    (void)number, (void)context;
    say(text);
    void *page = (void *)((uintptr_t)info->si_addr & ~(uintptr_t)4095);
    (void)mprotect(page, 4096, PROT_READ | PROT_WRITE);
}

static void install_handlers(void)
{
    struct sigaction action = { 0 };
    if (strcmp(how, "earlier") == 0) {
        action.sa_handler = plain_handler;
    } else if (strcmp(how, "reentrant") == 0) {
        action.sa_handler = crashing_handler;
    } else if (strcmp(how, "survive") == 0) {
        action.sa_sigaction = saving_handler;
        action.sa_flags = SA_SIGINFO;
    } else {
        return;
    }
    sigaction(SIGSEGV, &action, NULL);
}

static int survive(void)
{
    volatile char *page = mmap(NULL, 4096, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    page[100] = 7;
    return page[100] == 7 ? 0 : 4;
}

static int crash_in_child(void)
{
    int status;
    pid_t child = fork();
    if (child == 0) {
        die_of_segv();
        _exit(0);
    }
    return child > 0 && waitpid(child, &status, 0) == child && WIFSIGNALED(status) &&
                   WTERMSIG(status) == SIGSEGV
               ? 0
               : 4;
}

static int run(const char *where)
{
    pthread_barrier_init(&together, NULL, 2);
    if (strcmp(how, "survive") == 0) {
        return survive();
    }
    if (strcmp(how, "fork") == 0) {
        return crash_in_child();
    }
    if (strcmp(how, "two") == 0) {
        start(at_once);
        at_once(NULL);
    }
    if (strcmp(how, "wedged") == 0 || strcmp(where, "beside") == 0) {
        start(waiting);
        pthread_barrier_wait(&together);
    }
    if (strcmp(where, "attached") == 0) {
        run_in_thread(attached);
    } else if (strcmp(where, "working") == 0) {
        run_in_thread(working);
    } else if (strcmp(where, "nested") == 0) {
        run_in_thread(nested);
    } else if (strcmp(where, "never") == 0) {
        run_in_thread(never);
    } else {
        die();
    }
    return 0;
}

int main(int argc, char **argv)
{
    if (argc < 2) {
        return 2;
    }
    how = argc > 2 ? argv[2] : "";
    install_handlers();
    const struct spy_options options = { .service = "crasher",
                                         .release = "crasher@1.0",
                                         .state_dir = argv[1],
                                         .admin = getenv("CRASHER_ADMIN"),
                                         .log_format = SPY_LOG_JSON,
                                         .crash_handler = 1 };
    if (spy_start(&options) != 0) {
        fprintf(stderr, "crasher: %s\n", spy_start_error());
        return 1;
    }
    int code = argc > 2 ? run(argc > 3 ? argv[3] : "main") : 0;
    return spy_stop(STOP_MS) == 0 ? code : 1;
}
