// A meme and the request that asked for it: what the pipeline makes, the store keeps and the API
// answers.
//
// Plain values of fixed size but for the image and the timeline, so that a meme is copied and
// dropped without care.
#ifndef MEMEGEN_MEME_H
#define MEMEGEN_MEME_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define MEME_ID_LEN 36           // a UUID
#define MEME_TOPIC_CHARS_MAX 200 // Unicode characters
#define MEME_TOPIC_BYTES (MEME_TOPIC_CHARS_MAX * 4 + 1)
#define MEME_NAME_BYTES 129 // user id, style, template id: 128 bytes of UTF-8
#define MEME_CAPTIONS_MAX 6
#define MEME_CAPTION_BYTES 401 // 400 bytes of UTF-8
#define MEME_NOTE_BYTES 256
#define MEME_REPORTS_MAX 32 // 10 agents, and 3 rounds of refinement with its verifiers

enum meme_status {
    MEME_PENDING, // accepted, not made yet
    MEME_SUCCESS,
    MEME_REJECTED, // an agent refused it: no image
    MEME_ERROR,
};

// "pending", "success", "rejected", "error".
const char *meme_status_name(enum meme_status status);

struct meme_request {
    char topic[MEME_TOPIC_BYTES];
    char user_id[MEME_NAME_BYTES];     // "" where absent
    char template_id[MEME_NAME_BYTES]; // "" lets the format selector choose
    char style[MEME_NAME_BYTES];       // "" where absent
    bool use_trends;
    bool seeded; // seed is given: the same request makes the same meme
    uint64_t seed;
};

// Parts of the score, each 0 to 1: total = (0.35 humor + 0.25 clarity + 0.20 creativity + 0.20
// shareability) × factuality (1, 0.7, 0.3) × instruction_following (1, 0.8, 0.5) × appropriateness
// (1, 0).
struct meme_score {
    double humor, clarity, creativity, shareability;
    double factuality, instruction_following, appropriateness;
    double total;
};

// What one agent did in one call.
struct meme_report {
    const char *agent; // its name, a constant
    int round;         // 0: first pass; 1 to 3: refinement
    double seconds;
    bool ok;
    char note[MEME_NOTE_BYTES]; // for people: what it decided and why
};

struct meme {
    char id[MEME_ID_LEN + 1];
    char correlation_id[129];
    char trace_id[33];
    struct meme_request request;
    enum meme_status status;
    const char *error_type; // for MEME_ERROR and MEME_REJECTED: a value of the contract's
                            // error_type; a constant
    char error_message[MEME_NOTE_BYTES];
    char template_id[MEME_NAME_BYTES];
    char template_type[32]; // the kind of its layout; "none" before one is chosen
    char captions[MEME_CAPTIONS_MAX][MEME_CAPTION_BYTES];
    size_t caption_count;
    struct meme_score score;
    int rounds; // rounds of refinement that were run
    double generation_seconds;
    int64_t created_us; // Unix time, microseconds
    struct meme_report reports[MEME_REPORTS_MAX];
    size_t report_count;
    unsigned char *png; // owned, malloc; NULL without an image
    size_t png_len;
    char *timeline; // owned, malloc; NULL without one. See timeline.h
};

// Frees the image and the timeline, and leaves an empty meme.
void meme_done(struct meme *meme);

#endif
