#include "memegen/render/png.h"

#include <errno.h>
#include <png.h>
#include <stdlib.h>
#include <string.h>

#define START_BYTES (128u << 10) // most memes fit
#define COMPRESSION 3 // with no filter: as small as the default with all of them, on flat colours

struct output {
    unsigned char *bytes;
    size_t len, cap;
    int status;
};

// libpng's callback. What fails leaves by png_error(), to the setjmp() in encode().
static void put(png_structp png, png_bytep data, size_t n)
{
    struct output *out = png_get_io_ptr(png);
    if (out->cap - out->len < n) {
        size_t cap = out->cap ? out->cap : START_BYTES;
        while (cap - out->len < n) {
            cap *= 2;
        }
        unsigned char *bytes = realloc(out->bytes, cap);
        if (!bytes) {
            out->status = -ENOMEM;
            png_error(png, "out of memory");
        }
        out->bytes = bytes;
        out->cap = cap;
    }
    memcpy(out->bytes + out->len, data, n);
    out->len += n;
}

static void flush(png_structp png)
{
    (void)png;
}

static void fail(png_structp png, png_const_charp message)
{
    (void)message;
    png_longjmp(png, 1);
}

static void warn(png_structp png, png_const_charp message)
{
    (void)png;
    (void)message;
}

static int encode(png_structp png, png_infop info, struct output *out, const uint8_t *pixels,
                  int width, int height, size_t stride)
{
    if (setjmp(png_jmpbuf(png))) {
        return out->status ? out->status : -EIO;
    }
    png_set_write_fn(png, out, put, flush);
    png_set_IHDR(png, info, (png_uint_32)width, (png_uint_32)height, 8, PNG_COLOR_TYPE_RGB,
                 PNG_INTERLACE_NONE, PNG_COMPRESSION_TYPE_DEFAULT, PNG_FILTER_TYPE_DEFAULT);
    png_set_compression_level(png, COMPRESSION);
    png_set_filter(png, PNG_FILTER_TYPE_BASE, PNG_FILTER_NONE);
    png_write_info(png, info);
    // Cairo's pixels are words of the machine: BGRx where the low byte comes first.
#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
    png_set_filler(png, 0, PNG_FILLER_AFTER);
    png_set_bgr(png);
#else
    png_set_filler(png, 0, PNG_FILLER_BEFORE);
#endif
    for (int y = 0; y < height; y++) {
        png_write_row(png, pixels + (size_t)y * stride);
    }
    png_write_end(png, info);
    return 0;
}

int png_encode(const uint8_t *pixels, int width, int height, size_t stride, unsigned char **ret,
               size_t *ret_len)
{
    struct output out = { NULL, 0, 0, 0 };
    png_structp png = png_create_write_struct(PNG_LIBPNG_VER_STRING, NULL, fail, warn);
    png_infop info = png ? png_create_info_struct(png) : NULL;
    const int status = info ? encode(png, info, &out, pixels, width, height, stride) : -ENOMEM;
    png_destroy_write_struct(&png, &info);
    if (status) {
        free(out.bytes);
        return status;
    }
    *ret = out.bytes;
    *ret_len = out.len;
    return 0;
}
