#include "record/mask/pseudonym.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/number.h"
#include "base/sha256.h"

struct spy__pseudonyms {
    struct spy__hmac_key key;
    size_t count;
    size_t lens[SPY_FIELDS_MAX]; // of each name in `names`
    const char *starts[SPY_FIELDS_MAX];
    char names[];
};

static bool is_space(char c)
{
    return c == ' ' || c == '\t';
}

// Notes the names of the list; blanks around them do not count. False: more than a record has fields.
static bool find_names(struct spy__pseudonyms *p)
{
    for (const char *at = p->names; *at;) {
        size_t n = strcspn(at, ","), from = 0, to = n;
        while (from < to && is_space(at[from])) {
            from++;
        }
        while (to > from && is_space(at[to - 1])) {
            to--;
        }
        if (to > from && p->count == SPY_FIELDS_MAX) {
            return false;
        }
        if (to > from) {
            p->starts[p->count] = at + from;
            p->lens[p->count++] = to - from;
        }
        at += at[n] ? n + 1 : n;
    }
    return p->count > 0;
}

int spy__pseudonyms_new(struct spy__pseudonyms **ret, const char *names, const void *salt,
                        size_t salt_bytes)
{
    size_t bytes = strlen(names) + 1;
    if (salt_bytes < SPY__SALT_BYTES_MIN) {
        return -EINVAL;
    }
    struct spy__pseudonyms *p = calloc(1, sizeof(*p) + bytes);
    if (!p) {
        return -ENOMEM;
    }
    memcpy(p->names, names, bytes);
    if (!find_names(p)) {
        free(p);
        return -EINVAL;
    }
    spy__hmac_key_init(&p->key, salt, salt_bytes);
    *ret = p;
    return 0;
}

void spy__pseudonyms_free(struct spy__pseudonyms *pseudonyms)
{
    if (pseudonyms) {
        explicit_bzero(&pseudonyms->key, sizeof(pseudonyms->key));
        free(pseudonyms);
    }
}

static bool is_named(const struct spy__pseudonyms *p, const struct spy_field *field)
{
    if (field->type < SPY_FIELD_INT || field->type > SPY_FIELD_STR) {
        return false;
    }
    for (size_t i = 0; i < p->count; i++) {
        if (strncmp(field->key, p->starts[i], p->lens[i]) == 0 && !field->key[p->lens[i]]) {
            return true;
        }
    }
    return false;
}

static void hash(const struct spy__pseudonyms *p, const struct spy_field *field,
                 char ret[SPY__PSEUDONYM_LEN])
{
    static const char hex[16] = "0123456789abcdef";
    unsigned char mac[SPY__SHA256_BYTES];
    char number[SPY__NUMBER_MAX];
    const char *text = number;
    size_t n = 0;
    switch (field->type) {
    case SPY_FIELD_INT:
        n = spy__i64_print(number, field->value.i);
        break;
    case SPY_FIELD_UINT:
        n = spy__u64_print(number, field->value.u);
        break;
    case SPY_FIELD_DOUBLE:
        n = spy__double_print_json(number, field->value.d);
        break;
    case SPY_FIELD_BOOL:
        text = field->value.b ? "true" : "false";
        n = strlen(text);
        break;
    default: // is_named() lets nothing else through but strings
        text = field->value.s;
        n = field->len;
    }
    spy__hmac(&p->key, text, n, mac);
    for (size_t i = 0; i < SPY__PSEUDONYM_LEN; i++) {
        ret[i] = hex[mac[i / 2] >> (i % 2 ? 0 : 4) & 15];
    }
}

bool spy__pseudonyms_apply(const struct spy__pseudonyms *pseudonyms, struct spy__record *record,
                           struct spy__pseudonym_room *room)
{
    bool changed = false;
    for (size_t i = 0; pseudonyms && i < record->field_count; i++) {
        if (!is_named(pseudonyms, &record->fields[i])) {
            continue;
        }
        if (!changed) {
            memcpy(room->fields, record->fields, record->field_count * sizeof(room->fields[0]));
            record->fields = room->fields;
            record->wire = NULL;
            changed = true;
        }
        hash(pseudonyms, &room->fields[i], room->text[i]);
        room->fields[i] = spy_strn(room->fields[i].key, room->text[i], SPY__PSEUDONYM_LEN);
    }
    return changed;
}
