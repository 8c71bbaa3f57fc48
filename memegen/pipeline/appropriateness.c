// appropriateness: slurs, threats and personal data go on no picture, whoever wrote them.
//
// The note and the message name the kind, never the words.

#include "memegen/pipeline/agents.h"

static const char *find(const struct job *job, const char *text)
{
    const char *kind = blocklist_find(job->pipeline->blocklist, text);
    return kind ? kind : personal_find(text);
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
}
