#include "memegen/analytics/command.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <spyglass/spyglass.h>

#include "memegen/api/text.h"

#define COLUMNS_MAX 8

static int take_kind(enum analytics_kind *ret, const char *name, char *error, size_t error_size)
{
    for (enum analytics_kind kind = 0; name && kind < ANALYTICS_KINDS; kind++) {
        if (strcmp(name, analytics_name(kind)) == 0) {
            *ret = kind;
            return 0;
        }
    }
    snprintf(error, error_size, "analytics: ask for popular-templates or engagement");
    return -EINVAL;
}

// --NAME VALUE or --NAME=VALUE at argv: how many arguments it is; 0 where it is another flag, -1
// where its value is missing.
static int take_value(const char **ret, char **argv, const char *name)
{
    size_t len = strlen(name);

    if (strncmp(argv[0], "--", 2) != 0 || strncmp(argv[0] + 2, name, len) != 0) {
        return 0;
    }
    if (argv[0][2 + len] == '=') {
        *ret = argv[0] + 3 + len;
        return 1;
    }
    if (argv[0][2 + len]) {
        return 0;
    }
    *ret = argv[1];
    return argv[1] ? 2 : -1;
}

static int take_analytics(struct command *ret, int *argc, char **argv, char *error,
                          size_t error_size)
{
    static const char *const names[] = { "from", "to", "limit" };
    const char *values[3] = { NULL }, *field, *problem;
    enum analytics_kind kind;
    int left = 1;

    if (take_kind(&kind, *argc > 2 ? argv[2] : NULL, error, error_size) != 0) {
        return -EINVAL;
    }
    for (int i = 3; i < *argc;) {
        int taken = strcmp(argv[i], "--json") == 0;
        ret->json |= taken == 1;
        for (size_t n = 0; n < 3 && taken == 0; n++) {
            taken = take_value(&values[n], argv + i, names[n]);
        }
        if (taken < 0) {
            snprintf(error, error_size, "%s: the value is missing; --help says more", argv[i]);
            return -EINVAL;
        }
        if (taken == 0) {
            argv[left++] = argv[i++];
        }
        i += taken;
    }
    argv[left] = NULL;
    *argc = left;
    if (!analytics_question(&ret->question, kind, values[0], values[1], values[2], (long)time(NULL),
                            &field, &problem)) {
        snprintf(error, error_size, "--%s %s", field, problem);
        return -EINVAL;
    }
    return 0;
}

int command_take(struct command *ret, int *argc, char **argv, char *error, size_t error_size)
{
    *ret = (struct command){ .what = COMMAND_SERVE };
    if (*argc > 1 && strcmp(argv[1], "analytics") == 0) {
        ret->what = COMMAND_ANALYTICS;
        return take_analytics(ret, argc, argv, error, error_size);
    }
    if (*argc > 1 && strcmp(argv[1], "migrate-events") == 0) {
        ret->what = COMMAND_MIGRATE;
        memmove(argv + 1, argv + 2, (size_t)(*argc - 1) * sizeof(argv[0])); // its NULL too
        --*argc;
    }
    return 0;
}

// A cell as text; its width in characters.
static size_t print_cell(char ret[64], const json_t *value)
{
    const char *text = json_string_value(value);
    size_t control;

    if (text) {
        snprintf(ret, 64, "%.*s", 63, text);
    } else if (json_is_integer(value)) {
        snprintf(ret, 64, "%" JSON_INTEGER_FORMAT, json_integer_value(value));
    } else if (json_is_real(value)) {
        snprintf(ret, 64, "%.3f", json_real_value(value));
    } else {
        snprintf(ret, 64, "-");
    }
    return text_measure(ret, strlen(ret), &control);
}

static void print_row(const json_t *row, bool head, const size_t widths[COLUMNS_MAX])
{
    const char *key;
    json_t *value;
    size_t column = 0;

    json_object_foreach((json_t *)row, key, value)
    {
        char cell[64];
        json_t *name = head ? json_string(key) : NULL;
        size_t width = print_cell(cell, head ? name : value);
        bool last = column + 1 == json_object_size(row);
        printf("%s%*s", cell, last ? 0 : (int)(widths[column % COLUMNS_MAX] - width + 2), "");
        json_decref(name);
        column++;
    }
    putchar('\n');
}

static void print_table(const json_t *rows)
{
    size_t widths[COLUMNS_MAX] = { 0 }, i;
    const json_t *row;

    json_array_foreach(rows, i, row)
    {
        const char *key;
        json_t *value;
        size_t column = 0;
        json_object_foreach((json_t *)row, key, value)
        {
            char cell[64];
            size_t width = print_cell(cell, value), *widest = &widths[column++ % COLUMNS_MAX];
            width = strlen(key) > width ? strlen(key) : width;
            *widest = width > *widest ? width : *widest;
        }
    }
    json_array_foreach(rows, i, row)
    {
        if (i == 0) {
            print_row(row, true, widths);
        }
        print_row(row, false, widths);
    }
}

static bool has_url(const struct clickhouse_server *server)
{
    if (!server->url[0]) {
        fputs("memegen: there is no ClickHouse: set CLICKHOUSE_URL\n", stderr);
    }
    return server->url[0] != '\0';
}

static void print_answer(const struct command *command, json_t *answer)
{
    const char *key;
    json_t *value;

    if (command->json) {
        json_dumpf(answer, stdout, JSON_INDENT(2) | JSON_REAL_PRECISION(6));
        putchar('\n');
        return;
    }
    json_object_foreach(answer, key, value)
    {
        if (json_is_array(value) && json_array_size(value) == 0) {
            printf("No memes were made from %s to %s.\n", command->question.from,
                   command->question.to);
        } else if (json_is_array(value)) {
            print_table(value);
        }
    }
}

int command_analytics(const struct command *command, struct clickhouse_server server)
{
    struct clickhouse *clickhouse = NULL;
    char error[CLICKHOUSE_ERROR_BYTES] = "CLICKHOUSE_URL cannot be used.";
    json_t *answer = NULL;
    int code;

    if (!has_url(&server)) {
        return EXIT_FAILURE;
    }
    code = clickhouse_open(&clickhouse, &server);
    if (!code) {
        code = analytics_ask(clickhouse, &command->question, &answer, error);
    }
    clickhouse_close(clickhouse);
    if (code) {
        fprintf(stderr, "memegen: %s\n", error);
        return EXIT_FAILURE;
    }
    print_answer(command, answer);
    json_decref(answer);
    return fflush(stdout) == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}

static void print_applied(void *arg, const char *name)
{
    (void)arg;
    printf("applied %s\n", name);
}

int command_migrate(struct clickhouse_server server)
{
    const struct spy_events_server spyglass = { server.url, server.ca, server.cert, server.key };
    char error[SPY_EVENTS_ERROR_MAX];

    if (!has_url(&server)) {
        return EXIT_FAILURE;
    }
    if (spy_events_migrate(&spyglass, print_applied, NULL, error) != 0) {
        fprintf(stderr, "memegen: %s\n", error);
        return EXIT_FAILURE;
    }
    puts("The schema of events is up to date.");
    return fflush(stdout) == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
