// A text with symbols becomes a caption: "{person} on {topic}" → "The intern on tabs vs spaces".
#ifndef MEMEGEN_LLM_GRAMMAR_H
#define MEMEGEN_LLM_GRAMMAR_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>

#include "memegen/llm/dice.h"
#include "memegen/llm/phrases.h"
#include "memegen/meme.h"

// Texts inside texts inside texts …
#define GRAMMAR_DEPTH_MAX 4
// Symbols that keep their meaning over the captions of one meme.
#define GRAMMAR_MEMO_MAX 16

// What the symbols of one meme stand for. In a meme a symbol always means the same.
struct grammar {
    const json_t *language; // of phrases_language()
    struct dice *dice;
    char topic[256];     // as it stands in a sentence: shortened, in quotes where it is one itself
    char a[128], b[128]; // the two sides of "a vs b"; "" where it is none
    char key[128];       // the topic's longest word
    char trend[256];     // "" where there is none
    bool question;       // the topic asks something
    struct {
        char symbol[PHRASES_SYMBOL_BYTES];
        char text[128];
    } memo[GRAMMAR_MEMO_MAX];
    size_t memo_count;
};

// Sets up the symbols that the topic and the trend ("" for none) give.
void grammar_init(struct grammar *grammar, const json_t *language, struct dice *dice,
                  const char *topic, const char *trend);

// Writes the caption that the text makes; its first letter is a capital.
void grammar_expand(struct grammar *grammar, const char *text, char ret[MEME_CAPTION_BYTES]);

#endif
