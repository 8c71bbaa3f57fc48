// Settings: which source wins, what is refused and what is shown.
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "alloc_fail.h"
#include "memegen/config.h"
#include "memegen/config_table.h"

static char folder[64];
static char file_path[128];
static char error[512];

// A command line of up to seven arguments.
static int load(struct config *config, char *a, char *b, char *c, char *d)
{
    char *argv[] = { (char *)"memegen", a, b, c, d, NULL };
    int argc = 1;
    while (argv[argc]) {
        argc++;
    }
    error[0] = '\0';
    return config_load(config, argc, argv, error, sizeof(error));
}

static void load_well(struct config *config, char *a, char *b, char *c, char *d)
{
    if (load(config, a, b, c, d) != 0) {
        fail_msg("%s", error);
    }
}

static void assert_refused(const char *expected, char *a, char *b)
{
    struct config config = { .workers = 77 };
    assert_int_equal(load(&config, a, b, NULL, NULL), -EINVAL);
    assert_string_equal(error, expected);
    assert_int_equal(config.workers, 77);
}

static void write_file(const char *text)
{
    FILE *file = fopen(file_path, "w");
    assert_non_null(file);
    assert_true(fputs(text, file) >= 0);
    assert_int_equal(fclose(file), 0);
}

static int clear_environment(void **state)
{
    char name[80];
    (void)state;
    for (const struct setting *s = config_table; s->key; s++) {
        (void)snprintf(name, sizeof(name), "%s_FILE", s->variable);
        unsetenv(name);
        unsetenv(s->variable);
    }
    unsetenv("MEMEGEN_CONFIG");
    return setenv("MEMEGEN_DATA_DIR", folder, 1); // this program has none beside it
}

static void test_defaults(void **state)
{
    struct config c;
    (void)state;
    load_well(&c, NULL, NULL, NULL, NULL);
    assert_string_equal(c.listen, "127.0.0.1:8080");
    assert_string_equal(c.admin, "127.0.0.1:8000");
    assert_string_equal(c.admin_token, "");
    assert_string_equal(c.state_dir, "./memegen-state");
    assert_string_equal(c.database, "sqlite:./memegen-state/memegen.db");
    assert_string_equal(c.environment, "development");
    assert_string_equal(c.log_format, "auto");
    assert_true(c.workers >= 2 && c.workers <= 64);
    assert_int_equal(c.queue, 256);
    assert_int_equal(c.db_pool, 8);
    assert_int_equal(c.cache_bytes, 64 << 20);
    assert_int_equal(c.cache_ttl_s, 300);
    assert_int_equal(c.resource_period_s, 60);
    assert_string_equal(c.profiling, "continuous");
    assert_int_equal(c.full_wait_ms, 100);
    assert_false(c.print_config || c.check_config || c.help || c.version);
    config_done(&c);
}

static void test_the_last_source_wins(void **state)
{
    struct config c;
    (void)state;
    write_file("queue: 10\nworkers: \"11\"\ndb_pool: 12\nlisten: '[::1]:80'\n");
    setenv("MEMEGEN_WORKERS", "21", 1);
    setenv("MEMEGEN_DB_POOL", "22", 1);
    setenv("MEMEGEN_LISTEN", "", 1); // empty counts as absent
    load_well(&c, (char *)"--config", file_path, (char *)"--db-pool=33", (char *)"--check-config");
    assert_int_equal(c.queue, 10);
    assert_int_equal(c.workers, 21);
    assert_int_equal(c.db_pool, 33);
    assert_string_equal(c.listen, "[::1]:80");
    assert_true(c.check_config);
    config_done(&c);
    load_well(&c, (char *)"--queue=1", (char *)"--queue", (char *)"2", NULL);
    assert_int_equal(c.queue, 2);
    config_done(&c);
}

static void test_database_lies_in_the_state_folder(void **state)
{
    struct config c;
    (void)state;
    load_well(&c, (char *)"--state-dir", (char *)"/var/lib/memegen", NULL, NULL);
    assert_string_equal(c.database, "sqlite:/var/lib/memegen/memegen.db");
    config_done(&c);
    load_well(&c, (char *)"--state-dir", (char *)"/var/lib/memegen", (char *)"--database",
              (char *)"sqlite:other.db");
    assert_string_equal(c.database, "sqlite:other.db");
    config_done(&c);
}

