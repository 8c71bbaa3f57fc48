// The offline writer: fulfils the signatures from the phrase bank, with no network and no key.
//
// A seed and a topic always give the same answer. A first draft is the first of three tries that
// fits its slots; a refinement takes more tries and keeps the one that answers best to what was
// found wanting. Immutable once open.

#include "memegen/llm/llm.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "memegen/llm/grammar.h"
#include "memegen/llm/phrases.h"
#include "memegen/llm/signatures.h"
#include "memegen/llm/words.h"

#define FIRST_TRIES 3
#define REFINE_TRIES 12
// Of how many jokes the dice choose at most.
#define JOKES_MAX 1024

struct offline {
    struct llm llm;
    struct phrases *phrases;
};

// One question, unpacked.
struct brief {
    const json_t *inputs;
    const json_t *language;
    const char *topic, *mood, *subject, *trend;
    size_t slots;
    const char *roles[MEME_CAPTIONS_MAX];
    size_t limits[MEME_CAPTIONS_MAX];
    const json_t *previous; // captions that are to be improved, or NULL
};

struct draft {
    char captions[MEME_CAPTIONS_MAX][MEME_CAPTION_BYTES];
    const char *kind; // what it was made of, for the field `idea`
    double merit;
};

static const char *input(const json_t *inputs, const char *name)
{
    const char *s = json_string_value(json_object_get(inputs, name));
    return s ? s : "";
}

static void read_brief(struct brief *brief, const struct phrases *phrases, const json_t *inputs)
{
    const json_t *slots = json_object_get(inputs, "slots"),
                 *limits = json_object_get(inputs, "slot_chars");
    *brief = (struct brief){
        .inputs = inputs,
        .language = phrases_language(phrases, input(inputs, "language")),
        .topic = input(inputs, "topic"),
        .mood = input(inputs, "mood"),
        .subject = input(inputs, "subject"),
        .trend = input(inputs, "trend"),
        .slots = json_array_size(slots),
        .previous = json_object_get(inputs, "captions"),
    };
    for (size_t i = 0; i < brief->slots; i++) {
        brief->roles[i] =
            phrases_role(phrases, json_string_value(json_array_get(slots, i)), i, brief->slots);
        json_int_t limit = json_integer_value(json_array_get(limits, i));
        brief->limits[i] = limit > 0 ? (size_t)limit : MEME_CAPTION_BYTES;
    }
}

// "option2" is the second slot of the role "option".
static void role_name(const struct brief *brief, size_t slot, char *ret, size_t size)
{
    size_t same = 1;
    for (size_t i = 0; i < slot; i++) {
        same += brief->roles[i] == brief->roles[slot];
    }
    if (same == 1) {
        snprintf(ret, size, "%s", brief->roles[slot]);
    } else {
        snprintf(ret, size, "%s%zu", brief->roles[slot], same);
    }
}

// The joke's text for a slot, or NULL where it has none.
static const char *joke_text(const struct brief *brief, const json_t *joke, size_t slot)
{
    char role[64];
    const json_t *say = json_object_get(joke, "say");
    if (json_is_array(say)) {
        return json_array_size(say) == brief->slots ? json_string_value(json_array_get(say, slot))
                                                    : NULL;
    }
    role_name(brief, slot, role, sizeof(role));
    return json_string_value(json_object_get(say, role));
}

// How well a joke suits the question: 0 where it does not fit the template or needs what is not
// there.
static unsigned joke_weight(const struct brief *brief, const struct grammar *grammar,
                            const json_t *joke)
{
    const char *needs = input(joke, "needs"), *about = input(joke, "about"),
               *mood = input(joke, "mood");
    unsigned weight = 2;
    for (size_t i = 0; i < brief->slots; i++) {
        if (!joke_text(brief, joke, i)) {
            return 0;
        }
    }
    if (strcmp(needs, "versus") == 0) {
        weight = grammar->a[0] && grammar->b[0] ? 40 : 0;
    } else if (strcmp(needs, "trend") == 0) {
        weight = grammar->trend[0] ? 4 : 0;
    } else if (strcmp(needs, "question") == 0) {
        weight = grammar->question ? 6 : 0;
    }
    if (*about) {
        weight *= strcmp(about, brief->subject) == 0 ? 4 : 0;
    }
    return weight * (*mood && strcmp(mood, brief->mood) == 0 ? 3 : 1);
}

static const json_t *pick_joke(const struct brief *brief, const struct grammar *grammar)
{
    const json_t *jokes = json_object_get(brief->language, "jokes");
    unsigned weights[JOKES_MAX], sum = 0;
    size_t count = json_array_size(jokes) < JOKES_MAX ? json_array_size(jokes) : JOKES_MAX;
    for (size_t i = 0; i < count; i++) {
        weights[i] = joke_weight(brief, grammar, json_array_get(jokes, i));
        sum += weights[i];
    }
    if (sum == 0) {
        return NULL;
    }
    size_t at = dice_below(grammar->dice, sum), i = 0;
    while (at >= weights[i]) {
        at -= weights[i++];
    }
    return json_array_get(jokes, i);
}

// A line for a slot: by its role's name, else by its role, else any.
static const char *pick_line(const struct brief *brief, struct dice *dice, size_t slot)
{
    char role[64];
    const json_t *lines = json_object_get(brief->language, "lines");
    role_name(brief, slot, role, sizeof(role));
    const json_t *texts = json_object_get(lines, role);
    texts = texts ? texts : json_object_get(lines, brief->roles[slot]);
    texts = texts ? texts : json_object_get(lines, "any");
    return json_string_value(json_array_get(texts, dice_below(dice, json_array_size(texts))));
}

