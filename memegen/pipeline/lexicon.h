// What the router and the scorer know about words: subjects, moods, languages by their common
// words, and words so common that they surprise nobody. From phrases-words.yaml. Immutable once
// loaded. Threads: any may read.
#ifndef MEMEGEN_PIPELINE_LEXICON_H
#define MEMEGEN_PIPELINE_LEXICON_H

#include <stdbool.h>
#include <stddef.h>

struct lexicon;

int lexicon_load(struct lexicon **ret, const char *data_dir, char *error, size_t error_size);
void lexicon_free(struct lexicon *lexicon);

// The subject and the mood that the folded text has most words of. Borrowed; "general" and "ironic"
// where it has none.
const char *lexicon_subject(const struct lexicon *lexicon, const char *folded);
const char *lexicon_mood(const struct lexicon *lexicon, const char *folded);
// ISO 639-1: by the script, and for Latin and Cyrillic by their common words. Borrowed; "en" where
// nothing tells.
const char *lexicon_language(const struct lexicon *lexicon, const char *folded, const char *script);
// Whether the folded word carries no meaning of its own ("the", "und").
bool lexicon_is_stopword(const struct lexicon *lexicon, const char *word);
// Whether the folded word is one of everyday speech: a joke made of such words alone surprises
// nobody.
bool lexicon_is_common(const struct lexicon *lexicon, const char *word);
// Whether the folded word is one that jokes turn on: an exaggeration, a feeling, a twist.
bool lexicon_is_comic(const struct lexicon *lexicon, const char *word);

#endif
