// Whether this is a build under ThreadSanitizer, which does not let the child of a process with threads start one.
#ifndef TESTS_TSAN_H
#define TESTS_TSAN_H

#ifdef __SANITIZE_THREAD__
#define UNDER_TSAN 1
#elif defined(__has_feature)
#if __has_feature(thread_sanitizer)
#define UNDER_TSAN 1
#endif
#endif
#ifndef UNDER_TSAN
#define UNDER_TSAN 0
#endif

#endif
