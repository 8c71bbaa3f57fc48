// Symbols to words: see grammar.h.

#include "memegen/llm/grammar.h"

#include <ctype.h>
#include <glib.h>
#include <stdio.h>
#include <string.h>

#include "memegen/llm/words.h"

// The longest topic that stands in a caption as it is; about two thirds of a long slot.
#define TOPIC_CHARS_MAX 36
// More words than this read as a sentence, and get quotes.
#define TOPIC_WORDS_MAX 5

// Splits "a vs b". The signs are those of the languages that the phrases know.
static void split_versus(struct grammar *grammar, const char *topic)
{
    static const char *const signs[] = { " versus ", " vs. ",    " vs ",  " or ", " oder ", " ou ",
                                         " contra ", " против ", " или ", "还是", "対" };
    char folded[MEME_TOPIC_BYTES];
    words_fold(folded, sizeof(folded), topic, strlen(topic));
    for (size_t i = 0; i < G_N_ELEMENTS(signs); i++) {
        // Folding may change lengths: where it did, only a sign that stands in the topic as it is
        // will do.
        const char *from = strlen(folded) == strlen(topic) ? folded : topic;
        const char *sign = strstr(from, signs[i]);
        size_t at = sign ? (size_t)(sign - from) : 0, end = at + strlen(signs[i]);
        if (sign && at > 0 && topic[end]) {
            char side[MEME_TOPIC_BYTES];
            words_copy_n(side, sizeof(side), topic, at);
            words_clean(grammar->a, sizeof(grammar->a), side);
            words_clean(grammar->b, sizeof(grammar->b), topic + end);
            words_shorten(grammar->a, sizeof(grammar->a), TOPIC_CHARS_MAX / 2);
            words_shorten(grammar->b, sizeof(grammar->b), TOPIC_CHARS_MAX / 2);
            size_t last = strlen(grammar->b);
            if (last > 1 && strchr("?!.", grammar->b[last - 1])) {
                grammar->b[last - 1] = '\0';
            }
            return;
        }
    }
}

// The sign of a question at the end: "?", and the Arabic, Greek and full-width ones.
static bool ends_in(const char *s, const char *const ends[])
{
    size_t n = strlen(s);
    for (size_t i = 0; ends[i]; i++) {
        size_t m = strlen(ends[i]);
        if (n >= m && memcmp(s + n - m, ends[i], m) == 0) {
            return true;
        }
    }
    return false;
}

static void find_key(struct grammar *grammar, const char *topic)
{
    struct words_span word, longest = { topic, 0 };
    while (words_next(&topic, &word)) {
        longest = word.n > longest.n ? word : longest;
    }
    words_copy_n(grammar->key, sizeof(grammar->key), longest.s, longest.n);
    words_shorten(grammar->key, sizeof(grammar->key), TOPIC_CHARS_MAX / 2);
    if (!grammar->key[0]) {
        words_copy(grammar->key, sizeof(grammar->key), grammar->topic);
    }
}

static bool has_quotes(const char *s)
{
    static const char *const marks[] = { "\"", "“", "”", "„", "«", "»", "「", "」" };
    for (size_t i = 0; i < G_N_ELEMENTS(marks); i++) {
        if (strstr(s, marks[i])) {
            return true;
        }
    }
    return false;
}

static bool has_verb(const json_t *language, const char *topic)
{
    char folded[MEME_TOPIC_BYTES * 2];
    const json_t *verbs = json_object_get(language, "verbs");
    words_fold(folded, sizeof(folded), topic, strlen(topic));
    for (size_t i = 0; i < json_array_size(verbs); i++) {
        if (words_find(folded, json_string_value(json_array_get(verbs, i)))) {
            return true;
        }
    }
    return false;
}

// What a question is about: "why is regex so hard?" is about "regex". `questions` of the language
// holds pairs of what stands before and behind ("" for the end). Without one, ret is the topic and
// the result false.
static bool find_noun(const json_t *language, const char *topic, char ret[MEME_TOPIC_BYTES])
{
    const json_t *questions = json_object_get(language, "questions");
    size_t n = strlen(topic);
    words_copy(ret, MEME_TOPIC_BYTES, topic);
    for (size_t i = 0; i < json_array_size(questions); i++) {
        const json_t *pair = json_array_get(questions, i);
        const char *before = json_string_value(json_array_get(pair, 0));
        const char *behind = json_string_value(json_array_get(pair, 1));
        size_t from = strlen(before);
        const char *end = n <= from ? NULL : *behind ? strstr(topic + from, behind) : topic + n;
        if (end && end > topic + from && g_ascii_strncasecmp(topic, before, from) == 0) {
            words_copy_n(ret, MEME_TOPIC_BYTES, topic + from, (size_t)(end - topic) - from);
            return true;
        }
    }
    return false;
}

