// What a backend would never take, kept in a file for people: DIR/dead_letters/NAME.jsonl, a line
// each.
//
// The file grows up to a maximum and then keeps nothing more: what is first is what explains the
// rest. Whoever has looked at it takes it away; a new one is begun with the next letter.
//
// Threads: one at a time.
#ifndef DELIVER_DEAD_LETTERS_H
#define DELIVER_DEAD_LETTERS_H

#include <stddef.h>

#define SPY__DEAD_LETTERS_BYTES_MAX (64u << 20)

// Appends n bytes, whole lines, in one write; an earlier write that was torn is ended first. Returns
// 0, -EFBIG (the file is full), or a negative errno: then nothing of them is kept.
int spy__dead_letters_add(const char *dir, const char *name, const void *bytes, size_t n,
                          size_t bytes_max);

#endif
