// prompt_generator: captions for the template's slots, by the model through signature_captions.

#include <string.h>

#include "memegen/llm/signatures.h"
#include "memegen/pipeline/agents.h"

// What every slot takes.
#define SLOT_CHARS_MIN 16

// A share of what fits well, within what any caption may have.
static size_t slot_chars(const struct scene_info *scene, size_t slot, size_t percent)
{
    size_t chars = scene->slot_chars[slot] * percent / 100;
    chars = chars < SLOT_CHARS_MIN ? SLOT_CHARS_MIN : chars;
    return chars < MEME_CAPTION_BYTES - 1 ? chars : MEME_CAPTION_BYTES - 1;
}

size_t slot_chars_told(const struct scene_info *scene, size_t slot)
{
    return slot_chars(scene, slot, 150);
}

// Writers overshoot: what is a little over still fits, smaller; what is near the end of the
// tolerance reads badly.
size_t slot_chars_max(const struct scene_info *scene, size_t slot)
{
    return slot_chars(scene, slot, 125);
}

// A list of one item a slot.
static json_t *slot_list(const struct scene_info *scene, bool chars)
{
    json_t *list = json_array();
    for (size_t i = 0; list && i < scene->caption_count; i++) {
        char slot[200];
        words_copy(slot, sizeof(slot), scene->slots[i]);
        json_t *item =
            chars ? json_integer((json_int_t)slot_chars_told(scene, i)) : json_string(slot);
        if (json_array_append_new(list, item)) {
            json_decref(list);
            return NULL;
        }
    }
    return list;
}

json_t *brief_inputs(const struct job *job)
{
    const struct meme_request *request = &job->meme->request;
    const struct route *route = &job->route;
    char picture[600], style[MEME_NAME_BYTES];
    size_t len = words_copy(picture, sizeof(picture) - 3, job->scene->title);
    len += words_copy(picture + len, sizeof(picture) - len, ": ");
    words_copy(picture + len, sizeof(picture) - len, job->scene->description);
    words_clean(style, sizeof(style), request->style);
    json_t *inputs =
        json_pack("{s:s, s:s, s:s, s:s, s:s, s:s, s:o, s:o}", "topic", route->topic, "language",
                  route->language, "intent", route->intent, "subject", route->subject, "mood",
                  route->mood, "template", picture, "slots", slot_list(job->scene, false),
                  "slot_chars", slot_list(job->scene, true));
    int failed = !inputs;
    if (!failed && *style) {
        failed = json_object_set_new(inputs, "style", json_string(style));
    }
    if (!failed && job->trend.topic[0]) {
        failed = json_object_set_new(inputs, "trend", json_string(job->trend.topic));
    }
    if (failed) {
        json_decref(inputs);
        return NULL;
    }
    return inputs;
}

void brief_captions(struct job *job, const json_t *outputs)
{
    const json_t *captions = json_object_get(outputs, "captions");
    job->draft.count = json_array_size(captions);
    for (size_t i = 0; i < job->draft.count; i++) {
        words_clean(job->draft.captions[i], MEME_CAPTION_BYTES,
                    json_string_value(json_array_get(captions, i)));
    }
}

void agent_prompt_generator(struct job *job, struct agent_result *ret)
{
    struct llm_failure failure;
    json_t *outputs, *inputs = brief_inputs(job);
    if (!inputs) {
        agent_fail(ret, "internal", "Out of memory.");
        return;
    }
    int r = agent_ask(job, &signature_captions, inputs, "prompt_generator", job->seed, &outputs,
                      &failure);
    json_decref(inputs);
    if (r < 0) {
        agent_fail(ret, failure.error_type, "%s", failure.message);
        return;
    }
    brief_captions(job, outputs);
    agent_note(ret, "%zu captions%s%s: %.150s", job->draft.count,
               job->llm_failed ? ", written offline since the model failed by " : "",
               job->llm_failed ? job->llm_failed : "",
               json_string_value(json_object_get(outputs, "idea")));
    json_decref(outputs);
}
