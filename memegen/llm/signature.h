// A signature: what a call of a language model takes and gives, as a table of typed fields (the
// idea of DSPy, https://dspy.ai/learn/programming/signatures/).
//
// From the table come the prompt, the JSON schema that the provider is given, and the check of the
// answer. What the check finds wrong is a sentence for the model to mend it by.
#ifndef MEMEGEN_LLM_SIGNATURE_H
#define MEMEGEN_LLM_SIGNATURE_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>

// Longest answer that is looked at.
#define SIGNATURE_ANSWER_MAX (64u << 10)
#define SIGNATURE_PROBLEM_BYTES 256

enum sig_type { SIG_STRING, SIG_INT, SIG_NUMBER, SIG_BOOL, SIG_ENUM, SIG_STRINGS, SIG_INTS };

struct sig_field {
    const char *name; // NULL ends a table
    enum sig_type type;
    const char *description;     // for the model
    bool optional;               // inputs alone: a strict schema has no optional outputs
    bool may_be_empty;           // a string, or a string of a list, of no characters
    size_t chars_max;            // of a string, or of each string of a list; 0: no limit
    double min, max;             // of a number, where min < max
    const char *const *values;   // of an enum, NULL-ended
    size_t items_min, items_max; // of a list, where items_max > 0
    const char *items_as;        // outputs: the list has as many items as this input list
    const char
        *chars_as; // outputs: its i-th string has at most as many characters as this input says
};

struct signature {
    const char *name; // [a-z_]: also the schema's name
    const char *task; // what to do, in the model's words
    const struct sig_field *inputs, *outputs;
};

// What the model is, does, takes and gives. malloc; NULL without memory.
char *signature_system_text(const struct signature *signature, const json_t *inputs);
// The inputs of one call, as data. malloc; NULL without memory.
char *signature_user_text(const struct signature *signature, const json_t *inputs);
// JSON schema of the outputs, strict: every field required, no other allowed. A new reference; NULL
// without memory.
json_t *signature_schema(const struct signature *signature, const json_t *inputs);

// Whether inputs fit the table; a fault of ours where they do not. 0 or -EINVAL with the problem.
int signature_check_inputs(const struct signature *signature, const json_t *inputs, char *problem,
                           size_t size);

// Reads an answer: JSON, bare or in one code fence. 0 and *ret, a new reference; -EINVAL with the
// problem.
int signature_read_answer(const struct signature *signature, const json_t *inputs, const char *text,
                          size_t len, json_t **ret, char *problem, size_t size);

#endif
