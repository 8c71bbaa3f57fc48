// What the service answers, as JSON. Pure: values in, text out.
//
// Each call returns a new reference, or NULL without memory. Threads: any.
#ifndef MEMEGEN_API_ANSWER_H
#define MEMEGEN_API_ANSWER_H

#include <jansson.h>
#include <stddef.h>

#include "memegen/meme.h"
#include "memegen/render/render.h"
#include "memegen/store/store.h"

// A meme whole: score with its parts explained, and what each agent did.
json_t *answer_meme(const struct meme *meme);
// A meme as a line of a list: without agents and the parts of the score.
json_t *answer_meme_line(const struct meme *meme);
// A page of memes, newest first; next_before is null on the last one (fewer memes than limit).
json_t *answer_meme_list(const struct meme *memes, size_t count, size_t limit);
// What a client of ?async=1 gets.
json_t *answer_pending(const char *id);
json_t *answer_template(const struct scene_info *scene);
json_t *answer_templates(const struct scenes *scenes);
// What the making of a meme took, from its timeline (memegen/timeline.h), which is borrowed.
json_t *answer_trace(const struct meme *meme, const json_t *timeline);
json_t *answer_interaction(const struct store_interaction *interaction);
// {code, message, details, correlation_id}; details (NULL: an empty object) is taken.
json_t *answer_error(const char *code, const char *message, json_t *details,
                     const char *correlation_id);
// {"field", "problem"}: the details of a request that is refused.
json_t *answer_field(const char *field, const char *message);

// The text of root, which is taken, with a newline at its end: malloc, the caller frees. NULL where
// root is NULL or without memory.
char *answer_text(json_t *root, size_t *ret_len);

// The path of a meme, or of its image.
#define ANSWER_PATH_BYTES 80
void answer_path(char ret[ANSWER_PATH_BYTES], const char *id, const char *suffix);

#endif
