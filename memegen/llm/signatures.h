// The signatures that the agents ask by.
#ifndef MEMEGEN_LLM_SIGNATURES_H
#define MEMEGEN_LLM_SIGNATURES_H

#include "memegen/llm/signature.h"

// prompt_generator: a topic and a template become captions, one a slot.
extern const struct signature signature_captions;
// refinement: as above, with the captions so far and what was found wanting.
extern const struct signature signature_refine;

// The verifiers, each by its own name: a topic and captions become a verdict. The offline writer
// has none: there the verifiers' own checks stand alone.
extern const struct signature signature_factuality;
extern const struct signature signature_instruction_following;
extern const struct signature signature_appropriateness;

#endif
