// Most records are clean, and their keys are ones that were seen before: a small table remembers
// what each key names.

#include "record/mask/mask.h"

#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/hash.h"
#include "record/mask/mask_text.h"
#include "record/mask/mask_words.h"

// A program has as many keys in use at a time, or fewer; one that finds its place taken takes it.
#define KEYS_MAX 256u
// Most keys; a longer one is looked at each time.
#define KEY_BYTES_MAX 24

// For what a record's strings become. Where it ends, a string is masked whole: it holds a secret
// anyway.
#define TEXT_BYTES (192u << 10)

// A key of up to 24 bytes, as numbers: its first, middle and last eight, which overlap in a short
// one. With the length they tell it from every other.
struct key {
    uint64_t first, middle, last;
    unsigned len;
    enum spy__key_kind kind;
};

struct spy__masker {
    struct spy__mask_words words;
    struct key keys[KEYS_MAX]; // by a hash of their numbers; len 0: free
    struct spy_field fields[SPY_FIELDS_MAX];
    struct spy__buf text;
    char storage[TEXT_BYTES];
};

static bool is_secret(enum spy__key_kind kind, const struct spy_field *field)
{
    return kind == SPY__KEY_SECRET || (kind == SPY__KEY_TOKEN && field->type == SPY_FIELD_STR);
}

bool spy__is_secret(const struct spy_field *field)
{
    return field->key && is_secret(spy__key_kind(NULL, field->key, strlen(field->key)), field);
}

struct spy__masker *spy__masker_new(const char *words)
{
    struct spy__masker *masker = calloc(1, sizeof(*masker));
    if (masker) {
        (void)spy__mask_words_parse(&masker->words, words);
        spy__buf_init_fixed(&masker->text, masker->storage, sizeof(masker->storage));
    }
    return masker;
}

void spy__masker_free(struct spy__masker *masker)
{
    free(masker);
}

static struct key key_of(const char *text, size_t n)
{
    struct key key = { .len = (unsigned)n };
    if (n >= 8) {
        key.first = spy__hash_read8(text);
        key.middle = n > 16 ? spy__hash_read8(text + 8) : 0;
        key.last = spy__hash_read8(text + n - 8);
    } else if (n >= 4) {
        key.first = spy__hash_read4(text);
        key.last = spy__hash_read4(text + n - 4);
    } else {
        for (size_t i = 0; i < n; i++) {
            key.first = key.first << 8 | (unsigned char)text[i];
        }
    }
    return key;
}

static enum spy__key_kind kind_of(struct spy__masker *masker, const char *text)
{
    size_t n = strlen(text);
    if (n == 0 || n > KEY_BYTES_MAX) {
        return spy__key_kind(&masker->words, text, n);
    }
    struct key key = key_of(text, n);
    uint64_t hash = spy__hash_fold(key.first ^ 0xa0761d6478bd642f,
                                   key.last ^ key.middle << 1 ^ n ^ 0xe7037ed1a0b428db);
    struct key *known = &masker->keys[hash % KEYS_MAX];
    if (known->len != key.len || known->first != key.first || known->middle != key.middle ||
        known->last != key.last) {
        key.kind = spy__key_kind(&masker->words, text, n);
        *known = key;
    }
    return known->kind;
}

// What the field becomes; false where it stays as it is.
static bool mask_field(struct spy__masker *masker, const struct spy_field *field,
                       struct spy_field *ret)
{
    if (field->key && is_secret(kind_of(masker, field->key), field)) {
        *ret = spy_str(field->key, SPY__REDACTED);
        return true;
    }
    size_t from = masker->text.len;
    if (field->type != SPY_FIELD_STR ||
        !spy__mask_text(&masker->words, &masker->text, field->value.s, field->len)) {
        return false;
    }
    *ret = masker->text.failed
               ? spy_str(field->key, SPY__REDACTED)
               : spy_strn(field->key, masker->text.bytes + from, masker->text.len - from);
    return true;
}

bool spy__mask_record(struct spy__masker *masker, struct spy__record *record)
{
    bool masked = false;
    spy__buf_reset(&masker->text);
    for (size_t i = 0; i < record->field_count; i++) {
        struct spy_field field;
        if (!mask_field(masker, &record->fields[i], &field)) {
            continue;
        }
        if (!masked) {
            memcpy(masker->fields, record->fields, record->field_count * sizeof(field));
            record->fields = masker->fields;
            masked = true;
        }
        masker->fields[i] = field;
    }
    return masked;
}
