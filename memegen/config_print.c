// --print-config and --help: the table, read aloud.

#include "memegen/config.h"

#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "memegen/config_table.h"

static void print_flag(const char *key, FILE *out)
{
    (void)fputs("--", out);
    for (; *key; key++) {
        (void)fputc(*key == '_' ? '-' : *key, out);
    }
}

static void print_origin(const struct config *config, const struct setting *s, FILE *out)
{
    switch ((enum config_origin)config->origins[s - config_table]) {
    case CONFIG_FROM_DEFAULT:
        (void)fputs("  # default\n", out);
        break;
    case CONFIG_FROM_FILE:
        (void)fputs("  # config file\n", out);
        break;
    case CONFIG_FROM_VARIABLE:
        (void)fprintf(out, "  # %s\n", s->variable);
        break;
    case CONFIG_FROM_FLAG:
        (void)fputs("  # ", out);
        print_flag(s->key, out);
        (void)fputc('\n', out);
        break;
    }
}

// Where the password of "scheme://user:password@host" begins and how long it is; 0 where there is
// none.
static size_t find_password(const char *value, const char **ret)
{
    const char *user = strstr(value, "://");
    const char *at = user ? strrchr(user, '@') : NULL;
    const char *colon = at ? strchr(user + 3, ':') : NULL;
    if (!colon || colon > at) {
        return 0;
    }
    *ret = colon + 1;
    return (size_t)(at - colon - 1);
}

// A JSON string is a YAML string: https://yaml.org/spec/1.2.2/#12-yaml-history
static void print_text(const char *value, FILE *out)
{
    const char *password;
    size_t len = find_password(value, &password);
    json_t *text =
        len ? json_sprintf("%.*s[masked]%s", (int)(password - value), value, password + len)
            : json_string(value);
    char *quoted = text ? json_dumps(text, JSON_ENCODE_ANY) : NULL;
    (void)fputs(quoted ? quoted : "\"\"", out);
    free(quoted);
    json_decref(text);
}

void config_print(const struct config *config, FILE *out)
{
    struct config *c =
        (struct config *)config; // the table's accessors hand out what they are given
    if (config->config_file[0]) {
        (void)fprintf(out, "# config file: %s\n", config->config_file);
    }
    for (const struct setting *s = config_table; s->key; s++) {
        if (s->not_built) {
            continue;
        }
        if (s->secret) {
            (void)fprintf(out, "# %s: %s", s->key, (*config_text(c, s))[0] ? "[masked]" : "none");
        } else if (s->max) {
            (void)fprintf(out, "%s: %ld", s->key, *config_number(c, s));
        } else {
            (void)fprintf(out, "%s: ", s->key);
            print_text(*config_text(c, s), out);
        }
        print_origin(config, s, out);
    }
}

void config_help(FILE *out)
{
    (void)fputs(
        "memegen: a meme service, watched by Spyglass.\n\n"
        "Usage: memegen [--FLAG VALUE]...\n"
        "       memegen analytics popular-templates|engagement [--from DAY] [--to DAY]\n"
        "               [--limit N] [--json]   ask the ClickHouse of CLICKHOUSE_URL\n"
        "       memegen migrate-events         make or update its tables\n\n"
        "  --config FILE    settings as YAML: the flags' names with _ for - (MEMEGEN_CONFIG)\n"
        "  --print-config   print the effective settings and where each came from, then end\n"
        "  --check-config   check the settings, then end\n"
        "  --version        print the version, then end\n"
        "  --help           print this, then end\n\n"
        "A flag overrides its variable, which overrides the config file.\n\n",
        out);
    for (const struct setting *s = config_table; s->key; s++) {
        if (s->not_built) {
            continue;
        }
        (void)fputs("  ", out);
        if (s->secret) {
            (void)fprintf(out, "%s, or %s_FILE", s->variable, s->variable);
        } else {
            print_flag(s->key, out);
            (void)fprintf(out, ", %s", s->variable);
        }
        (void)fprintf(out, "\n      %s%s%s%s\n", s->help, s->value && s->value[0] ? " [" : "",
                      s->value ? s->value : "", s->value && s->value[0] ? "]" : "");
    }
}
