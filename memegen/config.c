// Loading: each source in turn overwrites what the one before it said. A value is checked where it
// comes from, so that the error can name the place, and even where a later source would overwrite
// it: a wrong line is always a mistake.

#include "memegen/config.h"

#include <errno.h>
#include <jansson.h>
#include <limits.h>
#include <sched.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "memegen/config_table.h"
#include "memegen/yaml.h"

#define SECRET_BYTES_MAX 4096
#define WORKERS_MIN_LLM 16

struct loader {
    struct config config;
    char *error;
    size_t error_size;
};

// Always returns -EINVAL, so that a caller can `return fail(…)`.
__attribute__((format(printf, 2, 3))) static int fail(struct loader *l, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    (void)vsnprintf(l->error, l->error_size, format, args);
    va_end(args);
    return -EINVAL;
}

static int fail_memory(struct loader *l)
{
    return fail(l, "out of memory");
}

static int set_number(struct loader *l, const struct setting *s, const char *value,
                      const char *place)
{
    char *end;
    long number;
    errno = 0;
    number = strtol(value, &end, 10);
    if (strspn(value, "0123456789") == 0 || *end != '\0' || errno != 0 || number < s->min ||
        number > s->max) {
        return fail(l, "%s: \"%.80s\" is not a whole number from %ld to %ld", place, value, s->min,
                    s->max);
    }
    *config_number(&l->config, s) = number;
    return 0;
}

static int set_text(struct loader *l, const struct setting *s, const char *value, const char *place)
{
    const char *wrong = s->check ? s->check(value) : NULL;
    json_t *text = json_string(value); // the one check of UTF-8 at hand
    char *copy;
    if (!text) {
        return fail(l, "%s: the value is not valid UTF-8", place);
    }
    json_decref(text);
    if (wrong) { // a URL may hold a password, a secret is one
        return s->secret ? fail(l, "%s: the value %s", place, wrong)
               : s->check == config_check_database || s->check == config_check_url
                   ? fail(l, "%s: the URL %s", place, wrong)
                   : fail(l, "%s: \"%.200s\" %s", place, value, wrong);
    }
    copy = strdup(value);
    if (!copy) {
        return fail_memory(l);
    }
    free(*config_text(&l->config, s));
    *config_text(&l->config, s) = copy;
    return 0;
}

// `place` is what the user wrote it in: "MEMEGEN_QUEUE", "--queue", "memegen.yaml: line 3: queue".
static int set(struct loader *l, const struct setting *s, const char *value,
               enum config_origin origin, const char *place)
{
    if (s->not_built) {
        return fail(l, "%s is set, but this build of memegen has no %s part: unset it", place,
                    s->not_built);
    }
    l->config.origins[s - config_table] = (unsigned char)origin;
    return s->max ? set_number(l, s, value, place) : set_text(l, s, value, place);
}

static int set_from_file(struct loader *l, const char *key, const json_t *value, long line)
{
    char place[512], number[32];
    const struct setting *s = config_find(key, strlen(key), false);
    (void)snprintf(place, sizeof(place), "%.300s: line %ld: %.80s", l->config.config_file, line,
                   key);
    if (!s) {
        const struct setting *nearest = config_nearest(key, strlen(key));
        return fail(l, "%s: there is no such setting%s%s%s", place, nearest ? "; is it " : "",
                    nearest ? nearest->key : "", nearest ? "?" : "");
    }
    if (json_is_string(value)) {
        return set(l, s, json_string_value(value), CONFIG_FROM_FILE, place);
    }
    if (json_is_integer(value)) {
        (void)snprintf(number, sizeof(number), "%" JSON_INTEGER_FORMAT, json_integer_value(value));
        return set(l, s, number, CONFIG_FROM_FILE, place);
    }
    return fail(l, "%s: the value must be a string or a whole number", place);
}

static int load_file(struct loader *l, const char *path)
{
    json_t *lines, *tree;
    const char *key;
    json_t *value;
    int rc = 0;
    l->config.config_file = strdup(path);
    lines = json_object();
    if (!l->config.config_file || !lines) {
        json_decref(lines);
        return fail_memory(l);
    }
    tree = yaml_load_lines(path, lines, l->error, l->error_size);
    if (!tree) {
        rc = -EINVAL;
    } else if (!json_is_object(tree) && !json_is_null(tree)) {
        rc = fail(l, "%s: the file must be a mapping of settings to values", path);
    }
    if (rc == 0) {
        json_object_foreach(tree, key, value)
        {
            rc =
                set_from_file(l, key, value, (long)json_integer_value(json_object_get(lines, key)));
            if (rc != 0) {
                break;
            }
        }
    }
    json_decref(tree);
    json_decref(lines);
    return rc;
}

