// Secrets inside of text, found by what names them:
//
//     JSON        {"password":"…"}, at any depth, in a JSON text that is itself a JSON string
//                 (\"password\":\"…\"), cut off at its end, or with single quotes or none
//     URLs        scheme://user:…@host, ?token=…&x=y
//     pairs       password=… as in logfmt, in a form or a connection string
//     HTTP        Bearer …, Basic …, and a header's line: Cookie: …
//
// What is odd is masked rather than shown. Numbers under a token stay: they count. Time is linear in
// the text: nothing is looked back at for more than MASK_BACK bytes, and what is looked at ahead and
// not masked is as bounded.
#ifndef RECORD_MASK_MASK_TEXT_H
#define RECORD_MASK_MASK_TEXT_H

#include <stdbool.h>

#include "base/buf.h"
#include "record/mask/mask_words.h"

// Appends n bytes of text to out, with the secrets in it masked, and returns true; or returns false
// and appends nothing where there are none. A buffer with no room is `failed`.
bool spy__mask_text(const struct spy__mask_words *more, struct spy__buf *out, const char *s,
                    size_t n);

#endif
