#include "serve/level.h"

#include <errno.h>
#include <string.h>

#include "base/buf.h"
#include "base/json.h"
#include "record/record.h"
#include "serve/level_change.h"
#include "signals/log_level.h"

// Every module with the longest name.
#define ANSWER_MAX 8192

// Copies the text.
static struct MHD_Response *give(const struct spy__buf *text)
{
    return MHD_create_response_from_buffer(text->len, text->bytes, MHD_RESPMEM_MUST_COPY);
}

static struct MHD_Response *refuse(unsigned *ret_status, unsigned status, const char *why)
{
    char room[1024];
    struct spy__buf text;
    struct spy__json json;
    spy__buf_init_fixed(&text, room, sizeof(room));
    spy__json_init(&json, &text);
    spy__json_object(&json);
    spy__json_key(&json, "error");
    spy__json_str(&json, why);
    spy__json_object_end(&json);
    *ret_status = status;
    return give(&text);
}

struct MHD_Response *spy__level_get(unsigned *ret_status)
{
    char room[ANSWER_MAX];
    struct spy__module_levels levels;
    enum spy_level all = spy__log_levels_get(&levels);
    struct spy__buf text;
    struct spy__json json;
    spy__buf_init_fixed(&text, room, sizeof(room));
    spy__json_init(&json, &text);
    spy__json_object(&json);
    spy__json_key(&json, "level");
    spy__json_str(&json, spy__level_name(all));
    spy__json_key(&json, "modules");
    spy__json_object(&json);
    for (size_t i = 0; i < levels.count; i++) {
        spy__json_key(&json, levels.modules[i].module);
        spy__json_str(&json, spy__level_name(levels.modules[i].level));
    }
    spy__json_object_end(&json);
    spy__json_object_end(&json);
    *ret_status = MHD_HTTP_OK;
    return give(&text);
}

struct MHD_Response *spy__level_put(const struct spy__upload *body, unsigned *ret_status)
{
    struct spy__level_change change;
    if (body->too_long) {
        return refuse(ret_status, MHD_HTTP_CONTENT_TOO_LARGE, "The body is too long.");
    }
    const char *why = spy__level_change_read(&change, body->bytes, body->len);
    if (why) {
        return refuse(ret_status, MHD_HTTP_BAD_REQUEST, why);
    }
    int err = 0;
    if (change.module[0]) {
        err = spy_log_set_module_level(change.module, change.level);
    } else {
        spy_log_set_level(change.level);
    }
    if (err == -ENOSPC) {
        return refuse(ret_status, MHD_HTTP_CONFLICT, "So many modules have had a level already.");
    }
    if (err != 0) {
        return refuse(ret_status, MHD_HTTP_BAD_REQUEST,
                      "\"module\" has a character that no module has.");
    }
    spy_info("log_level_changed", spy_str("module", change.module[0] ? change.module : NULL),
             spy_str("to", spy__level_name(change.level)));
    return spy__level_get(ret_status);
}
