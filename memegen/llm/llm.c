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

// One try: 0 and *ret, or -EBADMSG with the problem and maybe *ret_text, or another negative errno
// with *failure. The text is the caller's in every case.
static int try_once(struct llm *llm, const struct llm_question *question, char **ret_text,
                    json_t **ret, char problem[SIGNATURE_PROBLEM_BYTES],
                    struct llm_failure *failure)
{
    char wrong[SIGNATURE_PROBLEM_BYTES]; // apart: question->problem may be `problem`
    int r = llm->ops->answer(llm, question, ret_text, failure);
    if (r == -EBADMSG) {
        snprintf(problem, SIGNATURE_PROBLEM_BYTES, "%s", failure->message);
    }
    if (r < 0) {
        return r;
    }
    r = signature_read_answer(question->signature, question->inputs, *ret_text, strlen(*ret_text),
                              ret, wrong, sizeof(wrong));
    if (r < 0) {
        snprintf(problem, SIGNATURE_PROBLEM_BYTES, "%s", wrong);
    }
    return r < 0 ? -EBADMSG : 0;
}

int llm_complete(struct llm *llm, const struct signature *signature, const json_t *inputs,
                 const char *agent, uint64_t seed, json_t **ret, struct llm_failure *failure)
{
    char problem[SIGNATURE_PROBLEM_BYTES];
    int r = signature_check_inputs(signature, inputs, problem, sizeof(problem));
    if (r < 0) {
        return fail(failure, "internal", problem, r);
    }
    int64_t deadline_ms = 0;
    struct llm_question question = { signature, inputs, agent, seed, 0, NULL, NULL, &deadline_ms };
    char *bad_answer = NULL;
    for (; question.tries < LLM_TRIES_MAX; question.tries++) {
        char *text = NULL;
        r = try_once(llm, &question, &text, ret, problem, failure);
        free(bad_answer);
        bad_answer = text;
        if (r != -EBADMSG) {
            break;
        }
        spy_warn("llm_answer_refused", spy_str("agent_name", agent),
                 spy_str("signature", signature->name), spy_uint("tries", question.tries + 1),
                 spy_str("problem", problem));
        question.bad_answer = bad_answer;
        question.problem = problem;
    }
    free(bad_answer);
    return r == -EBADMSG ? fail(failure, "bad_answer", problem, r) : r;
}

void llm_stop(struct llm *llm)
{
    if (llm->ops->stop) {
        llm->ops->stop(llm);
    }
}

void llm_close(struct llm *llm)
{
    if (llm) {
        llm->ops->close(llm);
    }
}
