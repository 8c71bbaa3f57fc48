// Most records are clean, and their keys are ones that were seen before.

#include "record/mask/mask.h"

#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "record/mask/keys.h"
#include "record/mask/mask_text.h"

// For what a record's strings become. Where it ends, a string is masked whole: it holds a secret
// anyway.
#define TEXT_BYTES (192u << 10)

struct spy__masker {
    struct spy__keys keys;
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
    struct spy__masker *masker = aligned_alloc(_Alignof(struct spy__masker), sizeof(*masker));
    if (masker && spy__keys_init(&masker->keys, words) == 0) {
        spy__buf_init_fixed(&masker->text, masker->storage, sizeof(masker->storage));
        return masker;
    }
    free(masker);
    return NULL;
}

void spy__masker_free(struct spy__masker *masker)
{
    if (masker) {
        spy__keys_done(&masker->keys);
        free(masker);
    }
}

struct spy__keys *spy__masker_keys(struct spy__masker *masker)
{
    return &masker->keys;
}

static inline enum spy__key_kind kind_of(const struct spy__masker *masker,
                                         const struct spy__record *record, size_t i)
{
    const struct spy__key *key = record->keys ? record->keys[i] : NULL;
    const char *text = record->fields[i].key;
    if (key) {
        return (enum spy__key_kind)key->kind;
    }
    return text ? spy__key_kind(&masker->keys.words, text, strlen(text)) : SPY__KEY_CLEAN;
}

// What a string becomes that holds a secret; false where it stays as it is.
static bool mask_string(struct spy__masker *masker, const struct spy_field *field,
                        struct spy_field *ret)
{
    size_t from = masker->text.len;
    if (!spy__mask_text(&masker->keys.words, &masker->text, field->value.s, field->len)) {
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
        const struct spy_field *field = &record->fields[i];
        struct spy_field instead;
        if (is_secret(kind_of(masker, record, i), field)) {
            instead = spy_str(field->key, SPY__REDACTED);
        } else if (field->type != SPY_FIELD_STR || !mask_string(masker, field, &instead)) {
            continue;
        }
        if (!masked) {
            memcpy(masker->fields, record->fields, record->field_count * sizeof(instead));
            record->fields = masker->fields;
            record->wire = NULL;
            masked = true;
        }
        masker->fields[i] = instead;
    }
    return masked;
}
