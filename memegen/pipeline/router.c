// router: what is this topic? Its language, key words, subject, mood, and the kind of joke it calls
// for.

#include <string.h>

#include "memegen/pipeline/agents.h"

// Phrases that tell an intent, tried in this order; a topic with none is a statement. Folded, and
// matched as whole words.
static const struct {
    const char *intent;
    const char *signs[16];
} intents[] = {
    { "versus",
      { "vs", "versus", "or", "better than", "instead of", "oder", "ou", "contra", "против",
        "или" } },
    { "instructions",
      { "how to", "how do i", "guide", "tutorial", "tips", "como", "comment", "wie" } },
    { "question",
      { "why", "what", "who", "when", "where", "is it", "does", "por que", "pourquoi", "warum",
        "почему", "зачем" } },
    { "announcement",
      { "new", "launch", "announces", "introducing", "finally", "just released", "update" } },
    { "complaint",
      { "hate", "again", "broken", "tired", "never works", "worst", "stop", "ugh", "still" } },
};

static const char *find_intent(const char *folded)
{
    for (size_t i = 0; i < sizeof(intents) / sizeof(intents[0]); i++) {
        for (size_t j = 0; j < 16 && intents[i].signs[j]; j++) {
            if (words_find(folded, intents[i].signs[j])) {
                return intents[i].intent;
            }
        }
    }
    return strpbrk(folded, "?") || strstr(folded, "？") || strstr(folded, "؟") ? "question"
                                                                               : "statement";
}

// Words that carry meaning, each once; where all are common ones ("who is it"), all of them.
static void find_keywords(struct route *route, const struct lexicon *lexicon, bool stopwords_too)
{
    struct words_span span;
    const char *at = route->topic;
    while (route->keyword_count < KEYWORDS_MAX && words_next(&at, &span)) {
        char *word = route->keywords[route->keyword_count];
        bool known = false;
        words_fold(word, WORDS_WORD_BYTES, span.s, span.n);
        for (size_t i = 0; i < route->keyword_count; i++) {
            known |= strcmp(route->keywords[i], word) == 0;
        }
        if (!known && *word && (stopwords_too || !lexicon_is_stopword(lexicon, word))) {
            route->keyword_count++;
        }
    }
}

void agent_router(struct job *job, struct agent_result *ret)
{
    const struct lexicon *lexicon = job->pipeline->lexicon;
    const struct meme_request *request = &job->meme->request;
    struct route *route = &job->route;
    char folded[MEME_TOPIC_BYTES * 2], style[MEME_NAME_BYTES * 2];
    if (words_clean(route->topic, sizeof(route->topic), request->topic) == 0) {
        agent_fail(ret, "rejected", "The topic has nothing that can be read.");
        return;
    }
    words_fold(folded, sizeof(folded), route->topic, strlen(route->topic));
    words_fold(style, sizeof(style), request->style, strlen(request->style));
    route->script = words_script(route->topic);
    words_copy(route->language, sizeof(route->language),
               lexicon_language(lexicon, folded, route->script));
    route->intent = find_intent(folded);
    route->subject = lexicon_subject(lexicon, folded);
    // A style that was asked for outweighs what the topic sounds like.
    route->mood = lexicon_mood(lexicon, *style ? style : folded);
    route->wants_template = !request->template_id[0];
    find_keywords(route, lexicon, false);
    if (route->keyword_count == 0) {
        find_keywords(route, lexicon, true);
    }
    agent_note(ret, "A %s about %s, %s, in language %s; %zu key words; %s.", route->intent,
               route->subject, route->mood, route->language, route->keyword_count,
               route->wants_template ? "wants a template" : "names its template");
}
