// What the stand-in LLM says: a chat completion whose content fulfils the JSON schema that was
// asked for, with text that is fun to look at.
//
// Form: https://platform.openai.com/docs/api-reference/chat/object
#ifndef TOOLS_STANDIN_ANSWER_H
#define TOOLS_STANDIN_ANSWER_H

#include <jansson.h>
#include <stdint.h>

#include "tools/standin_state.h"

// The schema's name of a request, "text" where it asks for none.
const char *standin_schema_name(const json_t *request);

// The completion to a request, with its usage; a fault of the model (prose, wrong schema, refusal)
// is put in. The same request with the same seed gets the same answer. A new reference; NULL
// without memory.
json_t *standin_completion(const json_t *request, enum standin_fault fault, uint64_t seed);

// An error's body, as the API writes it. A new reference.
json_t *standin_error(const char *type, const char *message);

#endif
