// The program and the libraries that are loaded now: where each lies, its file, its build id.
//
// As the dynamic loader tells it (dl_iterate_phdr), with build ids read from the loaded notes: what
// runs, whatever lies on disk by now. Reading takes the loader's lock, which a dlopen() in another
// thread holds for as long as it takes. Not for use by two threads at a time.
#ifndef PROFILE_MODULES_H
#define PROFILE_MODULES_H

#include <link.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

// Most that are listed; later ones are left out.
#define SPY__LOADED_MAX 1024
// A build id in bytes: SHA-1 has 20, a longer one counts as none.
#define SPY__BUILD_ID_MAX 32

struct spy__module {
    uintptr_t start, end; // what its segments span
    uintptr_t bias;       // add it to an address of its file: the address here
    char *path;           // of its file; of the vDSO, a name without '/'; "" where it is not known
    char build_id[2 * SPY__BUILD_ID_MAX + 1]; // in hex; "" for none
    bool is_program;                          // not a library
};

struct spy__modules {
    struct spy__module *list; // by start, none overlaps the next
    size_t count, cap;
    unsigned long long loads, unloads; // the loader's counts at the time
};

// Reads the list anew; *m is zeroed before its first time. Returns 0, or -ENOMEM with *m as it was.
int spy__modules_read(struct spy__modules *m);
// The same from what a test says in place of dl_iterate_phdr().
typedef int spy__loader(int (*module)(struct dl_phdr_info *info, size_t size, void *arg),
                        void *arg);
int spy__modules_read_from(struct spy__modules *m, spy__loader *loader);
// Whether something was loaded or unloaded since.
bool spy__modules_changed(const struct spy__modules *m);
// The one that has this address; NULL for none.
const struct spy__module *spy__modules_find(const struct spy__modules *m, uintptr_t address);
void spy__modules_done(struct spy__modules *m);

// Whether it is the program, or a library in its folder or below: a program's own build, where the
// system's libraries are elsewhere.
bool spy__module_in_app(const struct spy__modules *m, const struct spy__module *module);
// Whether a function of the program is this library's: a static library's lie there.
bool spy__is_own_function(const char *function);

// Writes the 2 * n digits of a build id and a NUL.
void spy__build_id_print(char *out, const unsigned char *bytes, size_t n);

#endif
