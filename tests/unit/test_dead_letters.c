// The file of what no server takes: whole lines, up to a maximum.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <signal.h>
#include <unistd.h>

#include <cmocka.h>

#include "deliver/dead_letters.h"

static char dir[64], path[128];

static int set_up(void **state)
{
    (void)state;
    (void)snprintf(dir, sizeof(dir), "/tmp/test_dead_letters.XXXXXX");
    (void)signal(SIGXFSZ, SIG_IGN); // a limit is an error then, as a full disk is
    if (!mkdtemp(dir)) {
        return -1;
    }
    (void)snprintf(path, sizeof(path), "%s/dead_letters/ch.jsonl", dir);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    char folder[128];
    (void)snprintf(folder, sizeof(folder), "%s/dead_letters", dir);
    (void)unlink(path);
    (void)rmdir(folder);
    return rmdir(dir);
}

static int add(const char *line, size_t max)
{
    return spy__dead_letters_add(dir, "ch", line, strlen(line), max);
}

static void assert_file(const char *expected)
{
    char text[256] = "";
    FILE *file = fopen(path, "r");
    assert_non_null(file);
    size_t n = fread(text, 1, sizeof(text) - 1, file);
    text[n] = '\0';
    (void)fclose(file);
    assert_string_equal(text, expected);
}

static void lines_are_added_up_to_the_maximum(void **state)
{
    (void)state;
    assert_int_equal(add("{\"a\":1}\n", 20), 0);
    assert_int_equal(add("{\"b\":1}\n", 20), 0);
    assert_int_equal(add("{\"c\":1}\n", 20), -EFBIG);
    assert_file("{\"a\":1}\n{\"b\":1}\n");
    assert_int_equal(add("{}\n", 20), 0);
    assert_int_equal(add("{}\n", 2), -EFBIG); // smaller than the file has become
    struct stat st;
    assert_int_equal(stat(path, &st), 0);
    assert_int_equal(st.st_mode & 0777, 0600);
    assert_int_equal(unlink(path), 0);
}

static void a_torn_line_is_ended(void **state)
{
    (void)state;
    assert_int_equal(add("{\"a\":", 100), 0);
    assert_int_equal(add("{\"b\":1}\n", 100), 0);
    assert_file("{\"a\":\n{\"b\":1}\n");
    assert_int_equal(unlink(path), 0);
}

static void a_full_disk_leaves_whole_lines(void **state)
{
    (void)state;
    struct rlimit before, small = { 12, 12 };
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &before), 0);
    small.rlim_max = before.rlim_max;
    assert_int_equal(add("{\"a\":1}\n", 100), 0);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &small), 0);
    int err = add("{\"b\":1}\n", 100);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &before), 0);
    assert_true(err < 0);
    assert_file("{\"a\":1}\n");
    assert_int_equal(unlink(path), 0);
}

static void where_nothing_can_be_written(void **state)
{
    (void)state;
    char name[5000];
    memset(name, 'x', sizeof(name));
    name[sizeof(name) - 1] = '\0';
    assert_int_equal(spy__dead_letters_add("/nonexistent", "ch", "x\n", 2, 100), -ENOENT);
    assert_int_equal(spy__dead_letters_add(name, "ch", "x\n", 2, 100), -ENAMETOOLONG);
    assert_int_equal(spy__dead_letters_add(dir, name, "x\n", 2, 100), -ENAMETOOLONG);
    assert_int_equal(symlink("/etc/passwd", path), 0);
    assert_int_equal(add("x\n", 100000), -ELOOP);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(lines_are_added_up_to_the_maximum),
        cmocka_unit_test(a_torn_line_is_ended),
        cmocka_unit_test(a_full_disk_leaves_whole_lines),
        cmocka_unit_test(where_nothing_can_be_written),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
