#include "memegen/api/page.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int read_file(struct page_file *ret, const char *data_dir, const char *name, char *error,
                     size_t error_size)
{
    char path[4096];
    int code = 0;
    FILE *file;

    if (snprintf(path, sizeof(path), "%s/page/%s", data_dir, name) >= (int)sizeof(path)) {
        snprintf(error, error_size, "The path of the data directory is too long.");
        return -ENAMETOOLONG;
    }
    ret->bytes = malloc(PAGE_FILE_BYTES_MAX);
    if (!ret->bytes) {
        snprintf(error, error_size, "There is no memory for %s.", path);
        return -ENOMEM;
    }
    file = fopen(path, "rbe");
    if (!file) {
        code = -errno;
    } else {
        ret->len = fread(ret->bytes, 1, PAGE_FILE_BYTES_MAX, file);
        if (ferror(file)) {
            code = -EIO;
        } else if (ret->len == PAGE_FILE_BYTES_MAX) {
            code = -EFBIG;
        }
        fclose(file);
    }
    if (code) {
        snprintf(error, error_size, "Cannot read %s: %s.", path, strerror(-code));
    }
    return code;
}

int page_load(struct page **ret, const char *data_dir, char *error, size_t error_size)
{
    struct page *page = calloc(1, sizeof(*page));
    int code;

    if (!page) {
        snprintf(error, error_size, "There is no memory for the page.");
        return -ENOMEM;
    }
    code = read_file(&page->html, data_dir, "index.html", error, error_size);
    if (!code) {
        code = read_file(&page->css, data_dir, "page.css", error, error_size);
    }
    if (!code) {
        code = read_file(&page->js, data_dir, "page.js", error, error_size);
    }
    if (code) {
        page_free(page);
        return code;
    }
    *ret = page;
    return 0;
}

void page_free(struct page *page)
{
    if (!page) {
        return;
    }
    free(page->html.bytes);
    free(page->css.bytes);
    free(page->js.bytes);
    free(page);
}
