/**
 * Crashes (spy_options.crash_handler): which threads they are seen in.
 *
 * A thread is attached by its first call of Spyglass: a log line, a metric, a context, a span. From
 * then on it has a stack of its own for signal handlers, 64 KiB with a guard page (unless it has as
 * large a one), does not block the signals of faults, and is asked for its stack when another
 * thread crashes. Its end detaches it.
 */
#ifndef SPYGLASS_CRASH_H
#define SPYGLASS_CRASH_H

#include "spyglass/api.h"

SPY_BEGIN_DECLS

/**
 * Attaches this thread, which makes no other call of Spyglass: without it a crash by an exhausted
 * stack would not be seen, nor this thread's stack when another one crashes. A no-op where it is
 * attached, or no crash handler runs. Never fails: without memory the thread stays as it is.
 * Threads: any.
 */
SPY_API void spy_thread_attach(void);

/**
 * Takes back what attaching gave to this thread: for one that is given to somebody else. Its next
 * call of Spyglass does not attach it again, spy_thread_attach() does. A no-op where it is not
 * attached. Threads: any.
 */
SPY_API void spy_thread_detach(void);

SPY_END_DECLS

#endif
