// What a setting's value must look like, and where memegen's data lies.

#include "memegen/config_table.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

// [HOST]:PORT in brackets for IPv6. A name is left to the resolver.
const char *config_check_address(const char *value)
{
    const char *wrong = "is not HOST:PORT, as 127.0.0.1:8080 or [::1]:8080";
    const char *colon = strrchr(value, ':');
    size_t host_len = colon ? (size_t)(colon - value) : 0;
    const char *digits = colon ? colon + 1 : value;
    size_t digits_len = strspn(digits, "0123456789");
    if (host_len == 0 || digits_len == 0 || digits_len > 5 || digits[digits_len] != '\0') {
        return wrong;
    }
    if (value[0] == '[') {
        size_t address_len = strspn(value + 1, "0123456789abcdefABCDEF:.");
        if (address_len == 0 || value[1 + address_len] != ']' || host_len != address_len + 2) {
            return wrong;
        }
    } else if (strspn(value, "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ.-") !=
               host_len) {
        return wrong;
    }
    return strtol(digits, NULL, 10) <= 65535 ? NULL : "has a port above 65535";
}

const char *config_check_database(const char *value)
{
    if (strncmp(value, "sqlite:", 7) == 0) {
        return value[7] != '\0' ? NULL : "names no file: it should be sqlite:PATH";
    }
    if (strncmp(value, "postgres:", 9) == 0 || strncmp(value, "postgresql:", 11) == 0) {
        return "names a PostgreSQL database, and this build of memegen has no PostgreSQL part";
    }
    return "is not sqlite:PATH";
}

// "" is none.
const char *config_check_file(const char *value)
{
    return !*value || access(value, R_OK) == 0 ? NULL : "is a file that cannot be read";
}

const char *config_check_folder(const char *value)
{
    struct stat status;
    if (stat(value, &status) != 0) {
        return "is a folder that cannot be found";
    }
    return S_ISDIR(status.st_mode) ? NULL : "is not a folder";
}

const char *config_check_path(const char *value)
{
    return value[0] != '\0' ? NULL : "is empty";
}

// "" is none. The rest is looked at by the library.
const char *config_check_clickhouse(const char *value)
{
    return !*value || strncmp(value, "http://", 7) == 0 || strncmp(value, "https://", 8) == 0
               ? NULL
               : "is not the http:// or https:// address of ClickHouse's HTTP interface";
}

const char *config_check_rate(const char *value)
{
    char *end;
    double rate = strtod(value, &end);
    return end != value && !*end && rate >= 0 && rate <= 1 ? NULL : "is not a number from 0 to 1";
}

const char *config_check_sentry(const char *value)
{
    return !*value || strncmp(value, "http://", 7) == 0 || strncmp(value, "https://", 8) == 0
               ? NULL
               : "is not the DSN of a Sentry project, which begins with http:// or https://";
}

// The rest is looked at by the library.
const char *config_check_prometheus(const char *value)
{
    return strncmp(value, "http://", 7) == 0 || strncmp(value, "https://", 8) == 0
               ? NULL
               : "is not http://HOST:PORT or https://HOST:PORT";
}

const char *config_check_name(const char *value)
{
    size_t len = strlen(value);
    if (len == 0 || len > 128) {
        return "is not 1 to 128 bytes long";
    }
    for (const char *c = value; *c; c++) {
        if ((unsigned char)*c < 0x20 || *c == 0x7f) {
            return "has a control character";
        }
    }
    return NULL;
}

const char *config_check_log_format(const char *value)
{
    return strcmp(value, "auto") == 0 || strcmp(value, "json") == 0 ||
                   strcmp(value, "console") == 0 || strcmp(value, "logfmt") == 0
               ? NULL
               : "is not auto, json, console or logfmt";
}

const char *config_check_log_level(const char *value)
{
    return strcmp(value, "debug") == 0 || strcmp(value, "info") == 0 ||
                   strcmp(value, "warn") == 0 || strcmp(value, "error") == 0
               ? NULL
               : "is not debug, info, warn or error";
}

