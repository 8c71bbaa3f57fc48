// What a stranger may PUT to /debug/log-level, and what a host may have in SPY_LOG_LEVELS.

#include <assert.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "serve/level_change.h"
#include "signals/log_level.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct spy__level_change change = { .level = (enum spy_level)99 };
    struct spy__module_levels levels;
    enum spy_level all = SPY_LEVEL_DEFAULT;
    char *text = malloc(size + 1), *exact = malloc(size ? size : 1);
    if (text && exact) {
        memcpy(exact, data, size); // its end is the sanitizer's to watch
        if (spy__level_change_read(&change, exact, size) == NULL) {
            assert(change.level <= SPY_LEVEL_OFF);
            assert(strlen(change.module) <= SPY_MODULE_NAME_MAX);
        } else {
            assert(change.level == (enum spy_level)99);
        }
        memcpy(text, data, size);
        text[size] = '\0';
        if (spy__log_levels_parse(&levels, &all, text) == 0) {
            assert(levels.count <= SPY__MODULES_MAX && all <= SPY_LEVEL_OFF);
            for (size_t i = 0; i < levels.count; i++) {
                assert(levels.modules[i].module[0] && levels.modules[i].level > SPY_LEVEL_DEFAULT);
            }
        }
    }
    free(exact);
    free(text);
    return 0;
}
