// format_selector: the template whose joke suits the topic.
//
// How well each template suits an intent, a mood and a subject is worked out once and cached; the
// dice then choose among the best, so that a topic does not always get the same picture.

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "memegen/llm/dice.h"
#include "memegen/pipeline/agents.h"

#define SCENES_MAX 256
// How far the dice may lift a template over a better one.
#define LUCK 3.0
// How many words of an intent count.
#define INTENT_WORDS_MAX 2

// Words of a template's description that suit an intent.
static const struct {
    const char *intent;
    const char *words[10];
} suits[] = {
    { "versus",
      { "versus", "choice", "choose", "compare", "prefer", "reject", "two", "options", "or" } },
    { "question", { "question", "confused", "wrong", "mistakes", "think", "wonder", "is this" } },
    { "instructions", { "step", "steps", "level", "levels", "expanding", "stages", "plan" } },
    { "announcement", { "surprise", "surprised", "sign", "announces", "opinion", "claim", "new" } },
    { "complaint",
      { "fire", "calm", "fine", "suffering", "pain", "ignored", "disaster", "tired" } },
    { "statement", { "opinion", "statement", "reaction", "surprise", "claim" } },
};

// Everything that a template says of itself, folded.
static void describe(const struct scene_info *scene, char *ret, size_t size)
{
    char text[2048];
    size_t len = (size_t)snprintf(text, sizeof(text), "%s %s %s", scene->type, scene->title,
                                  scene->description);
    for (size_t i = 0; scene->moods[i] && len < sizeof(text); i++) {
        len += (size_t)snprintf(text + len, sizeof(text) - len, " %s", scene->moods[i]);
    }
    words_fold(ret, size, text, strlen(text));
}

static double suitability(const struct scene_info *scene, const struct route *route)
{
    char text[4096];
    double sum = 1;
    describe(scene, text, sizeof(text));
    sum += words_find(text, route->mood) ? 1.5 : 0;
    sum += words_find(text, route->subject) ? 1 : 0;
    size_t hits = 0;
    for (size_t i = 0; i < sizeof(suits) / sizeof(suits[0]); i++) {
        for (size_t k = 0;
             strcmp(suits[i].intent, route->intent) == 0 && k < 10 && suits[i].words[k]; k++) {
            hits += words_find(text, suits[i].words[k]) != NULL;
        }
    }
    sum += 0.75 * (double)(hits < INTENT_WORDS_MAX ? hits : INTENT_WORDS_MAX);
    // A picture of few words travels better into other languages.
    return sum + (strcmp(route->language, "en") != 0 && scene->caption_count <= 2 ? 2 : 0);
}

// One line a template, in the order of ids. malloc; NULL without memory.
static char *write_ranking(const struct job *job)
{
    const struct scenes *scenes = job->pipeline->scenes;
    char *text = NULL;
    size_t len;
    FILE *out = open_memstream(&text, &len);
    for (size_t i = 0; out && i < scenes_count(scenes); i++) {
        const struct scene_info *scene = scenes_at(scenes, i);
        fprintf(out, "%d %s\n", (int)(100 * suitability(scene, &job->route)), scene->id);
    }
    if (!out || fclose(out) != 0) {
        free(text);
        return NULL;
    }
    return text;
}

// The ranking of this intent, mood and subject: from the cache, else written and cached.
static char *ranking(const struct job *job, const char **ret_from)
{
    char key[128];
    void *value;
    size_t len;
    const struct route *route = &job->route;
    snprintf(key, sizeof(key), "ranking/%s/%s/%s/%s", route->intent, route->mood, route->subject,
             route->language);
    *ret_from = "from the cache";
    if (cache_get(job->pipeline->cache, CACHE_TEMPLATE, key, &value, &len) == 0) {
        char *text = strndup(value, len);
        free(value);
        return text;
    }
    *ret_from = "worked out anew";
    char *text = write_ranking(job);
    if (text) {
        cache_set(job->pipeline->cache, CACHE_TEMPLATE, key, text, strlen(text));
    }
    return text;
}

// The best of the ranking when the dice have had their say.
static const struct scene_info *choose(const struct job *job, const char *text, double *ret_score)
{
    struct dice dice = { job->seed ^ words_hash(job->route.topic) ^ 0x666f726d6174u };
    const struct scene_info *best = NULL;
    double best_score = -1;
    for (const char *line = text, *end; (end = strchr(line, '\n')); line = end + 1) {
        char id[MEME_NAME_BYTES];
        char *space;
        double score = (double)strtol(line, &space, 10) / 100 + LUCK * dice_unit(&dice);
        words_copy_n(id, sizeof(id), space + 1, (size_t)(end - space - 1));
        const struct scene_info *scene = scenes_find(job->pipeline->scenes, id);
        if (scene && score > best_score) {
            best = scene;
            best_score = score;
        }
    }
    *ret_score = best_score;
    return best;
}

static void use(struct job *job, const struct scene_info *scene)
{
    job->scene = scene;
    words_copy(job->meme->template_id, sizeof(job->meme->template_id), scene->id);
    words_copy(job->meme->template_type, sizeof(job->meme->template_type), scene->type);
}

void agent_format_selector(struct job *job, struct agent_result *ret)
{
    const char *wanted = job->meme->request.template_id, *from;
    double score;
    if (!job->route.wants_template) {
        const struct scene_info *scene = scenes_find(job->pipeline->scenes, wanted);
        if (!scene) {
            agent_fail(ret, "internal", "There is no template \"%.60s\".", wanted);
            return;
        }
        use(job, scene);
        agent_note(ret, "\"%s\", as asked for.", scene->id);
        return;
    }
    char *text = ranking(job, &from);
    const struct scene_info *scene = text ? choose(job, text, &score) : NULL;
    free(text);
    if (!scene) {
        agent_fail(ret, "internal", "No template could be chosen.");
        return;
    }
    use(job, scene);
    agent_note(ret, "\"%s\" (%s) of %zu templates, suits a %s at %.2f; ranking %s.", scene->id,
               scene->type, scenes_count(job->pipeline->scenes), job->route.intent, score, from);
}
