// Asking, checking, asking once more: see llm.h.

#define SPY_MODULE "llm"

#include "memegen/llm/llm.h"

#include <errno.h>
#include <spyglass/spyglass.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int fail(struct llm_failure *failure, const char *error_type, const char *message, int r)
{
    failure->error_type = error_type;
    snprintf(failure->message, sizeof(failure->message), "%s", message);
    return r;
}

int llm_complete(struct llm *llm, const struct signature *signature, const json_t *inputs,
                 const char *agent, uint64_t seed, json_t **ret, struct llm_failure *failure)
{
    char problem[SIGNATURE_PROBLEM_BYTES];
    int r = signature_check_inputs(signature, inputs, problem, sizeof(problem));
    if (r < 0) {
        return fail(failure, "internal", problem, r);
    }
    struct llm_question question = { signature, inputs, agent, seed, 0, NULL, NULL };
    char *bad_answer = NULL;
    for (; question.tries < LLM_TRIES_MAX; question.tries++) {
        char *text = NULL;
        r = llm->ops->answer(llm, &question, &text, failure);
        free(bad_answer);
        bad_answer = NULL;
        if (r < 0) {
            return r;
        }
        r = signature_read_answer(signature, inputs, text, strlen(text), ret, problem,
                                  sizeof(problem));
        if (r == 0) {
            free(text);
            return 0;
        }
        spy_warn("llm_answer_refused", spy_str("agent_name", agent),
                 spy_str("signature", signature->name), spy_uint("tries", question.tries + 1),
                 spy_str("problem", problem));
        question.bad_answer = bad_answer = text;
        question.problem = problem;
    }
    free(bad_answer);
    return fail(failure, "bad_answer", problem, -EBADMSG);
}

void llm_close(struct llm *llm)
{
    if (llm) {
        llm->ops->close(llm);
    }
}
