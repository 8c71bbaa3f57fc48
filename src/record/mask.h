// Which fields hold secrets, by their keys.
#ifndef RECORD_MASK_H
#define RECORD_MASK_H

#include <stdbool.h>

#include "spyglass/log.h"

#define SPY__REDACTED "[redacted]"

// Whether the field's value must not be written. Case does not count, nor does '-' for '_' or none.
// A number is no token: `input_tokens` counts words of a language model.
bool spy__is_secret(const struct spy_field *field);

#endif
