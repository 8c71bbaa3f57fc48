#include "metrics/collector.h"

#include <errno.h>

// How often a value is read at most: some take a while, like counting descriptors where there are
// many.
#define PERIOD_MS 1000

static double read_value(void *arg)
{
    const struct spy__collector *value = arg;
    return value->read(value->arg);
}

int spy__collectors_add(const struct spy__collector *values, unsigned count, unsigned *registered)
{
    int r = 0;
    while (r == 0 && *registered < count) {
        const struct spy__collector *value = &values[*registered];
        struct spy__family *f;
        r = spy__family_add(&f, value->kind,
                            &(struct spy_metric){ .name = value->name, .help = value->help },
                            &(struct spy__source){ .read = read_value,
                                                   .arg = (void *)(uintptr_t)value,
                                                   .period_ms = PERIOD_MS,
                                                   .optional = true });
        r = r == -EEXIST ? 0 : r; // the host's own
        *registered += r == 0;
    }
    return r;
}