static void test_wrong_flags(void **state)
{
    (void)state;
    assert_refused("--lisen: there is no such flag; is it --listen?; --help lists them",
                   (char *)"--lisen", (char *)"x");
    assert_refused("--log_level: there is no such flag; is it --log-level?; --help lists them",
                   (char *)"--log_level=info", NULL);
    assert_refused("--colour: there is no such flag; --help lists them", (char *)"--colour", NULL);
    assert_refused("--: there is no such flag; --help lists them", (char *)"--", NULL);
    assert_refused("--admin-token: there is no such flag; --help lists them",
                   (char *)"--admin-token", (char *)"x");
    assert_refused("--queue: the value is missing; --help says more", (char *)"--queue", NULL);
    assert_refused("\"start\": memegen takes flags alone; --help lists them", (char *)"start",
                   NULL);
    assert_refused("--redis-url is set, but this build of memegen has no Redis part: unset it",
                   (char *)"--redis-url", (char *)"redis://example.org/1");
}

static void test_wrong_values(void **state)
{
    static const struct {
        const char *flag, *error;
    } cases[] = {
        { "--queue=0", "--queue: \"0\" is not a whole number from 1 to 65536" },
        { "--profile=token", "profile: \"token\" needs SPY_ADMIN_TOKEN" },
        { "--queue=65537", "--queue: \"65537\" is not a whole number from 1 to 65536" },
        { "--queue=99999999999999999999",
          "--queue: \"99999999999999999999\" is not a whole number from 1 to 65536" },
        { "--queue=", "--queue: \"\" is not a whole number from 1 to 65536" },
        { "--queue=2x", "--queue: \"2x\" is not a whole number from 1 to 65536" },
        { "--queue= 2", "--queue: \" 2\" is not a whole number from 1 to 65536" },
        { "--listen=8080", "--listen: \"8080\" is not HOST:PORT, as 127.0.0.1:8080 or [::1]:8080" },
        { "--listen=:8080",
          "--listen: \":8080\" is not HOST:PORT, as 127.0.0.1:8080 or [::1]:8080" },
        { "--listen=::1:80",
          "--listen: \"::1:80\" is not HOST:PORT, as 127.0.0.1:8080 or [::1]:8080" },
        { "--listen=[::1]80",
          "--listen: \"[::1]80\" is not HOST:PORT, as 127.0.0.1:8080 or [::1]:8080" },
        { "--listen=[]:80",
          "--listen: \"[]:80\" is not HOST:PORT, as 127.0.0.1:8080 or [::1]:8080" },
        { "--listen=a:80b",
          "--listen: \"a:80b\" is not HOST:PORT, as 127.0.0.1:8080 or [::1]:8080" },
        { "--listen=a:65536", "--listen: \"a:65536\" has a port above 65535" },
        { "--log-level=loud", "--log-level: \"loud\" is not debug, info, warn or error" },
        { "--log-levels=http=debug,store",
          "--log-levels: \"http=debug,store\" is not MODULE=LEVEL, with commas between them" },
        { "--log-levels=http=loud",
          "--log-levels: \"http=loud\" is not MODULE=LEVEL, with commas between them" },
        { "--redact=a,-",
          "--redact: \"a,-\" is not at most 32 words of 1 to 63 letters and digits, "
          "with commas between them" },
        { "--log-repeats-max=0",
          "--log-repeats-max: \"0\" is not off or a number between 1 and 1000000" },
        { "--log-format=xml", "--log-format: \"xml\" is not auto, json, console or logfmt" },
        { "--state-dir=", "--state-dir: \"\" is empty" },
        { "--data-dir=/nowhere", "--data-dir: \"/nowhere\" is a folder that cannot be found" },
        { "--data-dir=/dev/null", "--data-dir: \"/dev/null\" is not a folder" },
        { "--environment=a\nb", "--environment: \"a\nb\" has a control character" },
        { "--environment=\xff", "--environment: the value is not valid UTF-8" },
        { "--database=sqlite:", "--database: the URL names no file: it should be sqlite:PATH" },
        { "--database=mysql://u:secret@h/d", "--database: the URL is not sqlite:PATH" },
        { "--database=postgres://u:secret@h/d",
          "--database: the URL names a PostgreSQL database, and this build of memegen has no "
          "PostgreSQL part" },
    };
    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        assert_refused(cases[i].error, (char *)cases[i].flag, NULL);
    }
}

static void test_addresses(void **state)
{
    (void)state;
    assert_null(config_check_address("127.0.0.1:0"));
    assert_null(config_check_address("0.0.0.0:65535"));
    assert_null(config_check_address("localhost:80"));
    assert_null(config_check_address("[::]:80"));
    assert_null(config_check_address("[::ffff:10.0.0.1]:80"));
}

