// The file of notes: a head, then places of one cache line each. A place is free, taken (its id is
// being written) or holds the id of a meme or of an interaction.
//
// Memory order: a place is claimed by a compare-and-swap, its id is written before its kind is
// released, and it is freed by a release store after the event's. A reader comes only after the
// process has died, when the kernel shows it what was stored.

#include "memegen/events.h"

#include <errno.h>
#include <fcntl.h>
#include <stdalign.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <spyglass/spyglass.h>

// The threads that commit: at most 64 workers and libmicrohttpd's few.
#define PLACES 128u
#define MAGIC UINT64_C(0x316576656d656d67) // the format of this file

#define GENERATED "meme_generated"
#define INTERACTION "meme_interaction"

enum kind { FREE, TAKEN, MEME, INTERACTED };

struct place {
    alignas(64) atomic_uint kind;
    char id[MEME_ID_LEN + 1];
};

struct notes {
    alignas(64) uint64_t magic;
    struct place places[PLACES];
};

struct events {
    struct notes *notes; // a mapping
};

static const struct spy_event_type types[] = {
    { .name = GENERATED,
      .fields = { { "template_id", SPY_FIELD_STR },
                  { "generation_time", SPY_FIELD_DOUBLE },
                  { "quality_score", SPY_FIELD_DOUBLE },
                  { "user_id", SPY_FIELD_STR },
                  { "meme_id", SPY_FIELD_STR },
                  { "template_type", SPY_FIELD_STR },
                  { "style", SPY_FIELD_STR },
                  { "use_trends", SPY_FIELD_BOOL },
                  { "rounds", SPY_FIELD_INT } } },
    { .name = INTERACTION,
      .fields = { { "meme_id", SPY_FIELD_STR },
                  { "interaction_type", SPY_FIELD_STR },
                  { "platform", SPY_FIELD_STR },
                  { "user_id", SPY_FIELD_STR },
                  { "interaction_id", SPY_FIELD_STR } } },
};

