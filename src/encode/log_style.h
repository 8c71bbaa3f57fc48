// What every line of a log says, written once for each format.
#ifndef ENCODE_LOG_STYLE_H
#define ENCODE_LOG_STYLE_H

#include <stdbool.h>
#include <stddef.h>

// Bytes of a service's or an environment's name; a longer one is cut.
#define SPY__LOG_NAME_MAX 128
// Two names, each byte an escape of six, and their keys.
#define SPY__LOG_CONSTANT_MAX (2 * (6 * SPY__LOG_NAME_MAX + 32))

struct spy__log_style {
    bool colour; // console form only
    // The service and the environment as JSON and as logfmt, with what separates them from what
    // stands before.
    size_t json_len, logfmt_len;
    char json[SPY__LOG_CONSTANT_MAX], logfmt[SPY__LOG_CONSTANT_MAX];
};

// A name that is NULL or "" is left out.
void spy__log_style_init(struct spy__log_style *ret, const char *service, const char *environment,
                         bool colour);

#endif
