/** What every public header needs: visibility, attributes and argument counting. Not for direct use. */
#ifndef SPYGLASS_API_H
#define SPYGLASS_API_H

#define SPYGLASS_VERSION "0.1.0"

#ifdef __cplusplus
#define SPY_BEGIN_DECLS extern "C" {
#define SPY_END_DECLS }
#else
#define SPY_BEGIN_DECLS
#define SPY_END_DECLS
#endif

#define SPY_API __attribute__((visibility("default")))
#define SPY_CHECK __attribute__((warn_unused_result))
#define SPY_PRINTF(fmt, first) __attribute__((format(printf, fmt, first)))

#define SPY__LIKELY(x) __builtin_expect(!!(x), 1)
#define SPY__UNLIKELY(x) __builtin_expect(!!(x), 0)

/** Most labels that a metric family or an operation may have. */
#define SPY_LABELS_MAX 8

/** Most finite bucket bounds of a classic histogram. */
#define SPY_BUCKETS_MAX 40

/** Label names of a family or an operation, at most SPY_LABELS_MAX: `.labels = SPY_LABELS("method", "route")`. */
#define SPY_LABELS(...)                                                                            \
    {                                                                                              \
        __VA_ARGS__                                                                                \
    }

/** Upper bounds of a classic histogram, strictly increasing, +Inf left out; at most SPY_BUCKETS_MAX. */
#define SPY_BUCKETS(...)                                                                           \
    {                                                                                              \
        SPY__COUNT(__VA_ARGS__),                                                                   \
        {                                                                                          \
            __VA_ARGS__                                                                            \
        }                                                                                          \
    }

#define SPY__COUNT(...)                                                                            \
    SPY__COUNT_(__VA_ARGS__, 40, 39, 38, 37, 36, 35, 34, 33, 32, 31, 30, 29, 28, 27, 26, 25, 24,   \
                23, 22, 21, 20, 19, 18, 17, 16, 15, 14, 13, 12, 11, 10, 9, 8, 7, 6, 5, 4, 3, 2, 1, \
                0)
#define SPY__COUNT_(_1, _2, _3, _4, _5, _6, _7, _8, _9, _10, _11, _12, _13, _14, _15, _16, _17,    \
                    _18, _19, _20, _21, _22, _23, _24, _25, _26, _27, _28, _29, _30, _31, _32,     \
                    _33, _34, _35, _36, _37, _38, _39, _40, n, ...)                                \
    n

#endif
