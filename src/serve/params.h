// The parameters of a request's address, one by one.
#ifndef SERVE_PARAMS_H
#define SERVE_PARAMS_H

#include <microhttpd.h>

// Takes one of them: returns 0, or another number with an English sentence in *ret_why, which lives
// for ever. value: NULL where there is no '='.
typedef int spy__param_take(void *arg, const char *name, const char *value, const char **ret_why);

// Gives each to take(), until one is not taken. Returns NULL, or what is wrong, as a sentence.
const char *spy__params_read(struct MHD_Connection *connection, spy__param_take *take, void *arg);

#endif