// A secret's file: its bytes without the newline at its end.
static int set_from_secret_file(struct loader *l, const struct setting *s, const char *path,
                                const char *place)
{
    char text[SECRET_BYTES_MAX + 1];
    size_t len;
    FILE *file = fopen(path, "rbe");
    int rc;
    if (!file) {
        return fail(l, "%s: %s: %s", place, path, strerror(errno));
    }
    len = fread(text, 1, sizeof(text), file);
    if (ferror(file)) {
        rc = fail(l, "%s: %s: %s", place, path, strerror(errno));
    } else if (len > SECRET_BYTES_MAX || memchr(text, '\0', len)) {
        rc = fail(l, "%s: %s is not a text of at most %d bytes", place, path, SECRET_BYTES_MAX);
    } else {
        while (len > 0 && (text[len - 1] == '\n' || text[len - 1] == '\r')) {
            len--;
        }
        text[len] = '\0';
        rc = len == 0 ? fail(l, "%s: %s is empty", place, path)
                      : set(l, s, text, CONFIG_FROM_VARIABLE, place);
    }
    (void)fclose(file);
    explicit_bzero(text, sizeof(text));
    return rc;
}

// An empty variable counts as none.
static const char *variable(const char *name)
{
    const char *value = getenv(name);
    return value && value[0] ? value : NULL;
}

static int load_environment(struct loader *l)
{
    int rc = 0;
    for (const struct setting *s = config_table; s->key && rc == 0; s++) {
        char file_variable[80];
        const char *value = variable(s->variable);
        const char *path;
        (void)snprintf(file_variable, sizeof(file_variable), "%s_FILE", s->variable);
        path = s->secret || s->not_built ? variable(file_variable) : NULL;
        if (value && path) {
            rc = fail(l, "%s and %s are both set: one of them is enough", s->variable,
                      file_variable);
        } else if (value) {
            rc = set(l, s, value, CONFIG_FROM_VARIABLE, s->variable);
        } else if (path && s->not_built) {
            rc = set(l, s, "", CONFIG_FROM_VARIABLE, file_variable);
        } else if (path) {
            rc = set_from_secret_file(l, s, path, file_variable);
        }
    }
    return rc;
}

// What stands on the command line, before any of it is applied: its --config must be read first.
struct flags {
    const char *values[CONFIG_SETTINGS_MAX]; // by row, NULL where absent
    const char *config_file;
};

static bool take_switch(struct config *config, const char *arg)
{
    bool *const switches[] = { &config->print_config, &config->check_config, &config->help,
                               &config->version };
    static const char *const names[] = { "--print-config", "--check-config", "--help",
                                         "--version" };
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        if (strcmp(arg, names[i]) == 0) {
            *switches[i] = true;
            return true;
        }
    }
    if (strcmp(arg, "-h") == 0) {
        config->help = true;
        return true;
    }
    return false;
}

static int fail_flag(struct loader *l, const char *name, size_t len)
{
    char flag[80];
    const struct setting *nearest = config_nearest(name, len);
    size_t n = 0;
    for (const char *c = nearest ? nearest->key : ""; *c && n + 1 < sizeof(flag); c++) {
        flag[n++] = *c == '_' ? '-' : *c;
    }
    flag[n] = '\0';
    return fail(l, "--%.*s: there is no such flag%s%s%s; --help lists them",
                (int)(len > 80 ? 80 : len), name, nearest ? "; is it --" : "", flag,
                nearest ? "?" : "");
}

// One flag and its value, which may be the next argument. Returns how many arguments it took, or
// -EINVAL.
static int take_flag(struct loader *l, struct flags *flags, char **argv)
{
    const char *name = argv[0] + 2;
    size_t len = strcspn(name, "=");
    const struct setting *s = config_find(name, len, true);
    bool is_config = len == 6 && memcmp(name, "config", 6) == 0;
    bool is_joined = name[len] == '=';
    const char *value = is_joined ? name + len + 1 : argv[1];
    if (!s && !is_config) {
        return fail_flag(l, name, len);
    }
    if (!value) {
        return fail(l, "%s: the value is missing; --help says more", argv[0]);
    }
    if (is_config) {
        flags->config_file = value;
    } else {
        flags->values[s - config_table] = value;
    }
    return is_joined ? 1 : 2;
}

static int take_flags(struct loader *l, struct flags *flags, int argc, char **argv)
{
    for (int i = 1; i < argc;) {
        int taken = 1;
        if (!take_switch(&l->config, argv[i])) {
            taken =
                strncmp(argv[i], "--", 2) == 0
                    ? take_flag(l, flags, argv + i)
                    : fail(l, "\"%.80s\": memegen takes flags alone; --help lists them", argv[i]);
        }
        if (taken < 0) {
            return taken;
        }
        i += taken;
    }
    return 0;
}

