#include "encode/sentry_host.h"

#include "encode/sentry_common.h"

static void put_text(struct spy__json *j, const char *key, const char *text)
{
    if (text && text[0]) {
        spy__json_key(j, key);
        spy__json_str(j, text);
    }
}

void spy__sentry_put_host(struct spy__json *j, const struct spy__sentry_host *host)
{
    put_text(j, "platform", "native");
    put_text(j, "release", host->release);
    put_text(j, "environment", host->environment);
    put_text(j, "server_name", host->machine->name);
    spy__json_key(j, "sdk");
    spy__sentry_put_sdk(j);
}

static void begin_context(struct spy__json *j, const char *type)
{
    spy__json_key(j, type);
    spy__json_object(j);
    put_text(j, "type", type);
}

static void put_number(struct spy__json *j, const char *key, uint64_t number)
{
    if (number > 0) {
        spy__json_key(j, key);
        spy__json_u64(j, number);
    }
}

void spy__sentry_put_host_contexts(struct spy__json *j, const struct spy__sentry_host *host)
{
    const struct spy__host *machine = host->machine;
    begin_context(j, "app");
    put_text(j, "app_name", host->service);
    put_text(j, "app_version", host->release);
    if (host->started_ns > 0) {
        spy__json_key(j, "app_start_time");
        spy__sentry_put_time(j, host->started_ns);
    }
    spy__json_object_end(j);
    begin_context(j, "device");
    put_text(j, "arch", machine->arch);
    put_number(j, "memory_size", machine->memory_bytes);
    put_number(j, "processor_count", machine->cpus);
    spy__json_object_end(j);
    begin_context(j, "os");
    put_text(j, "name", machine->os_name);
    put_text(j, "version", machine->os_version);
    put_text(j, "kernel_version", machine->kernel);
    spy__json_object_end(j);
    if (machine->libc[0]) {
        begin_context(j, "runtime");
        put_text(j, "name", "glibc");
        put_text(j, "version", machine->libc);
        spy__json_object_end(j);
    }
}
