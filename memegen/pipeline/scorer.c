// scorer: how good is it? Four parts from the measures of comedy, weighted, times what the
// verifiers said.

#include <string.h>

#include "memegen/pipeline/agents.h"
#include "memegen/pipeline/comedy.h"

#define HUMOR_WEIGHT 0.35
#define CLARITY_WEIGHT 0.25
#define CREATIVITY_WEIGHT 0.20
#define SHAREABILITY_WEIGHT 0.20

// Of a trend that the captions allude to, by its score.
#define TREND_BONUS 0.15

static bool alludes_to_trend(const struct job *job)
{
    struct words_span span;
    char word[WORDS_WORD_BYTES];
    const char *at = job->trend.topic;
    while (words_next(&at, &span)) {
        words_fold(word, sizeof(word), span.s, span.n);
        for (size_t i = 0; i < job->draft.count && !lexicon_is_common(job->pipeline->lexicon, word);
             i++) {
            char folded[MEME_CAPTION_BYTES * 2];
            words_fold(folded, sizeof(folded), job->draft.captions[i],
                       strlen(job->draft.captions[i]));
            if (words_find(folded, word)) {
                return true;
            }
        }
    }
    return false;
}

static double at_most_one(double x)
{
    return x > 1 ? 1 : x;
}

// What a next round should look to: the verifiers' words first, then the weakest of the parts.
static void find_wanting(struct draft *draft, const struct comedy *comedy)
{
    const struct {
        double measure;
        const char *advice;
    } parts[] = {
        { comedy->contrast, "The slots should contradict each other more." },
        { comedy->surprise, "The punch line is too ordinary." },
        { comedy->punch, "The last slot should be shorter and end on a strong word." },
        { comedy->fit, "The captions do not suit the size of their slots." },
        { comedy->readable, "The captions are hard to read." },
        { comedy->topicality, "The topic's key words are missing." },
        { comedy->rarity, "The words are too common." },
    };
    size_t weakest = 0;
    for (size_t i = 1; i < sizeof(parts) / sizeof(parts[0]); i++) {
        weakest = parts[i].measure < parts[weakest].measure ? i : weakest;
    }
    if (!draft->wanting[0]) {
        words_copy(draft->wanting, sizeof(draft->wanting), parts[weakest].advice);
    }
}

void agent_scorer(struct job *job, struct agent_result *ret)
{
    struct comedy c;
    struct meme_score *score = &job->draft.score;
    comedy_measure(job, &c);
    bool trendy = alludes_to_trend(job);
    score->humor = at_most_one(0.24 * c.contrast + 0.24 * c.surprise + 0.14 * c.detail +
                               0.24 * c.devices + 0.24 * c.punch + 0.08 * c.sound);
    score->clarity = 0.5 * c.fit + 0.35 * c.readable + 0.15 * c.brevity;
    score->creativity = 0.5 * c.rarity + 0.25 * c.variety + 0.15 * c.detail + 0.1 * c.sound;
    score->shareability = at_most_one(0.4 * c.topicality + 0.3 * c.relatable + 0.3 * c.brevity +
                                      (trendy ? TREND_BONUS * job->trend.score : 0));
    double sum = HUMOR_WEIGHT * score->humor + CLARITY_WEIGHT * score->clarity +
                 CREATIVITY_WEIGHT * score->creativity + SHAREABILITY_WEIGHT * score->shareability;
    score->total = sum * score->factuality * score->instruction_following * score->appropriateness;
    find_wanting(&job->draft, &c);
    agent_note(ret,
               "%.2f: humor %.2f (contrast %.2f, surprise %.2f, punch %.2f), clarity %.2f, "
               "creativity %.2f, "
               "shareability %.2f%s; times %.1f facts, %.1f instructions. %s",
               score->total, score->humor, c.contrast, c.surprise, c.punch, score->clarity,
               score->creativity, score->shareability, trendy ? " with a trend" : "",
               score->factuality, score->instruction_following, job->draft.wanting);
}
