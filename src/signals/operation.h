// The state of an operation: its families, which labels each of them carries, and what all of its
// spans' records have in common.
#ifndef SIGNALS_OPERATION_H
#define SIGNALS_OPERATION_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "record/shape.h"
#include "spyglass/span.h"

#define SPY__OPERATION_LABELS_MAX (SPY_LABELS_MAX - 1)

// Which of the operation's labels a metric carries, in the metric's order.
struct spy__label_subset {
    unsigned char count;
    unsigned char index[SPY__OPERATION_LABELS_MAX];
};

struct spy__operation_state {
    int error;   // what registration returned
    bool counts; // it has families that every end feeds, or an error to count
    size_t label_count;
    const struct spy__shape *shape; // of a record with all labels and no more; or spy__shape_none
    struct spy_histogram seconds;
    struct spy_counter total, success, failures, cpu_seconds;
    struct spy__label_subset seconds_labels, total_labels, success_labels, failures_labels,
        cpu_labels;
};

// Makes the state, where nobody has yet. NULL when there is no memory for it now. Threads: any.
const struct spy__operation_state *spy__operation_make(struct spy_operation *operation);

static inline const struct spy__operation_state *
spy__operation_state(struct spy_operation *operation)
{
    const struct spy__operation_state *state = __atomic_load_n(&operation->state, __ATOMIC_ACQUIRE);
    return SPY__LIKELY(state != NULL) ? state : spy__operation_make(operation);
}

// Feeds what counts an end, with the values of the operation's labels; those NULL are "".
void spy__operation_count(const struct spy__operation_state *state, const char *const values[],
                          const char *error_type, double seconds);
void spy__operation_count_cpu(const struct spy__operation_state *state, const char *const values[],
                              double seconds);

// Makes the locks of registration whole in a forked child: the registry's, then the operations'. A
// lock that is taken before these two registers its own handlers after this call.
void spy__operations_watch_forks(void);

#endif
