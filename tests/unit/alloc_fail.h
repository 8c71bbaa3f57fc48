// Fails the Nth allocation of the code under test. Link with alloc_fail.c and
// -Wl,--wrap=malloc,--wrap=calloc,--wrap=realloc,--wrap=strdup: calls from the program's own
// objects go through here, those inside shared libraries do not.
//
//     for (long n = 0; !done; n++) {
//         alloc_fail_after(n);
//         done = work() == 0;
//         alloc_fail_never();
//     }
#ifndef TESTS_ALLOC_FAIL_H
#define TESTS_ALLOC_FAIL_H

// The next n allocations of any thread succeed, the one after them and all later ones fail.
void alloc_fail_after(long n);
void alloc_fail_never(void);

#endif
