#include "crash/read.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/ids.h"
#include "base/utf8.h"
#include "crash/scene.h"

#define FILE_TAKEN SPY__CRASH_FILE ".read"

// ---- the parts of the file

static bool is_ours(const struct spy__crash_head *head)
{
    return memcmp(head->magic, SPY__CRASH_MAGIC, sizeof(head->magic)) == 0 &&
           head->endian == SPY__CRASH_ENDIAN && head->version == SPY__CRASH_VERSION;
}

// Copies a text that may have no end, and may be no UTF-8: then it is "".
static void copy_text(char *to, size_t cap, const char *from)
{
    size_t n = strnlen(from, cap);
    n = n < cap && spy__utf8_valid(from, n) ? n : 0;
    memcpy(to, from, n);
    to[n] = '\0';
}

static bool is_hex(const char *text)
{
    return text[strspn(text, "0123456789abcdef")] == '\0';
}

static int by_start(const void *a, const void *b)
{
    const struct spy__module *x = a, *y = b;
    return (x->start > y->start) - (x->start < y->start);
}

static int read_module(struct spy__module *to, const struct spy__crash_module *from)
{
    char path[SPY__CRASH_PATH_MAX], build_id[sizeof(from->build_id)];
    copy_text(path, sizeof(path), from->path);
    copy_text(build_id, sizeof(build_id), from->build_id);
    *to = (struct spy__module){ .start = (uintptr_t)from->start,
                                .end = (uintptr_t)from->end,
                                .bias = (uintptr_t)from->bias };
    if (is_hex(build_id)) {
        memcpy(to->build_id, build_id, sizeof(to->build_id));
    }
    to->path = strdup(path);
    return to->path ? 0 : -ENOMEM;
}

static int read_modules(struct spy__modules *ret, const unsigned char *bytes, size_t n,
                        uint32_t count)
{
    count = count < SPY__CRASH_MODULES_MAX ? count : SPY__CRASH_MODULES_MAX;
    ret->list = calloc(count ? count : 1, sizeof(*ret->list));
    if (!ret->list) {
        return -ENOMEM;
    }
    ret->cap = count ? count : 1;
    for (uint32_t i = 0; i < count; i++) {
        struct spy__crash_module module;
        size_t at = SPY__CRASH_MODULES_AT + i * sizeof(module);
        if (at > n || n - at < sizeof(module)) {
            break;
        }
        memcpy(&module, bytes + at, sizeof(module));
        if (module.start >= module.end) {
            continue;
        }
        int err = read_module(&ret->list[ret->count], &module);
        if (err != 0) {
            return err;
        }
        ret->count++;
    }
    qsort(ret->list, ret->count, sizeof(*ret->list), by_start);
    // None overlaps the next: a look-up relies on it.
    size_t kept = 0;
    for (size_t i = 0; i < ret->count; i++) {
        if (kept > 0 && ret->list[i].start < ret->list[kept - 1].end) {
            free(ret->list[i].path);
        } else {
            ret->list[kept++] = ret->list[i];
        }
    }
    ret->count = kept;
    return 0;
}

// False where the thread did not copy itself.
static bool read_thread(struct spy__crash_stack *to, const unsigned char *bytes, size_t n, size_t i)
{
    struct spy__crash_thread from;
    size_t at = SPY__CRASH_THREADS_AT + i * sizeof(from), stack_at = spy__crash_stack_at(i);
    if (at > n || n - at < sizeof(from)) {
        return false;
    }
    memcpy(&from, bytes + at, sizeof(from));
    if (from.copy != SPY__COPY_DONE) {
        return false;
    }
    *to = (struct spy__crash_stack){ .tid = from.tid,
                                     .trace_hi = from.trace_hi,
                                     .trace_lo = from.trace_lo,
                                     .span_id = from.span_id,
                                     .pc = from.pc,
                                     .start = from.stack_start };
    memcpy(to->registers, from.registers, sizeof(to->registers));
    copy_text(to->name, sizeof(to->name), from.name);
    copy_text(to->correlation_id, sizeof(to->correlation_id), from.correlation_id);
    if (!spy__correlation_valid(to->correlation_id)) {
        to->correlation_id[0] = '\0';
    }
    if (stack_at < n && from.stack_bytes <= spy__crash_stack_max(i)) {
        to->bytes = bytes + stack_at;
        to->n = from.stack_bytes < n - stack_at ? (size_t)from.stack_bytes : n - stack_at;
    }
    return true;
}