// A mapping of the file, or -errno. Its room is reserved: a store into a hole of a full disk would
// kill us.
static int map_file(struct notes **ret, const char *path)
{
    int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
    int rc = fd < 0 ? -errno : -posix_fallocate(fd, 0, sizeof(struct notes));
    void *notes = MAP_FAILED;

    if (rc == 0) {
        notes = mmap(NULL, sizeof(struct notes), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
        rc = notes == MAP_FAILED ? -errno : 0;
    }
    if (fd >= 0) {
        close(fd);
    }
    if (rc == 0) {
        *ret = notes;
    }
    return rc;
}

static int map_notes(struct notes **ret, const char *state_dir)
{
    char path[4096];
    bool fits = snprintf(path, sizeof(path), "%s/unpublished", state_dir) < (int)sizeof(path);
    int rc = fits ? map_file(ret, path) : -ENAMETOOLONG;
    void *notes;

    if (rc == 0) {
        return 0;
    }
    spy_warn("event_notes_not_kept", spy_str("path", path),
             spy_str("error_message", strerror(-rc)));
    notes = mmap(NULL, sizeof(struct notes), PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS,
                 -1, 0);
    if (notes == MAP_FAILED) {
        return -ENOMEM;
    }
    *ret = notes;
    return 0;
}

int events_open(struct events **ret, const char *state_dir)
{
    struct events *events = calloc(1, sizeof(*events));
    int rc = events ? map_notes(&events->notes, state_dir) : -ENOMEM;

    for (size_t i = 0; i < sizeof(types) / sizeof(types[0]) && rc == 0; i++) {
        rc = spy_event_declare(&types[i]);
    }
    if (rc != 0) {
        events_close(events);
        return rc;
    }
    if (events->notes->magic != MAGIC) { // a new file, or none of ours
        memset(events->notes, 0, sizeof(*events->notes));
        events->notes->magic = MAGIC;
    }
    *ret = events;
    return 0;
}

void events_close(struct events *events)
{
    if (!events) {
        return;
    }
    if (events->notes) {
        (void)munmap(events->notes, sizeof(*events->notes));
    }
    free(events);
}

static void publish_meme(const struct meme *meme)
{
    struct spy_uuid id;

    if (spy_uuid_parse(&id, meme->id) != 0) {
        return; // the store refuses such a meme
    }
    id = spy_uuid_v5(id, GENERATED);
    spy_event_with_id(
        &id, GENERATED, spy_str("template_id", meme->template_id),
        spy_double("generation_time", meme->generation_seconds),
        spy_double("quality_score", meme->score.total), spy_str("user_id", meme->request.user_id),
        spy_str("meme_id", meme->id), spy_str("template_type", meme->template_type),
        spy_str("style", meme->request.style), spy_bool("use_trends", meme->request.use_trends),
        spy_int("rounds", meme->rounds));
}

static void publish_interaction(const struct store_interaction *interaction)
{
    struct spy_uuid id;

    if (spy_uuid_parse(&id, interaction->id) != 0) {
        return;
    }
    id = spy_uuid_v5(id, INTERACTION);
    spy_event_with_id(
        &id, INTERACTION, spy_str("meme_id", interaction->meme_id),
        spy_str("interaction_type", interaction->type), spy_str("platform", interaction->platform),
        spy_str("user_id", interaction->user_id), spy_str("interaction_id", interaction->id));
}

// Whether what is noted was committed; then it is published.
static bool recover_meme(struct store *store, const char *id)
{
    struct meme meme = { 0 };
    bool made = store_get_meme(store, id, &meme) == 0 && meme.status == MEME_SUCCESS;

    if (made) {
        publish_meme(&meme);
    }
    meme_done(&meme);
    return made;
}

static bool recover_interaction(struct store *store, const char *id)
{
    struct store_interaction interaction;
    bool kept = store_get_interaction(store, id, &interaction) == 0;

    if (kept) {
        publish_interaction(&interaction);
    }
    return kept;
}

size_t events_recover(struct events *events, struct store *store)
{
    size_t count = 0;

    for (size_t i = 0; i < PLACES; i++) {
        struct place *place = &events->notes->places[i];
        unsigned kind = atomic_load_explicit(&place->kind, memory_order_relaxed);
        char id[MEME_ID_LEN + 1];

        memcpy(id, place->id, sizeof(id));
        id[MEME_ID_LEN] = '\0'; // whatever is in the file
        if (kind == MEME) {
            count += recover_meme(store, id);
        } else if (kind == INTERACTED) {
            count += recover_interaction(store, id);
        }
        atomic_store_explicit(&place->kind, FREE, memory_order_release);
    }
    if (count > 0) {
        spy_info("events_published_again", spy_uint("count", count));
    }
    return count;
}

static struct events_note note(struct events *events, enum kind kind, const char *id)
{
    for (size_t i = 0; events && i < PLACES; i++) {
        struct place *place = &events->notes->places[i];
        unsigned free_kind = FREE;
        if (atomic_compare_exchange_strong_explicit(&place->kind, &free_kind, TAKEN,
                                                    memory_order_acquire, memory_order_relaxed)) {
            (void)snprintf(place->id, sizeof(place->id), "%s", id);
            atomic_store_explicit(&place->kind, kind, memory_order_release);
            return (struct events_note){ place };
        }
    }
    return (struct events_note){ NULL };
}

struct events_note events_note_meme(struct events *events, const char *id)
{
    return note(events, MEME, id);
}

struct events_note events_note_interaction(struct events *events, const char *id)
{
    return note(events, INTERACTED, id);
}

void events_forget(struct events_note note)
{
    struct place *place = note.place;

    if (place) {
        atomic_store_explicit(&place->kind, FREE, memory_order_release);
    }
}

void events_meme(struct events *events, struct events_note note, const struct meme *meme)
{
    if (events) {
        publish_meme(meme);
    }
    events_forget(note);
}

void events_interaction(struct events *events, struct events_note note,
                        const struct store_interaction *interaction)
{
    if (events) {
        publish_interaction(interaction);
    }
    events_forget(note);
}