static void test_wrong_variables(void **state)
{
    (void)state;
    setenv("MEMEGEN_QUEUE", "many", 1);
    assert_refused("MEMEGEN_QUEUE: \"many\" is not a whole number from 1 to 65536", NULL, NULL);
    assert_refused("MEMEGEN_QUEUE: \"many\" is not a whole number from 1 to 65536",
                   (char *)"--queue=5", NULL);
}

// A part that is configured but not there must not be passed over in silence.
static void test_parts_not_built(void **state)
{
    static const char *const variables[] = { "REDIS_URL", "OTEL_EXPORTER_OTLP_ENDPOINT",
                                             "DATABASE_URL" };
    struct config config;
    for (size_t i = 0; i < sizeof(variables) / sizeof(variables[0]); i++) {
        clear_environment(state);
        setenv(variables[i], "postgres://user:hunter2@host/x", 1);
        assert_int_equal(load(&config, NULL, NULL, NULL, NULL), -EINVAL);
        assert_non_null(strstr(error, variables[i]));
        assert_non_null(strstr(error, "this build of memegen has no "));
        assert_null(strstr(error, "hunter2"));
        setenv(variables[i], "", 1);
        load_well(&config, NULL, NULL, NULL, NULL);
        config_done(&config);
    }
}

static void test_the_llm(void **state)
{
    struct config c;
    char *text = NULL;
    size_t len;
    (void)state;
    load_well(&c, NULL, NULL, NULL, NULL);
    assert_string_equal(c.openai_base_url, ""); // neither a key nor an address: none
    assert_true(c.workers < 16 || sysconf(_SC_NPROCESSORS_ONLN) >= 16);
    config_done(&c);

    setenv("OPENAI_API_KEY", "sk-hunter2", 1);
    load_well(&c, (char *)"--llm-retries=0", NULL, NULL, NULL);
    assert_string_equal(c.openai_base_url, "https://api.openai.com/v1");
    assert_string_equal(c.openai_api_key, "sk-hunter2");
    assert_string_equal(c.openai_model, "gpt-4o-mini");
    assert_string_equal(c.llm_fallback, "offline");
    assert_non_null(strstr(c.llm_prices, "/prices.yaml"));
    assert_true(c.workers >= 16 && c.llm_retries == 0);
    FILE *out = open_memstream(&text, &len);
    config_print(&c, out);
    assert_int_equal(fclose(out), 0);
    assert_null(strstr(text, "hunter2"));
    assert_non_null(strstr(text, "# openai_api_key: [masked]"));
    free(text);
    config_done(&c);

    setenv("OPENAI_BASE_URL", "http://127.0.0.1:1/v1", 1);
    load_well(&c, (char *)"--workers=3", NULL, NULL, NULL);
    assert_string_equal(c.openai_base_url, "http://127.0.0.1:1/v1");
    assert_int_equal(c.workers, 3);
    config_done(&c);
}

static void test_wrong_settings_of_the_llm(void **state)
{
    static const char *const urls[] = { "ftp://host",          "host/v1",      "http://",
                                        "http:///v1",          "http://a b/",  "http://host/?x",
                                        "http://u:hunter2@h/", "https://h/#x", "http://h\n/" };
    struct config config;
    (void)state;
    for (size_t i = 0; i < sizeof(urls) / sizeof(urls[0]); i++) {
        setenv("OPENAI_BASE_URL", urls[i], 1);
        assert_int_equal(load(&config, NULL, NULL, NULL, NULL), -EINVAL);
        assert_non_null(strstr(error, "OPENAI_BASE_URL: the URL "));
        assert_null(strstr(error, "hunter2"));
    }
    unsetenv("OPENAI_BASE_URL");
    setenv("OPENAI_API_KEY", "hunter2\r\nX: y", 1);
    assert_refused("OPENAI_API_KEY: the value has a space or a character that is not printable "
                   "ASCII",
                   NULL, NULL);
    unsetenv("OPENAI_API_KEY");
    assert_refused("--llm-fallback: \"perhaps\" is not offline or none",
                   (char *)"--llm-fallback=perhaps", NULL);
    assert_int_equal(load(&config, (char *)"--openai-api-key=x", NULL, NULL, NULL), -EINVAL);
}

static void assert_file_refused(const char *text, const char *expected)
{
    char place[512];
    struct config config;
    write_file(text);
    assert_int_equal(load(&config, (char *)"--config", file_path, NULL, NULL), -EINVAL);
    (void)snprintf(place, sizeof(place), "%s: %s", file_path, expected);
    assert_string_equal(error, place);
}