static int load_flags(struct loader *l, const struct flags *flags)
{
    int rc = 0;
    for (const struct setting *s = config_table; s->key && rc == 0; s++) {
        const char *value = flags->values[s - config_table];
        char place[80] = "--";
        if (!value) {
            continue;
        }
        for (size_t i = 0; s->key[i] && i < sizeof(place) - 3; i++) {
            place[2 + i] = s->key[i] == '_' ? '-' : s->key[i];
        }
        rc = set(l, s, value, CONFIG_FROM_FLAG, place);
    }
    return rc;
}

static long default_workers(void)
{
    cpu_set_t cpus;
    long count = sched_getaffinity(0, sizeof(cpus), &cpus) == 0 ? CPU_COUNT(&cpus) : 2;
    return count < 2 ? 2 : count > 64 ? 64 : count;
}

static char *default_data_dir(void)
{
    char exe[PATH_MAX];
    ssize_t len = readlink("/proc/self/exe", exe, sizeof(exe) - 1);
    if (len <= 0) {
        return NULL;
    }
    exe[len] = '\0';
    *strrchr(exe, '/') = '\0';
    return config_find_data(exe);
}

static int load_defaults(struct loader *l)
{
    int rc = 0;
    for (const struct setting *s = config_table; s->key && rc == 0; s++) {
        rc = s->value ? set(l, s, s->value, CONFIG_FROM_DEFAULT, s->key) : 0;
    }
    l->config.workers = default_workers();
    l->config.config_file = NULL;
    return rc;
}

// The LLM is on where there is a key or an address.
static int complete_llm(struct loader *l)
{
    struct config *c = &l->config;
    if (c->openai_api_key[0] && !c->openai_base_url[0]) {
        char *url = strdup(CONFIG_OPENAI_URL);
        if (!url) {
            return fail_memory(l);
        }
        free(c->openai_base_url);
        c->openai_base_url = url;
    }
    // Threads that wait for an answer cost no core.
    if (c->openai_base_url[0] && c->workers < WORKERS_MIN_LLM &&
        c->origins[config_find("workers", 7, false) - config_table] == CONFIG_FROM_DEFAULT) {
        c->workers = WORKERS_MIN_LLM;
    }
    if (!c->llm_prices && asprintf(&c->llm_prices, "%s/prices.yaml", c->data_dir) < 0) {
        c->llm_prices = NULL;
        return fail_memory(l);
    }
    return 0;
}

// Defaults that hang on other settings, or cost a search.
static int complete(struct loader *l)
{
    struct config *c = &l->config;
    if (!c->config_file && !(c->config_file = strdup(""))) {
        return fail_memory(l);
    }
    if (!c->database && asprintf(&c->database, "sqlite:%s/memegen.db", c->state_dir) < 0) {
        c->database = NULL;
        return fail_memory(l);
    }
    if (!c->data_dir) {
        c->data_dir = default_data_dir();
    }
    if (strcmp(c->profile, "token") == 0 && !c->admin_token[0]) {
        return fail(l, "profile: \"token\" needs SPY_ADMIN_TOKEN");
    }
    return c->data_dir ? complete_llm(l)
                       : fail(l, "memegen's templates are not beside the program: name their "
                                 "folder by --data-dir");
}

int config_load(struct config *ret, int argc, char **argv, char *error, size_t error_size)
{
    struct loader l = { .error = error, .error_size = error_size };
    struct flags flags = { .config_file = variable("MEMEGEN_CONFIG") };
    int rc = take_flags(&l, &flags, argc, argv);
    if (rc == 0 && (l.config.help || l.config.version)) {
        *ret = l.config;
        return 0;
    }
    if (rc == 0) {
        rc = load_defaults(&l);
    }
    if (rc == 0 && flags.config_file) {
        rc = load_file(&l, flags.config_file);
    }
    if (rc == 0) {
        rc = load_environment(&l);
    }
    if (rc == 0) {
        rc = load_flags(&l, &flags);
    }
    if (rc == 0) {
        rc = complete(&l);
    }
    if (rc != 0) {
        config_done(&l.config);
        return rc;
    }
    *ret = l.config;
    return 0;
}

void config_done(struct config *config)
{
    for (const struct setting *s = config_table; s->key; s++) {
        if (!s->not_built && !s->max) {
            free(*config_text(config, s));
        }
    }
    free(config->config_file);
    memset(config, 0, sizeof(*config));
}
