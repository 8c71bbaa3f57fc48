// The page's SQL before it is asked: what is let through begins, behind comments and blanks, with a
// word that reads, and is text.

#include "serve/sql_check.h"

#include <assert.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/utf8.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *text = calloc(size ? size : 1, 1); // without a NUL: a read past the end is seen
    if (!text) {
        return 0;
    }
    if (size > 0) {
        memcpy(text, data, size);
    }
    if (!spy__sql_check(text, size)) {
        assert(size <= SPY__SQL_BYTES_MAX && spy__utf8_valid(text, size));
        assert(!memchr(text, '\0', size));
        size_t blanks = strspn((const char[]){ text[0], '\0' }, " \t\r\n\v\f");
        assert(blanks == 1 || strchr("sSwWfFdDeE(-#/", text[0]));
    }
    free(text);
    return 0;
}