static void test_wrong_files(void **state)
{
    struct config config;
    (void)state;
    assert_file_refused("# hi\nqueue: 3\nlissten: x\n",
                        "line 3: lissten: there is no such setting; is it listen?");
    assert_file_refused("colour: blue\n", "line 1: colour: there is no such setting");
    assert_file_refused("admin_token: hunter2\n", "line 1: admin_token: there is no such setting");
    assert_file_refused("queue: 0\n", "line 1: queue: \"0\" is not a whole number from 1 to 65536");
    assert_file_refused("queue: [1]\n",
                        "line 1: queue: the value must be a string or a whole number");
    assert_file_refused("queue:\n", "line 1: queue: the value must be a string or a whole number");
    assert_file_refused(
        "listen: 8080\n",
        "line 1: listen: \"8080\" is not HOST:PORT, as 127.0.0.1:8080 or [::1]:8080");
    assert_file_refused(
        "redis_url: redis://x\n",
        "line 1: redis_url is set, but this build of memegen has no Redis part: unset it");
    assert_file_refused("- queue\n", "the file must be a mapping of settings to values");
    assert_file_refused("queue: [\n", "line 2: did not find expected node content");
    unlink(file_path);
    setenv("MEMEGEN_CONFIG", file_path, 1);
    assert_int_equal(load(&config, NULL, NULL, NULL, NULL), -EINVAL);
    assert_non_null(strstr(error, "No such file"));
}

static void test_secret_from_a_file(void **state)
{
    char expected[256];
    char large[5000];
    struct config c;
    (void)state;
    write_file("hunter2\n");
    setenv("SPY_ADMIN_TOKEN_FILE", file_path, 1);
    load_well(&c, NULL, NULL, NULL, NULL);
    assert_string_equal(c.admin_token, "hunter2");
    config_done(&c);

    setenv("SPY_ADMIN_TOKEN", "other", 1);
    assert_refused("SPY_ADMIN_TOKEN and SPY_ADMIN_TOKEN_FILE are both set: one of them is enough",
                   NULL, NULL);
    unsetenv("SPY_ADMIN_TOKEN");

    write_file("\n");
    (void)snprintf(expected, sizeof(expected), "SPY_ADMIN_TOKEN_FILE: %s is empty", file_path);
    assert_refused(expected, NULL, NULL);
    memset(large, 'x', sizeof(large) - 1);
    large[sizeof(large) - 1] = '\0';
    write_file(large);
    (void)snprintf(expected, sizeof(expected),
                   "SPY_ADMIN_TOKEN_FILE: %s is not a text of at most 4096 bytes", file_path);
    assert_refused(expected, NULL, NULL);
    unlink(file_path);
    (void)snprintf(expected, sizeof(expected),
                   "SPY_ADMIN_TOKEN_FILE: %s: No such file or directory", file_path);
    assert_refused(expected, NULL, NULL);
    setenv("SPY_ADMIN_TOKEN_FILE", "/", 1);
    assert_refused("SPY_ADMIN_TOKEN_FILE: /: Is a directory", NULL, NULL);
}

static char *printed(const struct config *c)
{
    char *text = NULL;
    size_t len;
    FILE *out = open_memstream(&text, &len);
    assert_non_null(out);
    config_print(c, out);
    assert_int_equal(fclose(out), 0);
    return text;
}

static void test_print(void **state)
{
    struct config c, again;
    char *text;
    (void)state;
    write_file("queue: 10\n");
    setenv("SPY_ADMIN_TOKEN", "hunter2", 1);
    setenv("MEMEGEN_LISTEN", "[::1]:80", 1);
    setenv("DATABASE_URL", "sqlite:file://me:hunter2@home", 1);
    load_well(&c, (char *)"--config", file_path, (char *)"--db-pool=3", NULL);
    text = printed(&c);
    config_done(&c);
    assert_non_null(strstr(text, "\nlisten: \"[::1]:80\"  # MEMEGEN_LISTEN\n"));
    assert_non_null(strstr(text, "\nqueue: 10  # config file\n"));
    assert_non_null(strstr(text, "\ndb_pool: 3  # --db-pool\n"));
    assert_non_null(strstr(text, "\nlog_level: \"info\"  # default\n"));
    assert_non_null(strstr(text, "\n# admin_token: [masked]  # SPY_ADMIN_TOKEN\n"));
    assert_non_null(
        strstr(text, "\ndatabase: \"sqlite:file://me:[masked]@home\"  # DATABASE_URL\n"));
    assert_null(strstr(text, "hunter2"));

    write_file(text); // and it is a config file again
    free(text);
    clear_environment(state);
    load_well(&again, (char *)"--config", file_path, NULL, NULL);
    assert_string_equal(again.listen, "[::1]:80");
    assert_int_equal(again.db_pool, 3);
    config_done(&again);
}

