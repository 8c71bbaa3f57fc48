// Memes as pictures: templates are vector scenes in data files, drawn with Cairo, captions with
// Pango.
//
// A struct scenes is immutable once loaded: any number of threads may draw from it at once. It
// holds each scene as pixels, 2 MB a template, so that a meme is a copy, its captions and a PNG:
// some 10 ms. A thread's first meme also loads fonts, some tens of milliseconds; Pango keeps them
// for the thread until it ends, so threads that draw should live long.
#ifndef MEMEGEN_RENDER_RENDER_H
#define MEMEGEN_RENDER_RENDER_H

#include <stdbool.h>
#include <stddef.h>

#include "memegen/meme.h"

struct scenes;

// What the rest of memegen needs to know of a template.
struct scene_info {
    const char *id; // "drake", "two-buttons", …: [a-z0-9-]
    const char *title;
    const char *type; // kind of layout: "two_panel", "top_bottom", …
    const char
        *description; // one sentence: what joke it tells, for the format selector and the LLM
    const char *const *moods; // words that the format selector matches, NULL-ended
    size_t caption_count;     // 1 to MEME_CAPTIONS_MAX
    const char *const
        *slots; // what each caption is for ("the rejected option"), caption_count of them
    size_t const *slot_chars; // about how many characters fit well, caption_count of them
    int width, height;        // pixels
};

// Loads every template of dir (*.yaml). Returns 0 or a negative errno; error then says which file
// and what. *ret is freed with scenes_free().
int scenes_load(struct scenes **ret, const char *dir, char *error, size_t error_size);
void scenes_free(struct scenes *scenes);
size_t scenes_count(const struct scenes *scenes);
// By index, in the order of ids; the pointers live as long as scenes.
const struct scene_info *scenes_at(const struct scenes *scenes, size_t i);
// NULL where there is no such template.
const struct scene_info *scenes_find(const struct scenes *scenes, const char *id);
// The distinct layout types, NULL-ended, sorted; lives as long as scenes.
const char *const *scenes_types(const struct scenes *scenes);

struct render_result {
    unsigned char *png; // malloc; the caller frees
    size_t png_len;
    int unknown_glyphs; // characters that no installed font has
    bool ink_outside;   // a caption did not fit its box even at the smallest size, or was too long:
                        // it was cut
};

// Draws the template with its captions: wrapped, fitted, outlined, any script and emoji. Returns 0,
// -EINVAL (no such template, wrong number of captions), -ENOMEM or -EIO (Cairo failed). Threads:
// any.
int render_meme(struct render_result *ret, const struct scenes *scenes, const char *template_id,
                const char *const captions[], size_t caption_count);

#endif
