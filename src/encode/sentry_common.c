#include "encode/sentry_common.h"

#include "base/ids.h"
#include "encode/line.h"
#include "spyglass/api.h"

void spy__sentry_put_id(struct spy__json *j, uint64_t hi, uint64_t lo)
{
    char hex[32];
    spy__hex_u64(hex, hi);
    spy__hex_u64(hex + 16, lo);
    spy__json_strn(j, hex, sizeof(hex));
}

void spy__sentry_put_span_id(struct spy__json *j, uint64_t id)
{
    char hex[16];
    spy__hex_u64(hex, id);
    spy__json_strn(j, hex, sizeof(hex));
}

void spy__sentry_put_time(struct spy__json *j, uint64_t ns)
{
    char text[SPY__TIME_LEN];
    spy__time_print(text, ns);
    spy__json_strn(j, text, sizeof(text));
}

void spy__sentry_put_sdk(struct spy__json *j)
{
    spy__json_object(j);
    spy__json_key(j, "name");
    spy__json_str(j, SPY__SENTRY_SDK);
    spy__json_key(j, "version");
    spy__json_str(j, SPYGLASS_VERSION);
    spy__json_object_end(j);
}
