// Text of /proc, or what a sandbox has in its place: no parser reads past its end, and percentages
// are percentages.
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
    uint64_t virtual, resident;
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
    free(text);
    return 0;
}
