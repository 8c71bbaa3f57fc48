// The three verifiers side by side, each an operation in the request's context, whatever thread it
// runs in.

#include <spyglass/spyglass.h>
#include <stdio.h>
#include <string.h>

#include "memegen/pipeline/agents.h"
#include "memegen/telemetry.h"

enum { FACTUALITY, INSTRUCTION_FOLLOWING, APPROPRIATENESS, VERIFIERS };

static const struct {
    const char *name;
    void (*run)(const struct job *job, struct verdict *ret);
} agents[VERIFIERS] = {
    { "factuality", agent_factuality },
    { "instruction_following", agent_instruction_following },
    { "appropriateness", agent_appropriateness },
};

struct errand {
    size_t agent;
    const struct job *job;
    struct spy_context *context;
    struct verdict verdict;
};

static void run_errand(void *arg)
{
    struct errand *errand = arg;
    struct verdict *verdict = &errand->verdict;
    struct spy_context_scope scope = spy_context_attach(errand->context);
    struct spy_span span = spy_begin(&telemetry_agent, agents[errand->agent].name);
    agents[errand->agent].run(errand->job, verdict);
    verdict->seconds = spy_span_seconds(&span);
    const char *error_type = verdict->result.error_type;
    spy_end(&span, error_type ? spy_failure(error_type, verdict->result.note) : SPY_SUCCESS);
    spy_context_detach(scope);
}

// What the verifiers mended goes into the draft: the facts first; then what is still too long is
// cut.
static void put_mended(struct job *job, const struct verdict *facts,
                       const struct verdict *instructions)
{
    for (size_t i = 0; i < job->draft.count; i++) {
        char *caption = job->draft.captions[i];
        if (facts->mended[i]) {
            words_copy(caption, MEME_CAPTION_BYTES, facts->captions[i]);
            words_shorten(caption, MEME_CAPTION_BYTES, slot_chars_max(job->scene, i));
        } else if (instructions->mended[i]) {
            words_copy(caption, MEME_CAPTION_BYTES, instructions->captions[i]);
        }
    }
}

// The result that ends it: a refusal before all else, then what kept a verifier from judging.
static const struct agent_result *find_end(const struct errand errands[VERIFIERS])
{
    const struct agent_result *end = &errands[APPROPRIATENESS].verdict.result;
    for (size_t i = 0; i < VERIFIERS && !end->error_type; i++) {
        end = &errands[i].verdict.result;
    }
    return end->error_type ? end : NULL;
}

bool agents_verify(struct job *job, struct agent_result *ret)
{
    struct errand errands[VERIFIERS];
    struct verifiers_task tasks[VERIFIERS];
    struct spy_context *context = spy_context_capture();
    for (size_t i = 0; i < VERIFIERS; i++) {
        errands[i] = (struct errand){ .agent = i, .job = job, .context = context };
        tasks[i] = (struct verifiers_task){ .run = run_errand, .arg = &errands[i] };
    }
    verifiers_run(job->pipeline->verifiers, tasks, VERIFIERS);
    spy_context_release(context);
    for (size_t i = 0; i < VERIFIERS; i++) {
        const struct verdict *verdict = &errands[i].verdict;
        agent_report(job, agents[i].name, verdict->seconds, &verdict->result);
        job->llm_failed = verdict->llm_failed ? verdict->llm_failed : job->llm_failed;
    }
    const struct verdict *facts = &errands[FACTUALITY].verdict;
    const struct verdict *instructions = &errands[INSTRUCTION_FOLLOWING].verdict;
    const struct verdict *appropriateness = &errands[APPROPRIATENESS].verdict;
    put_mended(job, facts, instructions);
    job->draft.score.factuality = facts->factor;
    job->draft.score.instruction_following = instructions->factor;
    job->draft.score.appropriateness = appropriateness->factor;
    snprintf(job->draft.wanting, sizeof(job->draft.wanting), "%s",
             *facts->wanting ? facts->wanting : instructions->wanting);
    const struct agent_result *end = find_end(errands);
    if (end) {
        *ret = *end;
    }
    return !end;
}