void grammar_init(struct grammar *grammar, const json_t *language, struct dice *dice,
                  const char *topic, const char *trend)
{
    static const char *const question_marks[] = { "?", "？", "؟", ";", NULL };
    static const char *const stops[] = {
        "?", "？", "؟", "!", "！", ".", "。", "…", ",", ":", NULL
    };
    char clean[MEME_TOPIC_BYTES];
    *grammar = (struct grammar){ .language = language, .dice = dice };
    words_clean(clean, sizeof(clean), topic);
    grammar->question = ends_in(clean, question_marks);
    split_versus(grammar, clean);
    char shorter[MEME_TOPIC_BYTES];
    if (grammar->a[0] && grammar->question && clean[strlen(clean) - 1] == '?') {
        clean[strlen(clean) - 1] = '\0'; // "tabs or spaces?" is a thing to talk about
    }
    bool sentence = !find_noun(language, clean, shorter) &&
                    (words_count(clean) > TOPIC_WORDS_MAX || ends_in(clean, stops) ||
                     has_verb(language, clean));
    sentence |= words_shorten(shorter, sizeof(shorter), TOPIC_CHARS_MAX);
    const json_t *quotes = json_object_get(language, "quotes");
    bool quoted = sentence && !has_quotes(shorter);
    size_t len = 0, size = sizeof(grammar->topic);
    len += words_copy(grammar->topic, size,
                      quoted ? json_string_value(json_array_get(quotes, 0)) : "");
    len += words_copy(grammar->topic + len, size - len, shorter);
    words_copy(grammar->topic + len, size - len,
               quoted ? json_string_value(json_array_get(quotes, 1)) : "");
    find_key(grammar, clean);
    words_clean(grammar->trend, sizeof(grammar->trend), trend);
    words_shorten(grammar->trend, sizeof(grammar->trend), TOPIC_CHARS_MAX);
}

static void expand_into(struct grammar *grammar, const char *text, char *out, size_t size,
                        int depth);

// A symbol of the word lists: what it meant before in this meme, else one of its words, by the
// dice.
static void pick_word(struct grammar *grammar, const char *symbol, char *out, size_t size,
                      int depth)
{
    char name[PHRASES_SYMBOL_BYTES];
    for (size_t i = 0; i < grammar->memo_count; i++) {
        if (strcmp(grammar->memo[i].symbol, symbol) == 0) {
            words_copy(out, size, grammar->memo[i].text);
            return;
        }
    }
    size_t n = words_copy(name, sizeof(name), symbol);
    while (n > 1 && isdigit((unsigned char)name[n - 1])) {
        name[--n] = '\0';
    }
    const json_t *words = json_object_get(json_object_get(grammar->language, "words"), name);
    size_t count = json_array_size(words);
    if (count == 0 || depth >= GRAMMAR_DEPTH_MAX) {
        out[0] = '\0';
        return;
    }
    const char *word = json_string_value(json_array_get(words, dice_below(grammar->dice, count)));
    expand_into(grammar, word, out, size, depth + 1);
    if (grammar->memo_count < GRAMMAR_MEMO_MAX) {
        size_t at = grammar->memo_count++;
        words_copy(grammar->memo[at].symbol, sizeof(grammar->memo[at].symbol), symbol);
        words_copy(grammar->memo[at].text, sizeof(grammar->memo[at].text), out);
    }
}

// Capitals, by character; a character whose capital does not fit ends the text.
static void to_upper(char *s, size_t size)
{
    char out[MEME_CAPTION_BYTES];
    size_t len = 0;
    for (const char *at = s; *at; at = g_utf8_next_char(at)) {
        char bytes[6];
        size_t n = (size_t)g_unichar_to_utf8(g_unichar_toupper(g_utf8_get_char(at)), bytes);
        if (len + n >= sizeof(out)) {
            break;
        }
        memcpy(out + len, bytes, n);
        len += n;
    }
    out[len] = '\0';
    words_copy(s, size, out);
}

static void expand_symbol(struct grammar *grammar, const char *symbol, char *out, size_t size,
                          int depth)
{
    char name[PHRASES_SYMBOL_BYTES];
    bool upper =
        isupper((unsigned char)symbol[0]) && (!symbol[1] || isupper((unsigned char)symbol[1]));
    unsigned low, high;
    size_t n = words_copy(name, sizeof(name), symbol);
    for (size_t i = 0; i < n; i++) {
        name[i] = (char)tolower((unsigned char)name[i]);
    }
    if (sscanf(name, "%u-%u", &low, &high) == 2) {
        snprintf(out, size, "%u", low + (unsigned)dice_below(grammar->dice, high - low + 1));
    } else if (strcmp(name, "topic") == 0) {
        words_copy(out, size, grammar->topic);
    } else if (strcmp(name, "a") == 0) {
        words_copy(out, size, grammar->a);
    } else if (strcmp(name, "b") == 0) {
        words_copy(out, size, grammar->b);
    } else if (strcmp(name, "key") == 0) {
        words_copy(out, size, grammar->key);
    } else if (strcmp(name, "trend") == 0) {
        words_copy(out, size, grammar->trend);
    } else {
        pick_word(grammar, name, out, size, depth);
    }
    if (upper) {
        to_upper(out, size);
    }
}

static void expand_into(struct grammar *grammar, const char *text, char *out, size_t size,
                        int depth)
{
    char symbol[PHRASES_SYMBOL_BYTES], word[MEME_CAPTION_BYTES];
    size_t before, len = 0;
    bool more;
    do {
        const char *at = text;
        more = phrases_next_symbol(&text, &before, symbol);
        len += words_copy_n(out + len, size - len, at, before);
        if (more) {
            expand_symbol(grammar, symbol, word, sizeof(word), depth);
            len += words_copy(out + len, size - len, word);
        }
    } while (more);
}

void grammar_expand(struct grammar *grammar, const char *text, char ret[MEME_CAPTION_BYTES])
{
    char raw[MEME_CAPTION_BYTES], first[8];
    expand_into(grammar, text, raw, sizeof(raw), 0);
    words_clean(ret, MEME_CAPTION_BYTES, raw);
    gunichar c = g_utf8_get_char(ret), capital = g_unichar_toupper(c);
    size_t n = (size_t)g_unichar_to_utf8(capital, first);
    // A capital of another length would move the rest, and "iPhone" begins small: both are left
    // alone.
    if (*ret && n == (size_t)(g_utf8_next_char(ret) - ret) && !isupper((unsigned char)ret[n])) {
        memcpy(ret, first, n);
    }
}
