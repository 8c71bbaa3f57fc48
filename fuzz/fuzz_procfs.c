// Text of /proc, or what a sandbox has in its place: no parser reads past its end, and percentages
// are percentages.
#include "metrics/cgroup.h"
#include "metrics/procfs.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_percent(double percent)
{
    if (!(percent >= 0 && percent <= 100)) {
        abort();
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *text = malloc(size + 1);
    struct spy__cpu_ticks ticks = { 0 };
    const struct spy__cpu_ticks before = { 100, 1000 };
    struct spy__process_stat stat;
    double percent = 0;
    uint64_t virtual, resident, value;
    struct spy__cgroup group;
    if (!text) {
        return 0;
    }
    memcpy(text, data, size);
    text[size] = 0;
    if (spy__parse_cpu(text, &ticks)) {
        check_percent(spy__cpu_percent(&before, &ticks));
        check_percent(spy__cpu_percent(&ticks, &before));
    }
    if (spy__parse_memory_percent(text, &percent)) {
        check_percent(percent);
    }
    check_percent(spy__disk_percent(ticks.total, ticks.busy, size));
    (void)spy__parse_process_stat(text, &stat);
    (void)spy__parse_process_memory(text, &virtual, &resident);
    (void)spy__parse_pressure(text, size & 1, &value);
    (void)spy__parse_netstat(text, "IpExt:", "InOctets", &value);
    // Two texts in one: what comes after a NUL is the second.
    size_t first = strlen(text);
    spy__cgroup_parse(&group, text, first < size ? text + first + 1 : text, "");
    for (int i = 0; i < SPY__CGROUP_CONTROLLERS; i++) {
        const struct spy__cgroup_place *place = &group.places[i];
        size_t n = strlen(place->path);
        if (n >= sizeof(place->path) || (n > 0 && place->mount_bytes > n)) {
            abort();
        }
    }
    free(text);
    return 0;
}
