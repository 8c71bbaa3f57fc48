#include "memegen/api/respond.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "memegen/api/answer.h"

int respond_text(struct spy_mhd_request *request, int status, char *text, size_t len,
                 const struct spy_mhd_header *extra)
{
    struct spy_mhd_answer answer = {
        .status = status,
        .content_type = "application/json",
        .body = text,
        .body_len = len,
        .release = free,
        .release_arg = text,
        .headers = { { "Cache-Control", "no-store" }, { "X-Content-Type-Options", "nosniff" } },
    };

    if (!text) {
        spy_mhd_fail(request, "internal", "no memory for the answer");
        return 0;
    }
    if (extra) {
        answer.headers[2] = *extra;
    }
    spy_mhd_answer(request, &answer);
    return 0;
}

int respond_json(struct spy_mhd_request *request, int status, json_t *root,
                 const struct spy_mhd_header *extra)
{
    size_t len = 0;
    char *text = answer_text(root, &len);

    return respond_text(request, status, text, len, extra);
}

int respond_error(struct spy_mhd_request *request, int status, const char *code,
                  const char *message, json_t *details, const struct spy_mhd_header *extra)
{
    json_t *root = answer_error(code, message, details, spy_mhd_correlation_id(request));

    return respond_json(request, status, root, extra);
}

int respond_problem(struct spy_mhd_request *request, const struct problem *problem)
{
    char message[sizeof(problem->field) + sizeof(problem->message) + 16];

    if (problem->status == 500) {
        spy_mhd_fail(request, "internal", problem->message);
        return 0;
    }
    if (!problem->field[0]) {
        return respond_error(request, problem->status, problem->code, problem->message, NULL, NULL);
    }
    snprintf(message, sizeof(message), "The field \"%s\" %s.", problem->field, problem->message);
    return respond_error(request, problem->status, problem->code, message,
                         answer_field(problem->field, problem->message), NULL);
}

int respond_not_found(struct spy_mhd_request *request, const char *message)
{
    return respond_error(request, 404, "not_found", message, NULL, NULL);
}

int respond_failed(struct spy_mhd_request *request, const char *doing, int error)
{
    char message[256];

    snprintf(message, sizeof(message), "%s: %s", doing, strerror(-error));
    spy_mhd_fail(request, "internal", message);
    return 0;
}
