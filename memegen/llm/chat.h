// The form of OpenAI's chat completions, as many servers speak it: a question becomes a body, a
// body becomes what the model said and what it used. Pure.
//
// https://platform.openai.com/docs/api-reference/chat
#ifndef MEMEGEN_LLM_CHAT_H
#define MEMEGEN_LLM_CHAT_H

#include <stdbool.h>
#include <stddef.h>

#include "memegen/llm/llm.h"

// Longest body that is looked at: an answer of SIGNATURE_ANSWER_MAX, escaped, and what is around
// it.
#define CHAT_BYTES_MAX (1u << 20)

struct chat_usage {
    long input_tokens, output_tokens; // 0 where the answer does not say
};

struct chat_answer {
    char *text; // what the model said, malloc; NULL where it is no chat completion
    struct chat_usage usage;
    bool declined;                         // the text is a refusal, or was cut off: no answer
    char problem[SIGNATURE_PROBLEM_BYTES]; // of what is no answer, in words for the model
};

// The request's body. A bad answer before this one is shown with what was wrong about it. Returns
// malloc, NULL without memory.
char *chat_request(const char *model, const struct llm_question *question);

// Reads an answer's body. 0 where the model said something that can be held against the signature;
// -EBADMSG with ret->problem; -ENOMEM. Free ret->text.
int chat_read(struct chat_answer *ret, const char *body, size_t len);

// The code or type that an error's body gives, such as "insufficient_quota", or "": lower-case
// letters and underscores alone, so that nothing secret that a server echoes can get into a log.
void chat_error_code(char *ret, size_t size, const char *body, size_t len);

#endif
