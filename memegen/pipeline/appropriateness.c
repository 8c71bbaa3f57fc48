// appropriateness: slurs, threats and personal data go on no picture, whoever wrote them.
//
// The note and the message name the kind, never the words.

#include <string.h>

#include "memegen/llm/signatures.h"
#include "memegen/pipeline/agents.h"

static const char *find(const struct job *job, const char *text)
{
    const char *kind = blocklist_find(job->pipeline->blocklist, text);
    return kind ? kind : personal_find(text);
}

// What passed the lists is shown to the model; what did not is not sent anywhere.
static void ask_model(const struct job *job, struct verdict *ret)
{
    json_t *outputs;
    if (!verifier_ask(job, &signature_appropriateness, ret, &outputs)) {
        return;
    }
    const char *kind = json_string_value(json_object_get(outputs, "kind"));
    if (strcmp(kind, "none") != 0) {
        ret->factor = 0;
        agent_fail(&ret->result, "rejected", "The model: %s. No meme is made of that.", kind);
    }
    json_decref(outputs);
}

void agent_appropriateness(const struct job *job, struct verdict *ret)
{
    const char *where = "topic", *kind = find(job, job->route.topic);
    for (size_t i = 0; !kind && i < job->draft.count; i++) {
        where = "captions";
        kind = find(job, job->draft.captions[i]);
    }
    ret->factor = kind ? 0 : 1;
    if (kind) {
        agent_fail(&ret->result, "rejected", "The %s: %s. No meme is made of that.", where, kind);
        return;
    }
    agent_note(&ret->result, "Nothing on the block list, no personal data.");
    ask_model(job, ret);
}
