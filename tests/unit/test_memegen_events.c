// The notes of what is being committed: kept over a process's end, given back, and never too few to
// publish. That what they name is published is tests/system/test_analytics.py's.
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "alloc_fail.h"
#include "memegen/events.h"
#include "scrape.h"

#define MEME_A "0c9a1f4e-1111-4222-8333-00000000000a"
#define MEME_B "0c9a1f4e-1111-4222-8333-00000000000b"
#define LIKE "0c9a1f4e-1111-4222-8333-00000000000c"

static char folder[64], file[96], database[96];

static struct events *open_events(void)
{
    struct events *events = NULL;
    assert_int_equal(events_open(&events, folder), 0);
    return events;
}

static struct store *open_store(void)
{
    struct store *store = NULL;
    char error[512];
    assert_int_equal(store_open(&store, &(struct store_options){ .url = database, .pool_size = 1 },
                                error, sizeof(error)),
                     0);
    return store;
}

static void put_meme(struct store *store, const char *id, enum meme_status status)
{
    struct meme meme = { .status = status, .created_us = 1, .template_id = "approve-reject" };
    snprintf(meme.id, sizeof(meme.id), "%s", id);
    assert_int_equal(store_put_meme(store, &meme), 0);
}

static void test_only_what_was_committed_is_published_again(void **state)
{
    struct store *store = open_store();
    struct events *events = open_events();
    const struct store_interaction like = {
        .id = LIKE, .meme_id = MEME_A, .type = "like", .platform = "web", .user_id = "u"
    };
    struct meme meme = { .id = MEME_A };
    struct events_note published, forgotten;
    (void)state;
    put_meme(store, MEME_A, MEME_SUCCESS);
    put_meme(store, MEME_B, MEME_ERROR);
    assert_int_equal(store_put_interaction(store, &like), 0);

    published = events_note_meme(events, MEME_A);
    forgotten = events_note_meme(events, MEME_A);
    assert_non_null(published.place);
    assert_ptr_not_equal(published.place, forgotten.place);
    events_meme(events, published, &meme);
    events_forget(forgotten);
    events_close(events);
    events = open_events();
    assert_int_equal(events_recover(events, store), 0); // nothing was left

    (void)events_note_meme(events, MEME_A);
    (void)events_note_meme(events, MEME_B);
    (void)events_note_interaction(events, LIKE);
    (void)events_note_interaction(events, MEME_A); // an id, but of no interaction
    (void)events_note_meme(events, "");
    events_close(events); // as a kill would: the notes stand
    events = open_events();
    assert_int_equal(events_recover(events, store), 2);
    assert_int_equal(events_recover(events, store), 0);
    events_close(events);
    store_close(store);
}

static void test_without_a_place_it_is_published_all_the_same(void **state)
{
    struct events *events = open_events();
    struct events_note notes[129];
    struct meme meme = { .id = MEME_A };
    (void)state;
    for (size_t i = 0; i < 129; i++) {
        notes[i] = events_note_meme(events, MEME_A);
        assert_true((notes[i].place != NULL) == (i < 128));
    }
    events_meme(events, notes[128], &meme);
    for (size_t i = 0; i < 128; i++) {
        events_forget(notes[i]);
    }
    assert_non_null(events_note_meme(events, MEME_A).place);
    assert_null(events_note_meme(NULL, MEME_A).place); // no events at all
    events_meme(NULL, (struct events_note){ NULL }, &meme);
    events_close(events);
    events_close(NULL);
}

static void test_a_folder_that_cannot_be_written_costs_the_notes_alone(void **state)
{
    struct events *events = NULL;
    (void)state;
    assert_int_equal(events_open(&events, "/proc/nothing/here"), 0);
    assert_non_null(events_note_meme(events, MEME_A).place);
    events_close(events);
}

static void test_no_memory(void **state)
{
    (void)state;
    for (long n = 0;; n++) {
        struct events *events = NULL;
        alloc_fail_after(n);
        int rc = events_open(&events, folder);
        alloc_fail_never();
        if (rc == 0) {
            events_close(events);
            assert_true(n > 0);
            break;
        }
        assert_int_equal(rc, -12);
        assert_null(events);
    }
}

static int fresh(void **state)
{
    (void)state;
    unlink(file);
    unlink(database + strlen("sqlite:"));
    return 0;
}

static int make_folder(void **state)
{
    (void)state;
    snprintf(folder, sizeof(folder), "/tmp/memegen-events-XXXXXX");
    if (!mkdtemp(folder)) {
        return -1;
    }
    snprintf(file, sizeof(file), "%s/unpublished", folder);
    snprintf(database, sizeof(database), "sqlite:%s/memes.db", folder);
    return 0;
}

static int remove_folder(void **state)
{
    fresh(state);
    return rmdir(folder);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(test_only_what_was_committed_is_published_again, fresh),
        cmocka_unit_test_setup(test_without_a_place_it_is_published_all_the_same, fresh),
        cmocka_unit_test(test_a_folder_that_cannot_be_written_costs_the_notes_alone),
        cmocka_unit_test_setup(test_no_memory, fresh),
    };
    return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
