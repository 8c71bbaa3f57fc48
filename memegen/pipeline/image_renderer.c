// image_renderer: the template with its captions, as a PNG. The picture before it is kept until the
// new one is there.

#include <stdlib.h>
#include <string.h>

#include "memegen/pipeline/agents.h"

void agent_image_renderer(struct job *job, struct agent_result *ret)
{
    const char *captions[MEME_CAPTIONS_MAX];
    struct render_result result;
    for (size_t i = 0; i < job->draft.count; i++) {
        captions[i] = job->draft.captions[i];
    }
    int r = render_meme(&result, job->pipeline->scenes, job->scene->id, captions, job->draft.count);
    if (r < 0) {
        agent_fail(ret, "internal", "The picture could not be drawn: %s.", strerrordesc_np(-r));
        return;
    }
    free(job->meme->png);
    job->meme->png = result.png;
    job->meme->png_len = result.png_len;
    agent_note(ret, "%d × %d pixels, %zu bytes%s%s.", job->scene->width, job->scene->height,
               result.png_len,
               result.unknown_glyphs ? "; some characters are in no installed font" : "",
               result.ink_outside ? "; a caption was cut at its box" : "");
}
