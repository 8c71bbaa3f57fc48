// How the agents ask: the model first, once it failed in a run no more, then what may stand in.

#include <stdio.h>
#include <string.h>

#include "memegen/llm/signatures.h"
#include "memegen/pipeline/agents.h"

int agent_ask(struct job *job, const struct signature *signature, const json_t *inputs,
              const char *agent, uint64_t seed, json_t **ret, struct llm_failure *failure)
{
    struct pipeline *pipeline = job->pipeline;
    if (!job->llm_failed) {
        int r = llm_complete(pipeline->llm, signature, inputs, agent, seed, ret, failure);
        if (r == 0 || !pipeline->offline || pipeline->offline == pipeline->llm) {
            return r;
        }
        job->llm_failed = failure->error_type;
    }
    return llm_complete(pipeline->offline, signature, inputs, agent, seed, ret, failure);
}

static json_t *caption_list(const struct draft *draft)
{
    json_t *list = json_array();
    for (size_t i = 0; list && i < draft->count; i++) {
        if (json_array_append_new(list, json_string(draft->captions[i]))) {
            json_decref(list);
            return NULL;
        }
    }
    return list;
}

// Of the writer's inputs, those that the verifier's signature has, and the captions. A new
// reference; NULL without memory.
static json_t *verifier_inputs(const struct job *job, const struct signature *signature)
{
    json_t *inputs = json_object(), *brief = brief_inputs(job);
    int failed = !brief || json_object_set_new(inputs, "captions", caption_list(&job->draft));
    for (const struct sig_field *field = signature->inputs; field->name && !failed; field++) {
        json_t *value = json_object_get(brief, field->name);
        failed = value && json_object_set(inputs, field->name, value);
    }
    json_decref(brief);
    if (failed) {
        json_decref(inputs);
        return NULL;
    }
    return inputs;
}

bool verifier_ask(const struct job *job, const struct signature *signature, struct verdict *verdict,
                  json_t **ret)
{
    const struct pipeline *pipeline = job->pipeline;
    struct llm_failure failure = { "internal", "out of memory" };
    if (!pipeline->llm_verifies || job->llm_failed) {
        return false;
    }
    json_t *inputs = verifier_inputs(job, signature);
    int r = inputs ? llm_complete(pipeline->llm, signature, inputs, signature->name, job->seed, ret,
                                  &failure)
                   : -1;
    json_decref(inputs);
    if (r == 0) {
        return true;
    }
    verdict->llm_failed = failure.error_type;
    if (!pipeline->offline) {
        agent_fail(&verdict->result, failure.error_type, "%s", failure.message);
    }
    return false;
}

bool verifier_lower(struct verdict *verdict, double factor, const char *word, const char *issue)
{
    char note[MEME_NOTE_BYTES];
    words_copy(note, sizeof(note), verdict->result.note);
    agent_note(&verdict->result, "%.120s The model: %s%s%.100s", note, word,
               factor < 1 ? ": " : ".", factor < 1 ? issue : "");
    if (factor >= verdict->factor) {
        return false;
    }
    verdict->factor = factor;
    return true;
}
