#include "signals/error_report.h"

#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>

#include "base/ids.h"
#include "metrics/dropped.h"
#include "signals/error.h"
#include "spyglass/metrics.h"

enum outcome {
    PASSED,
    DUPLICATE,
    LIMITED,
    REFUSED, // by before_send
    OUTCOMES,
};
static struct spy_counter errors[OUTCOMES]; // const after spy__error_register()

static struct {
    struct spy__error_report_options options; // const between open and close
    char release[129], environment[129];
    bool child; // written after fork() alone
    pthread_mutex_t mu;
    struct spy__error_groups *groups; // what it points to is guarded by mu
} report = { .mu = PTHREAD_MUTEX_INITIALIZER };

int spy__error_register(void)
{
    static const char *const names[OUTCOMES] = { "passed", "duplicate", "limited", "refused" };
    struct spy_counter family;
    int err = spy_counter_register(&family,
                                   &(struct spy_metric){ .name = "spyglass_errors_total",
                                                         .help = "Errors, by what became of them",
                                                         .labels = SPY_LABELS("outcome") });
    for (int i = 0; err == 0 && i < OUTCOMES; i++) {
        errors[i] = spy_counter_with(family, names[i]);
    }
    return err;
}

static void become_child(void)
{
    report.child = true;
    report.mu = (pthread_mutex_t)PTHREAD_MUTEX_INITIALIZER; // whoever held it is not here
}

static void watch_forks(void)
{
    (void)pthread_atfork(NULL, NULL, become_child);
}

int spy__error_report_open(const struct spy__error_report_options *options)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, watch_forks);
    report.child = false;
    report.options = *options;
    (void)snprintf(report.release, sizeof(report.release), "%s",
                   options->release ? options->release : "");
    (void)snprintf(report.environment, sizeof(report.environment), "%s",
                   options->environment ? options->environment : "");
    report.groups = spy__error_groups_new();
    return report.groups ? 0 : -ENOMEM;
}

void spy__error_report_close(void)
{
    spy__error_groups_free(report.groups);
    report.groups = NULL;
    memset(&report.options, 0, sizeof(report.options));
}

const struct spy__error_groups *spy__error_lock(void)
{
    if (report.groups) {
        pthread_mutex_lock(&report.mu);
    }
    return report.groups;
}

void spy__error_unlock(void)
{
    pthread_mutex_unlock(&report.mu);
}

const char *spy__error_release(void)
{
    return report.release;
}

const char *spy__error_environment(void)
{
    return report.environment;
}

// ---- the host's word

static const char *text_of(const struct spy__record *record, const char *key, char *out,
                           size_t size)
{
    const struct spy_field *field = spy__record_text(record, key);
    if (!field) {
        return NULL;
    }
    (void)snprintf(out, size, "%.*s", (int)field->len, field->value.s);
    return out;
}

static bool is_ours(const struct spy_field *field)
{
    return (int)field->type >= SPY_FIELD_ADDRS || strcmp(field->key, SPY__ERROR_MESSAGE) == 0 ||
           strcmp(field->key, SPY__ERROR_MECHANISM) == 0 ||
           strcmp(field->key, SPY__ERROR_PLACE) == 0 || spy__is_request_detail(field);
}

static size_t host_fields(struct spy_field *ret, const struct spy__record *record)
{
    size_t n = 0;
    for (size_t i = 0; i < record->field_count; i++) {
        if (!is_ours(&record->fields[i])) {
            ret[n++] = record->fields[i];
        }
    }
    return n;
}

// Asks before_send. False: it is not to be sent. *fingerprint may be another then.
static bool ask_host(const struct spy__record *record, bool fatal, const char **fingerprint)
{
    char message[SPY__FIELD_STR_MAX + 1], place[SPY__ERROR_PLACE_MAX + 1];
    struct spy_field fields[SPY_FIELDS_MAX];
    if (!report.options.before_send) {
        return true;
    }
    struct spy_error_report asked = {
        .fatal = fatal,
        .type = record->event,
        .message = text_of(record, SPY__ERROR_MESSAGE, message, sizeof(message)),
        .place = text_of(record, SPY__ERROR_PLACE, place, sizeof(place)),
        .module = record->module,
        .correlation_id = record->correlation_id,
        .fields = fields,
        .field_count = host_fields(fields, record),
        .fingerprint = *fingerprint,
    };
    bool sent = report.options.before_send(&asked, report.options.before_send_arg) != 0;
    *fingerprint = asked.fingerprint;
    return sent;
}

// ---- the way of an error

static enum outcome group(const struct spy__record *record, const char *fingerprint,
                          uint64_t *ret_key)
{
    *ret_key = spy__error_key(record, fingerprint);
    pthread_mutex_lock(&report.mu);
    bool passed = spy__error_groups_take(report.groups, *ret_key, record);
    pthread_mutex_unlock(&report.mu);
    return passed || !report.options.send ? PASSED : LIMITED;
}

static void send(const struct spy__record *record, const char *fingerprint, uint64_t key,
                 const void *crash)
{
    char hex[17] = "";
    spy__hex_u64(hex, key);
    const struct spy__error_passed passed = {
        .record = record,
        .fingerprint = { fingerprint ? fingerprint : record->event, fingerprint ? NULL : hex },
        .crash = crash,
    };
    if (report.options.send) {
        report.options.send(&passed);
    }
}

static void tell_unsent(bool refused)
{
    if (report.options.unsent) {
        report.options.unsent(refused);
    }
}

void spy__error_take(const struct spy__record *record, const void *crash)
{
    char text[SPY__ERROR_FINGERPRINT_MAX + 1];
    uint64_t key = 0;
    if (!report.groups || report.child) {
        return;
    }
    pthread_mutex_lock(&report.mu);
    bool told = spy__error_groups_told(report.groups, record);
    pthread_mutex_unlock(&report.mu);
    const char *fingerprint = text_of(record, SPY__ERROR_FINGERPRINT, text, sizeof(text));
    enum outcome outcome = DUPLICATE;
    if (!told) {
        outcome = ask_host(record, crash != NULL, &fingerprint) ? group(record, fingerprint, &key)
                                                                : REFUSED;
    }
    spy_counter_inc(errors[outcome]);
    switch (outcome) {
    case PASSED:
        send(record, fingerprint, key, crash);
        break;
    case LIMITED:
        spy__dropped(SPY__SIGNAL_ERROR, SPY__DROP_LIMITED, 1);
        tell_unsent(false);
        break;
    case REFUSED:
        tell_unsent(true);
        break;
    default:
        break; // it was told
    }
}
