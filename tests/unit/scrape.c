#include "scrape.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <spyglass/spyglass.h>

static int append(void *arg, const char *bytes, size_t n)
{
    return fwrite(bytes, 1, n, arg) == n ? 0 : -1;
}

char *scrape(void)
{
    char *text = NULL;
    size_t len;
    FILE *out = open_memstream(&text, &len);
    if (!out || spy_metrics_write(NULL, NULL, append, out) != 0 || fclose(out) != 0) {
        abort();
    }
    return text;
}

double scrape_value(const char *series)
{
    char *text = scrape();
    size_t len = strlen(series);
    double value = NAN;
    for (const char *line = text; line; line = strchr(line, '\n')) {
        line += *line == '\n';
        if (strncmp(line, series, len) == 0 && line[len] == ' ') {
            value = strtod(line + len, NULL);
            break;
        }
    }
    free(text);
    return value;
}
