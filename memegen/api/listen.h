// A listening socket from an address of the configuration.
#ifndef MEMEGEN_API_LISTEN_H
#define MEMEGEN_API_LISTEN_H

#include <stddef.h>

// Opens, binds and listens on "HOST:PORT" ("[::1]:8080"; port 0 for any). Returns the descriptor,
// and in address "HOST:PORT" with the port in use; or a negative errno: error then says why.
int listen_open(const char *listen_on, char *address, size_t address_size, char *error,
                size_t error_size);

#endif