const char *config_check_log_levels(const char *value)
{
    static const char between[] = ", \t";
    static const char wrong[] = "is not MODULE=LEVEL, with commas between them";
    char level[8];

    for (const char *at = value + strspn(value, between); *at; at += strspn(at, between)) {
        size_t len = strcspn(at, between), name = strcspn(at, "=");

        if (name == 0 || name > 63 || name >= len || len - name > sizeof(level)) {
            return wrong;
        }
        memcpy(level, at + name + 1, len - name - 1);
        level[len - name - 1] = '\0';
        if (strcmp(level, "off") != 0 && config_check_log_level(level)) {
            return wrong;
        }
        at += len;
    }
    return NULL;
}

const char *config_check_redact(const char *value)
{
    static const char between[] = ", \t";
    size_t words = 0;

    for (const char *word = value + strspn(value, between); *word; word += strspn(word, between)) {
        size_t len = strcspn(word, between);

        if (strspn(word, "_-.") >= len || len > 63 || ++words > 32) {
            return "is not at most 32 words of 1 to 63 letters and digits, with commas between "
                   "them";
        }
        word += len;
    }
    return NULL;
}

const char *config_check_repeats(const char *value)
{
    char *end;
    unsigned long lines = strtoul(value, &end, 10);

    return strcmp(value, "off") == 0 ||
                   (*value >= '0' && *value <= '9' && !*end && lines >= 1 && lines <= 1000000)
               ? NULL
               : "is not off or a number between 1 and 1000000";
}

const char *config_check_profiling(const char *value)
{
    return strcmp(value, "continuous") == 0 || strcmp(value, "off") == 0
               ? NULL
               : "is not continuous or off";
}

const char *config_check_profile(const char *value)
{
    return strcmp(value, "off") == 0 || strcmp(value, "loopback") == 0 ||
                   strcmp(value, "token") == 0
               ? NULL
               : "is not off, loopback or token";
}

const char *config_check_log_output(const char *value)
{
    static const char *const outputs[] = {
        "auto", "stdout", "stderr", "file", "syslog", "journald"
    };
    for (size_t i = 0; i < sizeof(outputs) / sizeof(outputs[0]); i++) {
        if (strcmp(value, outputs[i]) == 0) {
            return NULL;
        }
    }
    return "is not auto, stdout, stderr, file, syslog or journald";
}

const char *config_check_fallback(const char *value)
{
    return strcmp(value, "offline") == 0 || strcmp(value, "none") == 0 ? NULL
                                                                       : "is not offline or none";
}

const char *config_check_on_off(const char *value)
{
    return strcmp(value, "on") == 0 || strcmp(value, "off") == 0 ? NULL : "is not on or off";
}

// What may stand in a header.
const char *config_check_key(const char *value)
{
    for (const char *c = value; *c; c++) {
        if (*c <= ' ' || *c > '~') {
            return "has a space or a character that is not printable ASCII";
        }
    }
    return NULL;
}

// "" is none. A password has no place in it: that is what OPENAI_API_KEY is for.
const char *config_check_url(const char *value)
{
    size_t scheme = strncmp(value, "https://", 8) == 0  ? 8
                    : strncmp(value, "http://", 7) == 0 ? 7
                                                        : 0;
    if (!*value) {
        return NULL;
    }
    if (scheme == 0 || strcspn(value + scheme, "/?#") == 0) {
        return "is not http://HOST... or https://HOST...";
    }
    if (config_check_key(value)) {
        return config_check_key(value);
    }
    if (strpbrk(value, "?#")) {
        return "has a query or a fragment";
    }
    return strchr(value, '@') ? "has a user or a password in it" : NULL;
}

char *config_find_data(const char *exe_dir)
{
    static const char *const places[] = { "../../memegen/data", "../share/memegen", "data" };
    for (size_t i = 0; i < sizeof(places) / sizeof(places[0]); i++) {
        char *path = NULL;
        char *clean;
        if (asprintf(&path, "%s/%s", exe_dir, places[i]) < 0) {
            return NULL;
        }
        clean = config_check_folder(path) == NULL ? realpath(path, NULL) : NULL;
        free(path);
        if (clean) {
            return clean;
        }
    }
    return NULL;
}