static int read_threads(struct spy__crash *ret, const unsigned char *bytes, size_t n)
{
    int err = 0;
    for (size_t i = 0; i < SPY__CRASH_THREADS_MAX; i++) {
        struct spy__crash_stack *to = &ret->threads[ret->thread_count];
        bool there = read_thread(to, bytes, n, i);
        if (there && err == 0) {
            err = spy__crash_read_scene(to, bytes, n, i);
        }
        // The one that crashed is in the list even if it died before it had copied itself.
        ret->thread_count += there || i == 0;
    }
    return err;
}

static void read_records(struct spy__crash *ret, const unsigned char *bytes, size_t n,
                         const struct spy__crash_head *head)
{
    size_t room = n > SPY__CRASH_RECORDS_AT ? n - SPY__CRASH_RECORDS_AT : 0;
    room = room < SPY__CRASH_RECORD_BYTES_MAX ? room : SPY__CRASH_RECORD_BYTES_MAX;
    if (head->records_from <= head->records_to && head->records_to <= room) {
        ret->records = bytes + SPY__CRASH_RECORDS_AT + head->records_from;
        ret->record_bytes = head->records_to - head->records_from;
    }
}

int spy__crash_parse(struct spy__crash *ret, const void *bytes, size_t n)
{
    static const char no_magic[sizeof(SPY__CRASH_MAGIC) - 1];
    struct spy__crash_head head;
    memset(ret, 0, sizeof(*ret));
    if (n < sizeof(head)) {
        return -EBADMSG;
    }
    memcpy(&head, bytes, sizeof(head));
    if (memcmp(head.magic, no_magic, sizeof(no_magic)) == 0) {
        return -ENOENT; // its start died while it was made
    }
    if (!is_ours(&head)) {
        return -EBADMSG;
    }
    if (head.state != SPY__CRASH_BEGUN && head.state != SPY__CRASH_WHOLE) {
        return -ENOENT;
    }
    ret->run = head.run;
    ret->pid = head.pid;
    ret->time_ns = head.time_ns;
    ret->address = head.address;
    ret->sender = head.sender;
    ret->signal = head.signal;
    ret->code = head.code;
    ret->machine = head.machine;
    ret->whole = head.state == SPY__CRASH_WHOLE;
    ret->unanswered = head.unanswered;
    ret->unlisted = head.unlisted;
    int err = read_threads(ret, bytes, n);
    spy__crash_join(ret);
    ret->bound_count = spy__crash_read_bound(ret->bound, bytes, n, head.bound_bytes);
    read_records(ret, bytes, n, &head);
    err = err ? err : read_modules(&ret->modules, bytes, n, head.modules);
    if (err != 0) {
        spy__crash_done(ret);
    }
    return err;
}

void spy__crash_done(struct spy__crash *crash)
{
    for (size_t i = 0; i < SPY__CRASH_THREADS_MAX; i++) {
        free(crash->threads[i].frames);
        free(crash->threads[i].open);
    }
    spy__modules_done(&crash->modules);
    free(crash->file);
    memset(crash, 0, sizeof(*crash));
}

// ---- the file

static int path_of(char out[PATH_MAX], const char *state_dir, const char *name)
{
    return snprintf(out, PATH_MAX, "%s/%s", state_dir, name) < PATH_MAX ? 0 : -ENAMETOOLONG;
}

// Reads at most `cap` bytes; returns how many, or a negative errno.
static ssize_t read_file(unsigned char *to, size_t cap, const char *path)
{
    struct stat st;
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
    if (fd < 0) {
        return -errno;
    }
    size_t n = 0;
    ssize_t some = fstat(fd, &st) == 0 && S_ISREG(st.st_mode) ? 1 : -1;
    int err = some < 0 ? -EBADMSG : 0;
    while (some > 0 && n < cap) {
        some = read(fd, to + n, cap - n);
        n += some > 0 ? (size_t)some : 0;
        if (some < 0 && errno == EINTR) {
            some = 1;
        } else if (some < 0) {
            err = -errno;
        }
    }
    close(fd);
    return err ? err : (ssize_t)n;
}

