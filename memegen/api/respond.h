// Answers to a request, in the forms that every handler uses.
//
// Each returns 0, as a handler does. Threads: the request's owner.
#ifndef MEMEGEN_API_RESPOND_H
#define MEMEGEN_API_RESPOND_H

#include <jansson.h>
#include <spyglass_mhd.h>

#include "memegen/api/request.h"

// JSON; root is taken (NULL: no memory, answers 500). `extra` is one header more, or NULL.
int respond_json(struct spy_mhd_request *request, int status, json_t *root,
                 const struct spy_mhd_header *extra);
// Text that is JSON already: malloc, taken.
int respond_text(struct spy_mhd_request *request, int status, char *text, size_t len,
                 const struct spy_mhd_header *extra);
// {code, message, details, correlation_id}; details may be NULL, and is taken.
int respond_error(struct spy_mhd_request *request, int status, const char *code,
                  const char *message, json_t *details, const struct spy_mhd_header *extra);
int respond_problem(struct spy_mhd_request *request, const struct problem *problem);
// 404: there is no such `what` ("meme").
int respond_not_found(struct spy_mhd_request *request, const char *message);
// The handler failed: 500, with a line that says why; the client learns no more than that.
int respond_failed(struct spy_mhd_request *request, const char *doing, int error);

#endif
