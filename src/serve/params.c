#include "serve/params.h"

#include <string.h>

struct reading {
    spy__param_take *take;
    void *arg;
    const char *why; // NULL while all is well
};

static enum MHD_Result look_at_param(void *arg, enum MHD_ValueKind kind, const char *name,
                                     size_t name_len, const char *value, size_t value_len)
{
    struct reading *reading = arg;
    const char *why;
    (void)kind;
    if (strlen(name) != name_len || (value && strlen(value) != value_len)) {
        reading->why = "A parameter has a NUL in it.";
    } else if (reading->take(reading->arg, name, value, &why) != 0) {
        reading->why = why;
    }
    return reading->why ? MHD_NO : MHD_YES;
}

const char *spy__params_read(struct MHD_Connection *connection, spy__param_take *take, void *arg)
{
    struct reading reading = { .take = take, .arg = arg };
    (void)MHD_get_connection_values_n(connection, MHD_GET_ARGUMENT_KIND, look_at_param, &reading);
    return reading.why;
}
