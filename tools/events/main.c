// spyglass-events: ClickHouse's engine (libchdb) behind ClickHouse's HTTP interface, as the event
// store of a machine where no ClickHouse server runs.
//
// Every answer is the engine's: no SQL is read here (see statement.h). What is offered is in --help.

#include <errno.h>
#include <limits.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "serve/access.h"
#include "tools/events/http.h"
#include "tools/events/lock.h"

#define QUERIES_DEFAULT 4
#define QUERIES_MAX 16
// At a signal, requests may end by themselves for this long, then they are cancelled, and may end
// for as long again. script/up waits for 15 s.
#define DRAIN_MS 5000

static const char help[] =
    "usage: spyglass-events --data DIR [--listen HOST:PORT] [--queries N]\n"
    "\n"
    "ClickHouse's engine, embedded, with ClickHouse's HTTP interface. Prints its address.\n"
    "\n"
    "  --data DIR          where the data is; made where it is not there, one process at a time\n"
    "  --listen HOST:PORT  loopback address; port 0 takes a free one [127.0.0.1:8123]\n"
    "  --queries N         how many queries run at once, beside one insert [4]\n"
    "\n"
    "What it offers of the interface (https://clickhouse.com/docs/interfaces/http):\n"
    "\n"
    "  GET /ping           Ok.\n"
    "  GET /?query=SQL     a query, with the setting readonly = 2\n"
    "  POST /?query=SQL    a statement; of an INSERT with a FORMAT, the body is its data;\n"
    "                      of anything else, the rest of its text\n"
    "  URL parameters      query, database, default_format, query_id, param_NAME, user, password,\n"
    "                      client_protocol_version, wait_end_of_query, buffer_size, quota_key;\n"
    "                      any other is a setting\n"
    "  headers             X-ClickHouse-Database, -Format, -Query-Id, -User, -Key; Authorization;\n"
    "                      Content-Encoding: gzip, zstd; Accept-Encoding: gzip, zstd, where the\n"
    "                      setting enable_http_compression is 1\n"
    "  in its answers      X-ClickHouse-Summary, -Exception-Code, -Format, -Query-Id, -Timezone,\n"
    "                      -Server-Display-Name\n"
    "\n"
    "The user is default, without a password. Anything else is 501: sessions, roles, external\n"
    "tables, ClickHouse's own compression, INTO OUTFILE, FROM INFILE, BACKUP. What reaches beyond\n"
    "the data folder (file, url, remote, s3, dictionaries, ...) is refused by the engine and, "
    "where\n"
    "there is Landlock, by the kernel. A body may have 128 MiB decoded, a result 256 MiB; a query "
    "has\n"
    "60 s (max_execution_time, up to 600). Past its bounds it answers 503.\n"
    "\n"
    "Variables:\n"
    "  SPY_LIBCHDB         libchdb.so [where script/setup puts it]\n";

struct flags {
    const char *listen_on, *data;
    unsigned queries;
};

static bool take_number(const char *text, unsigned *ret)
{
    char *end;
    errno = 0;
    unsigned long n = strtoul(text, &end, 10);
    *ret = (unsigned)n;
    return errno == 0 && *text >= '0' && *text <= '9' && *end == '\0' && n >= 1 && n <= QUERIES_MAX;
}

static bool take_flags(struct flags *flags, int argc, char **argv)
{
    for (int i = 1; i < argc; i += 2) {
        if (i + 1 == argc) {
            fprintf(stderr, "spyglass-events: \"%s\" has no value; --help lists the flags\n",
                    argv[i]);
            return false;
        }
        if (strcmp(argv[i], "--listen") == 0) {
            flags->listen_on = argv[i + 1];
        } else if (strcmp(argv[i], "--data") == 0) {
            flags->data = argv[i + 1];
        } else if (strcmp(argv[i], "--queries") != 0) {
            fprintf(stderr, "spyglass-events: \"%s\" is no flag; --help lists them\n", argv[i]);
            return false;
        } else if (!take_number(argv[i + 1], &flags->queries)) {
            fprintf(stderr, "spyglass-events: --queries: \"%s\" is no number from 1 to %d\n",
                    argv[i + 1], QUERIES_MAX);
            return false;
        }
    }
    if (!flags->data) {
        fputs("spyglass-events: --data DIR is wanted; --help says more\n", stderr);
    }
    return flags->data != NULL;
}

static bool take_address(const char *text, struct sockaddr_storage *ret)
{
    socklen_t len;
    bool right = spy__address_parse(text, ret, &len) == 0 &&
                 spy__address_is_loopback((const struct sockaddr *)ret);
    if (!right) {
        fprintf(stderr, "spyglass-events: --listen: \"%s\" is no loopback HOST:PORT\n", text);
    }
    return right;
}

// Waits for the signal and winds down; returns the exit status.
static int run(struct events_http *http, const sigset_t *signals)
{
    int number;
    sigwait(signals, &number);
    events_work_close(http->work);
    if (!events_http_drain(http, DRAIN_MS)) {
        events_engine_kill_queries(&http->work->engine);
        if (!events_http_drain(http, DRAIN_MS)) {
            // What was acknowledged is on disk; what runs was not.
            fputs("spyglass-events: a statement did not end; left as it was\n", stderr);
            _exit(1);
        }
    }
    events_http_stop(http);
    return 0;
}

static int serve(const struct flags *flags, const struct sockaddr_storage *address,
                 const char *folder)
{
    static struct events_work work;
    struct events_http http = { 0 };
    char why[4608];
    unsigned port;
    sigset_t signals;
    int status = 1;
    sigemptyset(&signals);
    sigaddset(&signals, SIGTERM);
    sigaddset(&signals, SIGINT);
    pthread_sigmask(SIG_BLOCK, &signals, NULL); // before the engine's threads, which inherit it
    signal(SIGPIPE, SIG_IGN);
    if (!events_work_start(&work, folder, flags->queries, why, sizeof(why))) {
        fprintf(stderr, "spyglass-events: %s\n", why);
    } else if (!events_http_start(&http, &work, address, &port)) {
        fprintf(stderr, "spyglass-events: cannot listen on %s: %s\n", flags->listen_on,
                strerror(errno));
    } else {
        printf("spyglass-events (ClickHouse %s, %s) listens on http://%.*s:%u\n",
               work.engine.version, folder,
               (int)(strrchr(flags->listen_on, ':') - flags->listen_on), flags->listen_on, port);
        fflush(stdout);
        if (work.engine.sandbox != 0) {
            fprintf(stderr,
                    "spyglass-events: no sandbox here (Landlock: %s): a query may read any file "
                    "that this user may\n",
                    strerror(-work.engine.sandbox));
        }
        status = run(&http, &signals);
    }
    events_work_stop(&work);
    return status;
}

int main(int argc, char **argv)
{
    struct flags flags = { "127.0.0.1:8123", NULL, QUERIES_DEFAULT };
    struct sockaddr_storage address;
    char why[4608], folder[PATH_MAX];
    if (argc == 2 && (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0)) {
        return fputs(help, stdout) < 0;
    }
    if (!take_flags(&flags, argc, argv) || !take_address(flags.listen_on, &address)) {
        return 2;
    }
    if (!events_lock(flags.data, why, sizeof(why))) {
        fprintf(stderr, "spyglass-events: %s\n", why);
        return 1;
    }
    if (!realpath(flags.data, folder)) {
        fprintf(stderr, "spyglass-events: %s: %s\n", flags.data, strerror(errno));
        return 1;
    }
    return serve(&flags, &address, folder);
}
