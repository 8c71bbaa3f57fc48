#include "memegen/meme.h"

#include <stdlib.h>
#include <string.h>

const char *meme_status_name(enum meme_status status)
{
    switch (status) {
    case MEME_PENDING:
        return "pending";
    case MEME_SUCCESS:
        return "success";
    case MEME_REJECTED:
        return "rejected";
    case MEME_ERROR:
        break;
    }
    return "error";
}

void meme_done(struct meme *meme)
{
    free(meme->png);
    free(meme->timeline);
    memset(meme, 0, sizeof(*meme));
}
