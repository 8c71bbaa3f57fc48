// The page at /: a form that makes a meme, in three files of data_dir/page, read once at the start.
#ifndef MEMEGEN_API_PAGE_H
#define MEMEGEN_API_PAGE_H

#include <stddef.h>

#define PAGE_FILE_BYTES_MAX (256u << 10)

struct page_file {
    char *bytes;
    size_t len;
};

// Const once loaded. Threads: any.
struct page {
    struct page_file html, css, js;
};

// Returns 0 or a negative errno; error then says which file. Free with page_free().
int page_load(struct page **ret, const char *data_dir, char *error, size_t error_size);
// NULL is a no-op.
void page_free(struct page *page);

#endif
