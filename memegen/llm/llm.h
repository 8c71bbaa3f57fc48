// A writer that answers signatures: a language model behind a network (openai.h), or the offline
// one (offline.c).
//
// llm_complete() asks, checks the answer against the signature, and asks once more with what was
// wrong. A provider knows nothing of the checking: it gets a question and gives a text.
#ifndef MEMEGEN_LLM_LLM_H
#define MEMEGEN_LLM_LLM_H

#include <jansson.h>
#include <stddef.h>
#include <stdint.h>

#include "memegen/llm/signature.h"

// The first try, and one that is told what was wrong: a model that fails twice rarely mends at the
// third.
#define LLM_TRIES_MAX 2
#define LLM_MESSAGE_BYTES 256

struct llm_failure {
    const char *error_type; // a value of the contract's error_type; a constant
    char message[LLM_MESSAGE_BYTES];
};

struct llm_question {
    const struct signature *signature;
    const json_t *inputs;
    const char *agent;      // who asks: attribution of tokens and cost
    uint64_t seed;          // the same question with the same seed should get the same answer
    unsigned tries;         // 0 for the first
    const char *bad_answer; // of the try before, with what was wrong about it; NULL at the first
    const char *problem;
    int64_t *deadline_ms; // the provider's own, from try to try: 0 at the first
};

struct llm;

struct llm_ops {
    // 0 and *ret_text (malloc, NUL-ended), or a negative errno with *failure filled in. -EBADMSG is
    // for what the next try may mend: failure->message then says what was wrong, and *ret_text what
    // was answered, if anything (malloc or NULL). Threads: any.
    int (*answer)(struct llm *llm, const struct llm_question *question, char **ret_text,
                  struct llm_failure *failure);
    void (*close)(struct llm *llm);
    // Ends what is under way, and what is asked later, soon; NULL where nothing takes long.
    // Threads: any.
    void (*stop)(struct llm *llm);
};

// Embedded as the first member of each provider's own struct.
struct llm {
    const struct llm_ops *ops;
};

// 0 and *ret (an object that fulfils the signature; a new reference), or a negative errno with
// *failure filled in. Threads: any.
int llm_complete(struct llm *llm, const struct signature *signature, const json_t *inputs,
                 const char *agent, uint64_t seed, json_t **ret, struct llm_failure *failure);

// From now on every question ends soon, the ones under way too. Threads: any.
void llm_stop(struct llm *llm);

// NULL is a no-op.
void llm_close(struct llm *llm);

// The offline writer: a grammar over the phrases of data_dir. Returns 0 or a negative errno; error
// then says which file and what.
int offline_open(struct llm **ret, const char *data_dir, char *error, size_t error_size);

#endif
