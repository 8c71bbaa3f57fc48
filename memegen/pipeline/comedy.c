// Measures of comedy: see comedy.h.
//
// Rough on purpose: they are quick, the same for the same captions, and each can be explained in a
// sentence. Scripts without spaces have few "words"; there, characters stand in for them.

#include "memegen/pipeline/comedy.h"

#include <ctype.h>
#include <math.h>
#include <string.h>

#define CAPTION_WORDS_MAX 96
// What can be read at a glance, and what cannot.
#define GLANCE_CHARS 70.0
#define TOO_MANY_CHARS 240.0

struct caption {
    size_t count, chars;
    char words[CAPTION_WORDS_MAX][WORDS_WORD_BYTES];
};

static double clamp(double x)
{
    return x < 0 ? 0 : x > 1 ? 1 : x;
}

static void cut_caption(const char *text, struct caption *ret)
{
    struct words_span span;
    ret->count = 0;
    ret->chars = words_chars(text);
    while (ret->count < CAPTION_WORDS_MAX && words_next(&text, &span)) {
        words_fold(ret->words[ret->count++], WORDS_WORD_BYTES, span.s, span.n);
    }
}

static bool has_word(const struct caption *caption, const char *word)
{
    for (size_t i = 0; i < caption->count; i++) {
        if (strcmp(caption->words[i], word) == 0) {
            return true;
        }
    }
    return false;
}

static bool is_keyword(const struct route *route, const char *word)
{
    for (size_t i = 0; i < route->keyword_count; i++) {
        if (strcmp(route->keywords[i], word) == 0) {
            return true;
        }
    }
    return false;
}

// Words of the first that the second has not, and how far their lengths differ.
static double contrast(const struct caption *captions, size_t count)
{
    double sum = 0;
    for (size_t i = 1; i < count; i++) {
        const struct caption *a = &captions[i - 1], *b = &captions[i];
        double same = 0, long_side = fmax((double)a->chars, (double)b->chars);
        for (size_t k = 0; k < b->count; k++) {
            same += has_word(a, b->words[k]);
        }
        double differing = b->count ? 1 - same / (double)b->count : 0;
        double lengths = long_side > 0 ? fabs((double)a->chars - (double)b->chars) / long_side : 0;
        // One word that both share ties them; without any the joke falls apart.
        sum += 0.6 * differing * (same > 0 ? 1 : 0.75) + 0.4 * clamp(lengths * 1.5);
    }
    // A single caption has its contrast between its own ends: unknown, so a middling one.
    return count > 1 ? sum / (double)(count - 1) : 0.45;
}

// The share of a caption's words that are not everyday speech and not the topic.
static double rare_share(const struct job *job, const struct caption *caption)
{
    double rare = 0;
    for (size_t i = 0; i < caption->count; i++) {
        rare += !lexicon_is_common(job->pipeline->lexicon, caption->words[i]) &&
                !is_keyword(&job->route, caption->words[i]) && strlen(caption->words[i]) > 3;
    }
    return caption->count ? rare / (double)caption->count : 0;
}

static double detail(const char *text)
{
    double digits = 0, signs = 0;
    for (; *text; text++) {
        digits += isdigit((unsigned char)*text) && !isdigit((unsigned char)text[1]);
        signs += *text == '"' || *text == '%' || *text == '$' || *text == ':';
    }
    return clamp(0.5 * digits + 0.25 * signs);
}

static double devices(const struct job *job, const struct caption *caption, const char *text)
{
    double comic = 0, shouting = 0, commas = 0;
    for (size_t i = 0; i < caption->count; i++) {
        comic += lexicon_is_comic(job->pipeline->lexicon, caption->words[i]);
    }
    for (const char *c = text; *c; c++) {
        shouting += isupper((unsigned char)c[0]) && isupper((unsigned char)c[1]) &&
                    isupper((unsigned char)c[2]);
        commas += *c == ',';
    }
    bool speech = strstr(text, "“") || strchr(text, '"') || strstr(text, "«") || strstr(text, "「");
    bool turn = strstr(text, "…") || strchr(text, ':') || strstr(text, " - ") || strchr(text, '?');
    return clamp(0.35 * comic + (shouting > 0 ? 0.25 : 0) + (commas >= 2 ? 0.25 : 0) +
                 (speech ? 0.2 : 0) + (turn ? 0.2 : 0));
}

// The last word weighs where it is not a common one.
static double punch(const struct job *job, const struct caption *captions, size_t count)
{
    const struct caption *last = &captions[count - 1];
    if (last->count == 0) {
        return 0;
    }
    const char *word = last->words[last->count - 1];
    double weighs = lexicon_is_common(job->pipeline->lexicon, word) ? 0.2
                    : is_keyword(&job->route, word)                 ? 0.6
                                                                    : 1;
    double shorter =
        count > 1 ? clamp(1.6 - (double)last->chars / fmax(1, (double)captions[0].chars)) : 0.5;
    return 0.5 * weighs + 0.5 * shorter;
}

