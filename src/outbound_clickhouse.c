// ClickHouse, where events go.

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "backends/clickhouse.h"
#include "outbound.h"
#include "spyglass/events.h"
#include "spyglass/log.h"

// A batch. A server likes them large: the fewer they are, the less it merges. They are a second old
// at most.
#define ROWS_MAX 32000u
#define BYTES_MAX (8u << 20)
#define AGE_MS 1000u

// What the host's options say, copied: they are the host's again once it has started.
enum {
    COPY_SERVICE,
    COPY_ENVIRONMENT,
    COPY_CA,
    COPY_CERT,
    COPY_KEY,
    COPIES,
};

static char *copies[COPIES]; // NULL for what is not given
static struct spy__clickhouse *clickhouse;
static struct spy__clickhouse_asker *asker;

static void say_migrated(void *arg, const char *name)
{
    (void)arg;
    if (!spy__outbound_is_quiet()) {
        spy_info("clickhouse_migrated", spy_str("migration", name));
    }
}

static int copy_options(const struct spy__settings *s)
{
    const char *const from[COPIES] = {
        [COPY_SERVICE] = s->service,    [COPY_ENVIRONMENT] = s->environment,
        [COPY_CA] = s->clickhouse_ca,   [COPY_CERT] = s->clickhouse_cert,
        [COPY_KEY] = s->clickhouse_key,
    };
    for (int i = 0; i < COPIES; i++) {
        copies[i] = from[i] ? strdup(from[i]) : NULL;
        if (from[i] && !copies[i]) {
            return -ENOMEM;
        }
    }
    return 0;
}

int spy__outbound_clickhouse_make(struct spy__backend *ret, const struct spy__settings *s)
{
    const char *why = "no memory";
    if (copy_options(s) != 0) {
        return spy__settings_refuse(-ENOMEM, "there is no memory for delivery");
    }
    const struct spy__clickhouse_options options = {
        .url = s->clickhouse_url,
        .service = copies[COPY_SERVICE],
        .environment = copies[COPY_ENVIRONMENT],
        .no_migrate = s->clickhouse_no_migrate,
        .applied = say_migrated,
    };
    const struct spy__tls tls = { copies[COPY_CA], copies[COPY_CERT], copies[COPY_KEY] };
    int err = spy__clickhouse_new(&clickhouse, &options, &why);
    err = err ? err : spy__clickhouse_asker_new(&asker, s->clickhouse_url, &tls, &why);
    if (err != 0) {
        return spy__settings_refuse(err, "clickhouse_url cannot be used: %s", why);
    }
    *ret = (struct spy__backend){
        .name = "clickhouse",
        .base = spy__clickhouse_base(clickhouse),
        .tls = tls,
        .self = clickhouse,
        .kinds = 1u << SPY__KIND_EVENT,
        .rows_max = ROWS_MAX,
        .bytes_max = BYTES_MAX,
        .age_ms = AGE_MS,
        .prepare = spy__clickhouse_prepare,
        .prepared = spy__clickhouse_prepared,
        .encode = spy__clickhouse_encode,
        .judge = spy__clickhouse_judge,
        .bury = spy__clickhouse_bury,
    };
    return 0;
}

const char *spy__outbound_clickhouse(void)
{
    return clickhouse ? spy__clickhouse_base(clickhouse) : NULL;
}

struct spy__clickhouse_asker *spy__outbound_asker(void)
{
    return asker;
}

void spy__outbound_clickhouse_free(bool child)
{
    if (!child) { // whose copy may be half of something
        spy__clickhouse_free(clickhouse);
        spy__clickhouse_asker_free(asker);
        for (int i = 0; i < COPIES; i++) {
            free(copies[i]);
            copies[i] = NULL;
        }
    }
    clickhouse = NULL;
    asker = NULL;
}

static const char *or_null(const char *s)
{
    return s && s[0] ? s : NULL;
}

int spy_events_migrate(const struct spy_events_server *server,
                       void (*applied)(void *arg, const char *name), void *arg,
                       char error[SPY_EVENTS_ERROR_MAX])
{
    const struct spy__tls tls = { or_null(server->ca), or_null(server->cert),
                                  or_null(server->key) };
    return spy__clickhouse_migrate_now(server->url, &tls, applied, arg, error,
                                       SPY_EVENTS_ERROR_MAX);
}