// Whether a caption says what another of the meme, or the one to be improved, says already.
static bool repeats(const struct brief *brief, const struct draft *draft, size_t slot)
{
    const char *previous = json_string_value(json_array_get(brief->previous, slot));
    if (previous && strcmp(previous, draft->captions[slot]) == 0) {
        return true;
    }
    for (size_t i = 0; i < slot; i++) {
        if (strcmp(draft->captions[i], draft->captions[slot]) == 0) {
            return true;
        }
    }
    return false;
}

// How a punch line should end: on a long word, a number or direct speech.
static double ending(const char *caption)
{
    struct words_span word, last = { caption, 0 };
    double sum = caption[strcspn(caption, "0123456789")] || strstr(caption, "“") ? 0.5 : 0;
    while (words_next(&caption, &word)) {
        last = word;
    }
    return sum + (last.n > 5 ? 0.5 : 0);
}

// What the writer can see of a draft by itself: that it fits with room to spare, is new, names the
// topic, and ends well and shorter than it began.
static double merit(const struct brief *brief, const struct grammar *grammar,
                    const struct draft *draft)
{
    double sum = 0, slots = (double)brief->slots;
    bool named = false;
    for (size_t i = 0; i < brief->slots; i++) {
        size_t chars = words_chars(draft->captions[i]);
        sum -= chars > brief->limits[i] ? 3 : chars * 4 > brief->limits[i] * 3 ? 1 : 0;
        sum += chars * 4 > brief->limits[i] && chars * 3 < brief->limits[i] * 2 ? 1 / slots : 0;
        sum -= repeats(brief, draft, i) ? 2 : 0;
        named |= strstr(draft->captions[i], grammar->key) != NULL;
    }
    size_t last = brief->slots - 1;
    sum += named ? 2 : 0;
    sum += ending(draft->captions[last]);
    sum +=
        last > 0 && words_chars(draft->captions[last]) < words_chars(draft->captions[0]) ? 0.5 : 0;
    return sum;
}

static void write_draft(const struct brief *brief, struct dice *dice, struct draft *ret)
{
    struct grammar grammar;
    grammar_init(&grammar, brief->language, dice, brief->topic, brief->trend);
    const json_t *joke = pick_joke(brief, &grammar);
    ret->kind = !joke ? "lines" : *input(joke, "needs") ? input(joke, "needs") : "joke";
    for (size_t i = 0; i < brief->slots; i++) {
        grammar_expand(&grammar, joke ? joke_text(brief, joke, i) : pick_line(brief, dice, i),
                       ret->captions[i]);
        for (int again = 0; !joke && again < 4 && repeats(brief, ret, i); again++) {
            grammar_expand(&grammar, pick_line(brief, dice, i), ret->captions[i]);
        }
    }
    ret->merit = merit(brief, &grammar, ret);
}

static char *draft_answer(const struct brief *brief, struct draft *draft)
{
    char idea[200];
    json_t *captions = json_array();
    int failed = !captions;
    for (size_t i = 0; i < brief->slots && !failed; i++) {
        words_shorten(draft->captions[i], sizeof(draft->captions[i]), brief->limits[i]);
        failed = json_array_append_new(captions, json_string(draft->captions[i]));
    }
    if (failed) {
        json_decref(captions);
        return NULL;
    }
    snprintf(idea, sizeof(idea), "A %s about %s, in a mood that is %s.", draft->kind,
             *brief->subject ? brief->subject : "life", *brief->mood ? brief->mood : "plain");
    json_t *answer = json_pack("{s:o, s:s}", "captions", captions, "idea", idea);
    char *text = answer ? json_dumps(answer, JSON_COMPACT) : NULL;
    json_decref(answer);
    return text;
}

static int offline_answer(struct llm *llm, const struct llm_question *question, char **ret_text,
                          struct llm_failure *failure)
{
    struct offline *offline = (struct offline *)llm;
    struct brief brief;
    read_brief(&brief, offline->phrases, question->inputs);
    if (question->signature->outputs != signature_captions.outputs || brief.slots == 0 ||
        brief.slots > MEME_CAPTIONS_MAX) {
        failure->error_type = "internal";
        snprintf(failure->message, sizeof(failure->message),
                 "the offline writer does not write \"%s\"", question->signature->name);
        return -ENOTSUP;
    }
    struct dice dice = { question->seed ^ words_hash(brief.topic) ^
                         ((uint64_t)question->tries << 56) };
    struct draft best, draft;
    unsigned tries = brief.previous ? REFINE_TRIES : FIRST_TRIES;
    write_draft(&brief, &dice, &best);
    for (unsigned i = 1; i < tries; i++) {
        // A first draft is content with what fits.
        if (!brief.previous && best.merit >= 0) {
            break;
        }
        write_draft(&brief, &dice, &draft);
        best = draft.merit > best.merit ? draft : best;
    }
    *ret_text = draft_answer(&brief, &best);
    if (!*ret_text) {
        failure->error_type = "internal";
        snprintf(failure->message, sizeof(failure->message), "out of memory");
        return -ENOMEM;
    }
    return 0;
}

static void offline_close(struct llm *llm)
{
    struct offline *offline = (struct offline *)llm;
    phrases_free(offline->phrases);
    free(offline);
}

int offline_open(struct llm **ret, const char *data_dir, char *error, size_t error_size)
{
    static const struct llm_ops ops = { offline_answer, offline_close };
    struct offline *offline = calloc(1, sizeof(*offline));
    if (!offline) {
        snprintf(error, error_size, "out of memory");
        return -ENOMEM;
    }
    offline->llm.ops = &ops;
    int r = phrases_load(&offline->phrases, data_dir, error, error_size);
    if (r < 0) {
        free(offline);
        return r;
    }
    *ret = &offline->llm;
    return 0;
}
