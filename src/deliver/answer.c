// What every backend asks of an answer.

#include <string.h>
#include <strings.h>

#include "deliver/backend.h"

const char *spy__answer_header(const struct spy__answer *answer, const char *name)
{
    size_t n = strlen(name);
    for (size_t i = 0; i < answer->header_count; i++) {
        const char *line = answer->headers[i];
        if (strncasecmp(line, name, n) == 0 && line[n] == ':') {
            return line + n + 1 + strspn(line + n + 1, " \t");
        }
    }
    return NULL;
}
