// Documents as the journal holds them. Whatever the bytes are: what is read lies within them, and
// written again gives the same bytes.

#include "record/document.h"

#include <assert.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct spy__document document;
    uint8_t *bytes = malloc(size + 1), *again = malloc(size + 1);
    if (bytes && again) {
        memcpy(bytes, data, size);
        if (spy__document_read(&document, bytes, size) == 0) {
            size_t inside = document.trace_n;
            for (size_t i = 0; i < document.item_count; i++) {
                const uint8_t *at = document.items[i].bytes;
                assert(at >= bytes && at + document.items[i].n <= bytes + size);
                inside += document.items[i].n;
            }
            assert(inside < size);
            assert(spy__document_write(again, size, &document) == size);
            assert(spy__document_read(&document, again, size) == 0);
        }
    }
    free(bytes);
    free(again);
    return 0;
}
