// What goes to Sentry: where it is, which traces, and what may be said of people.

#include "settings_find.h"

#include <errno.h>
#include <stdlib.h>

static int find_dsn(struct spy__settings *s, const struct spy_options *o)
{
    const char *path = spy__or_null(getenv("SENTRY_DSN_FILE"));
    s->sentry_dsn = spy__or_variable(o->sentry_dsn, "SENTRY_DSN");
    if (s->sentry_dsn || !path) {
        return 0;
    }
    ssize_t n = spy__settings_secret(s->dsn, sizeof(s->dsn), "SENTRY_DSN_FILE", path);
    if (n < 0) {
        return (int)n;
    }
    s->dsn[n] = '\0';
    s->sentry_dsn = spy__or_null(s->dsn);
    return 0;
}

// ---- traces

static int find_rate(double *ret, double option, const char *name, const char *variable)
{
    const char *text = spy__or_null(getenv(variable));
    *ret = option == SPY_SAMPLE_NONE ? 0 : option;
    if (!(*ret >= 0 && *ret <= 1)) {
        return spy__settings_refuse(-EINVAL, "%s is %g: it must be 0 to 1", name, option);
    }
    return option != 0 || !text || spy__sampling_read_rate(ret, text)
               ? 0
               : spy__settings_refuse(-EINVAL, "%s is %.64s: it must be 0 to 1", variable, text);
}

static int find_sampling(struct spy__settings *s, const struct spy_options *o)
{
    const char *routes = spy__or_variable(o->traces_sample_routes, "SPY_TRACES_SAMPLE_ROUTES");
    int err = find_rate(&s->sampling.rate, o->traces_sample_rate, "traces_sample_rate",
                        "SENTRY_TRACES_SAMPLE_RATE");
    err = err ? err
              : find_rate(&s->profiles_rate, o->profiles_sample_rate, "profiles_sample_rate",
                          "SENTRY_PROFILES_SAMPLE_RATE");
    if (err != 0 || spy__sampling_parse(&s->sampling, routes) == 0) {
        return err;
    }
    return spy__settings_refuse(-EINVAL,
                                "%s is \"%.200s\": it must be like "
                                "\"GET /healthz=0, /memes/{id}=0.5\", at most %u routes",
                                spy__or_null(o->traces_sample_routes) ? "traces_sample_routes"
                                                                      : "SPY_TRACES_SAMPLE_ROUTES",
                                routes, SPY__SAMPLING_ROUTES_MAX);
}

// ---- personal data

static int find_pii(struct spy__settings *s, const struct spy_options *o)
{
    static const char *const names[] = { "", "off", "on", NULL };
    int said = 0;
    int err = o->send_default_pii
                  ? 0
                  : spy__settings_choose(&said, "SPY_SEND_DEFAULT_PII", names, "off, on");
    s->send_default_pii = o->send_default_pii > 0 || said == 2;
    return err;
}

int spy__settings_find_sentry(struct spy__settings *s, const struct spy_options *o)
{
    s->profiles_platform = spy__or_variable(o->profiles_platform, "SPY_PROFILES_PLATFORM");
    s->before_send = o->before_send;
    s->before_send_arg = o->before_send_arg;
    int err = find_dsn(s, o);
    err = err ? err : find_pii(s, o);
    return err ? err : find_sampling(s, o);
}