static int parse_file(struct spy__crash *ret, const char *path)
{
    unsigned char *bytes = malloc(SPY__CRASH_BYTES);
    if (!bytes) {
        return -ENOMEM;
    }
    ssize_t n = read_file(bytes, SPY__CRASH_BYTES, path);
    int err = n < 0 ? (int)n : spy__crash_parse(ret, bytes, (size_t)n);
    if (err != 0) {
        free(bytes);
    } else {
        ret->file = bytes;
    }
    return err;
}

int spy__crash_take(struct spy__crash *ret, const char *state_dir, bool *ret_again)
{
    char path[PATH_MAX], taken[PATH_MAX];
    int err = path_of(path, state_dir, SPY__CRASH_FILE);
    err = err ? err : path_of(taken, state_dir, FILE_TAKEN);
    *ret_again = err == 0 && access(taken, F_OK) == 0;
    if (err != 0) {
        return err;
    }
    err = parse_file(ret, path);
    if (err == 0) {
        err = rename(path, taken) == 0 ? 0 : -errno;
        if (err != 0) {
            spy__crash_done(ret);
        }
        return err;
    }
    if (*ret_again && parse_file(ret, taken) == 0) {
        return 0;
    }
    (void)unlink(taken);
    return err;
}

void spy__crash_taken(const char *state_dir)
{
    char taken[PATH_MAX];
    if (path_of(taken, state_dir, FILE_TAKEN) == 0) {
        (void)unlink(taken);
    }
}

void spy__crash_put_back(const char *state_dir)
{
    char path[PATH_MAX], taken[PATH_MAX];
    if (path_of(path, state_dir, SPY__CRASH_FILE) == 0 &&
        path_of(taken, state_dir, FILE_TAKEN) == 0) {
        (void)rename(taken, path);
    }
}

// ---- names

const char *spy__crash_signal_name(int signal)
{
    switch (signal) {
    case SIGSEGV:
        return "SIGSEGV";
    case SIGBUS:
        return "SIGBUS";
    case SIGFPE:
        return "SIGFPE";
    case SIGILL:
        return "SIGILL";
    case SIGABRT:
        return "SIGABRT";
    default:
        return "signal";
    }
}

const char *spy__crash_code_name(int signal, int code)
{
    static const struct {
        int signal, code;
        const char *name;
    } names[] = {
        { SIGSEGV, SEGV_MAPERR, "SEGV_MAPERR" },    { SIGSEGV, SEGV_ACCERR, "SEGV_ACCERR" },
        { SIGBUS, BUS_ADRALN, "BUS_ADRALN" },       { SIGBUS, BUS_ADRERR, "BUS_ADRERR" },
        { SIGBUS, BUS_OBJERR, "BUS_OBJERR" },       { SIGBUS, BUS_MCEERR_AR, "BUS_MCEERR_AR" },
        { SIGBUS, BUS_MCEERR_AO, "BUS_MCEERR_AO" }, { SIGFPE, FPE_INTDIV, "FPE_INTDIV" },
        { SIGFPE, FPE_INTOVF, "FPE_INTOVF" },       { SIGFPE, FPE_FLTDIV, "FPE_FLTDIV" },
        { SIGFPE, FPE_FLTOVF, "FPE_FLTOVF" },       { SIGFPE, FPE_FLTUND, "FPE_FLTUND" },
        { SIGFPE, FPE_FLTRES, "FPE_FLTRES" },       { SIGFPE, FPE_FLTINV, "FPE_FLTINV" },
        { SIGFPE, FPE_FLTSUB, "FPE_FLTSUB" },       { SIGILL, ILL_ILLOPC, "ILL_ILLOPC" },
        { SIGILL, ILL_ILLOPN, "ILL_ILLOPN" },       { SIGILL, ILL_ILLADR, "ILL_ILLADR" },
        { SIGILL, ILL_ILLTRP, "ILL_ILLTRP" },       { SIGILL, ILL_PRVOPC, "ILL_PRVOPC" },
        { SIGILL, ILL_PRVREG, "ILL_PRVREG" },       { SIGILL, ILL_COPROC, "ILL_COPROC" },
        { SIGILL, ILL_BADSTK, "ILL_BADSTK" },
    };
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        if (names[i].signal == signal && names[i].code == code) {
            return names[i].name;
        }
    }
    return code == SI_USER     ? "SI_USER"
           : code == SI_TKILL  ? "SI_TKILL"
           : code == SI_QUEUE  ? "SI_QUEUE"
           : code == SI_KERNEL ? "SI_KERNEL"
                               : "";
}
