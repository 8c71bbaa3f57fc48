// A picture as PNG, fast: Cairo's own writer tries every filter for every row, which takes four
// times as long and makes drawings like ours no smaller.
#ifndef MEMEGEN_RENDER_PNG_H
#define MEMEGEN_RENDER_PNG_H

#include <stddef.h>
#include <stdint.h>

// Encodes width × height pixels of 0x00RRGGBB, stride bytes a row. *ret is malloc'd. Returns 0,
// -ENOMEM or -EIO. The same pixels give the same bytes. Threads: any.
int png_encode(const uint8_t *pixels, int width, int height, size_t stride, unsigned char **ret,
               size_t *ret_len);

#endif