// Neighbouring words that begin alike, and last words that end alike.
static double sound(const struct caption *captions, size_t count)
{
    double sum = 0;
    for (size_t i = 0; i < count; i++) {
        const struct caption *caption = &captions[i];
        for (size_t k = 1; k < caption->count; k++) {
            sum += caption->words[k][0] == caption->words[k - 1][0] &&
                   strlen(caption->words[k]) > 3 && strlen(caption->words[k - 1]) > 3;
        }
        if (i == 0 || caption->count == 0 || captions[i - 1].count == 0) {
            continue;
        }
        const char *a = captions[i - 1].words[captions[i - 1].count - 1],
                   *b = caption->words[caption->count - 1];
        size_t n = strlen(a), m = strlen(b);
        sum += n > 3 && m > 3 && strcmp(a, b) != 0 && strcmp(a + n - 3, b + m - 3) == 0 ? 1.5 : 0;
    }
    return clamp(sum * 0.4);
}

// 1 between a third and the whole of what the slot likes; falls to both sides.
static double fit(const struct job *job, const struct caption *captions, size_t count)
{
    double sum = 0;
    for (size_t i = 0; i < count; i++) {
        double ratio = (double)captions[i].chars / (double)job->scene->slot_chars[i];
        sum += ratio < 0.33 ? ratio / 0.33 : ratio <= 1 ? 1 : clamp(1 - (ratio - 1) * 1.6);
    }
    return sum / (double)count;
}

static double readable(const struct job *job, const struct caption *captions, size_t count)
{
    double sum = 0;
    for (size_t i = 0; i < count; i++) {
        const char *text = job->draft.captions[i];
        size_t n = strlen(text), letters = 0;
        for (size_t k = 0; k < captions[i].count; k++) {
            letters += words_chars(captions[i].words[k]);
        }
        double mean = captions[i].count ? (double)letters / (double)captions[i].count : 20;
        bool cut = n >= 3 && memcmp(text + n - 3, "…", 3) == 0;
        bool spaced = !words_script_unspaced(words_script(text));
        double ease = spaced ? clamp(1.5 - mean / 11) : clamp(1.4 - (double)captions[i].chars / 50);
        sum += ease * (cut ? 0.4 : 1) * (captions[i].count > 18 ? 0.6 : 1);
    }
    return sum / (double)count;
}

static void measure_words(const struct job *job, const struct caption *captions, size_t count,
                          struct comedy *ret)
{
    static const char *const persons[] = { "me",   "my",    "i",      "you",      "your", "we",
                                           "when", "every", "nobody", "everyone", "i'm",  "our",
                                           "ich",  "yo",    "je",     "moi",      "я",    "мы",
                                           "mi",   "nous",  "wir" };
    double words = 0, different = 0, meant = 0, named = 0;
    for (size_t i = 0; i < count; i++) {
        for (size_t k = 0; k < captions[i].count; k++) {
            bool seen = false;
            for (size_t j = 0; j < i; j++) {
                seen |= has_word(&captions[j], captions[i].words[k]);
            }
            words++;
            different += !seen;
        }
        for (size_t k = 0; k < sizeof(persons) / sizeof(persons[0]); k++) {
            meant += has_word(&captions[i], persons[k]);
        }
        ret->rarity += rare_share(job, &captions[i]) / (double)count;
    }
    for (size_t k = 0; k < job->route.keyword_count; k++) {
        bool found = false;
        for (size_t i = 0; i < count; i++) {
            char folded[MEME_CAPTION_BYTES * 2];
            words_fold(folded, sizeof(folded), job->draft.captions[i],
                       strlen(job->draft.captions[i]));
            found |= words_find(folded, job->route.keywords[k]) != NULL;
        }
        named += found;
    }
    ret->variety = words > 0 ? clamp(different / words) : 0;
    ret->rarity = clamp(ret->rarity * 1.7);
    ret->relatable = clamp(meant * 0.5);
    ret->topicality = job->route.keyword_count ? named / (double)job->route.keyword_count : 0.5;
}

void comedy_measure(const struct job *job, struct comedy *ret)
{
    struct caption captions[MEME_CAPTIONS_MAX];
    size_t count = job->draft.count, chars = 0;
    *ret = (struct comedy){ 0 };
    if (count == 0) {
        return;
    }
    for (size_t i = 0; i < count; i++) {
        cut_caption(job->draft.captions[i], &captions[i]);
        chars += captions[i].chars;
        ret->detail += detail(job->draft.captions[i]) / (double)count * 1.5;
        ret->devices += devices(job, &captions[i], job->draft.captions[i]) / (double)count * 1.4;
    }
    ret->contrast = clamp(contrast(captions, count));
    ret->surprise = clamp(rare_share(job, &captions[count - 1]) * 2);
    ret->detail = clamp(ret->detail);
    ret->devices = clamp(ret->devices);
    ret->punch = punch(job, captions, count);
    ret->sound = sound(captions, count);
    ret->fit = fit(job, captions, count);
    ret->readable = readable(job, captions, count);
    ret->brevity = clamp(1 - ((double)chars - GLANCE_CHARS) / (TOO_MANY_CHARS - GLANCE_CHARS));
    measure_words(job, captions, count, ret);
}
