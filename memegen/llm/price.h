// What tokens cost: a YAML file of models and their prices in US dollars a million tokens.
#ifndef MEMEGEN_LLM_PRICE_H
#define MEMEGEN_LLM_PRICE_H

#include <stddef.h>

#include "memegen/llm/chat.h"

struct price {
    double input, output; // US dollars a million tokens
};

// Looks a model up in the file: by its name, or by its name without the date of a snapshot
// ("-2024-07-18"). Returns 0, -ENOENT (the file does not know it), or another negative errno;
// error then says what and where.
int price_load(struct price *ret, const char *path, const char *model, char *error,
               size_t error_size);

double price_of(const struct price *price, const struct chat_usage *usage);

#endif