static void test_help_and_version_need_no_configuration(void **state)
{
    struct config c;
    char *text = NULL;
    size_t len;
    FILE *out = open_memstream(&text, &len);
    (void)state;
    setenv("SENTRY_DSN", "x", 1);
    load_well(&c, (char *)"--help", NULL, NULL, NULL);
    assert_true(c.help);
    config_done(&c);
    load_well(&c, (char *)"--version", NULL, NULL, NULL);
    assert_true(c.version);
    config_done(&c);
    config_help(out);
    assert_int_equal(fclose(out), 0);
    for (const struct setting *s = config_table; s->key; s++) {
        assert_true(s->not_built || strstr(text, s->variable) != NULL);
    }
    assert_non_null(strstr(text, "--state-dir, MEMEGEN_STATE_DIR"));
    assert_non_null(strstr(text, "SPY_ADMIN_TOKEN, or SPY_ADMIN_TOKEN_FILE"));
    free(text);
}

static void test_finds_its_data(void **state)
{
    char exe_dir[128], data[160];
    char *found;
    (void)state;
    (void)snprintf(exe_dir, sizeof(exe_dir), "%s/bin", folder);
    (void)snprintf(data, sizeof(data), "%s/share", folder);
    assert_int_equal(mkdir(exe_dir, 0700), 0);
    assert_null(config_find_data(exe_dir));
    assert_int_equal(mkdir(data, 0700), 0);
    (void)snprintf(data, sizeof(data), "%s/share/memegen", folder);
    assert_int_equal(mkdir(data, 0700), 0);
    found = config_find_data(exe_dir);
    assert_string_equal(found, data);
    free(found);
    rmdir(data);
    (void)snprintf(data, sizeof(data), "%s/share", folder);
    rmdir(data);
    rmdir(exe_dir);
}

static void test_no_memory(void **state)
{
    struct config c;
    int rc = -1;
    (void)state;
    write_file("queue: 10\nlog_level: debug\n");
    setenv("SPY_ADMIN_TOKEN", "hunter2", 1);
    json_set_alloc_funcs(malloc, free); // through this program's wrapper
    for (long n = 0; rc != 0; n++) {
        assert_true(n < 1000);
        alloc_fail_after(n);
        rc = load(&c, (char *)"--config", file_path, (char *)"--db-pool=3", NULL);
        alloc_fail_never();
        assert_true(rc == 0 || error[0] != '\0');
    }
    config_done(&c);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(test_defaults, clear_environment),
        cmocka_unit_test_setup(test_the_last_source_wins, clear_environment),
        cmocka_unit_test_setup(test_database_lies_in_the_state_folder, clear_environment),
        cmocka_unit_test_setup(test_wrong_flags, clear_environment),
        cmocka_unit_test_setup(test_wrong_values, clear_environment),
        cmocka_unit_test_setup(test_addresses, clear_environment),
        cmocka_unit_test_setup(test_wrong_variables, clear_environment),
        cmocka_unit_test_setup(test_parts_not_built, clear_environment),
        cmocka_unit_test_setup(test_the_llm, clear_environment),
        cmocka_unit_test_setup(test_wrong_settings_of_the_llm, clear_environment),
        cmocka_unit_test_setup(test_wrong_files, clear_environment),
        cmocka_unit_test_setup(test_secret_from_a_file, clear_environment),
        cmocka_unit_test_setup(test_print, clear_environment),
        cmocka_unit_test_setup(test_help_and_version_need_no_configuration, clear_environment),
        cmocka_unit_test_setup(test_finds_its_data, clear_environment),
        cmocka_unit_test_setup(test_no_memory, clear_environment),
    };
    int failed;
    (void)snprintf(folder, sizeof(folder), "/tmp/test_config.XXXXXX");
    if (!mkdtemp(folder)) {
        return 1;
    }
    (void)snprintf(file_path, sizeof(file_path), "%s/memegen.yaml", folder);
    failed = cmocka_run_group_tests_name("config", tests, NULL, NULL);
    unlink(file_path);
    rmdir(folder);
    return failed;
}
