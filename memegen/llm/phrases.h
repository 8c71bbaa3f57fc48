// The phrase bank of the offline writer: jokes, lines and words by language, from data files.
//
//     languages:
//       en:
//         quotes: ["“", "”"]
//         verbs: [is, are]                   # a topic with one is a sentence, and gets quotes
//         questions: [["why is ", " so "]]   # what stands around the thing that is asked about
//         words: { person: ["HR", "my boss"] }       # {person} in any text picks one
//         lines: { bad: ["{topic} on a Monday"] }    # one slot each, by the slot's role
//         jokes:                                     # whole memes: by role, or in order
//           - { mood: ironic, about: tech, needs: versus, say: { bad: "{a}", good: "{b}" } }
//           - { say: ["{topic}", "Not today"] }
//     roles: { bad: [rejected, refused] }    # words of a slot that give it its role
//
// Immutable once loaded; a wrong file is refused with its name and the place. Threads: any may
// read.
#ifndef MEMEGEN_LLM_PHRASES_H
#define MEMEGEN_LLM_PHRASES_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>

// Bytes of a symbol between braces, with a NUL.
#define PHRASES_SYMBOL_BYTES 32

struct phrases;

int phrases_load(struct phrases **ret, const char *data_dir, char *error, size_t error_size);
void phrases_free(struct phrases *phrases);

// Jokes and lines of all languages.
size_t phrases_count(const struct phrases *phrases);

// A language's part of the tree, borrowed: that of the code, else English.
const json_t *phrases_language(const struct phrases *phrases, const char *code);

// The role of a slot by the words of its description, else by its place: "statement" alone, "top"
// and "bottom" of two, "one", "two", … of more. Borrowed.
const char *phrases_role(const struct phrases *phrases, const char *slot, size_t at, size_t count);

// The next "{symbol}" from *at, which moves past it; *ret_before is what stands before it. False
// where there is none, and then *ret_before is all that is left. A brace without its other half is
// text.
bool phrases_next_symbol(const char **at, size_t *ret_before, char ret[PHRASES_SYMBOL_BYTES]);

#endif
