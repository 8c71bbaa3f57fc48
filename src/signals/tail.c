#include "signals/tail.h"

#include "metrics/dropped.h"
#include "spyglass/metrics.h"

static struct spy_counter traces[SPY__TRACE_OUTCOMES]; // const after spy__tail_register()

int spy__tail_register(void)
{
    struct spy_counter family;
    int err = spy_counter_register(
        &family, &(struct spy_metric){
                     .name = "spyglass_traces_total",
                     .help = "Traces decided at the end of their root, by what became of them",
                     .labels = SPY_LABELS("outcome") });
    for (int outcome = 0; err == 0 && outcome < SPY__TRACE_OUTCOMES; outcome++) {
        const char *name = spy__trace_outcome_name((enum spy__trace_outcome)outcome);
        traces[outcome] = spy_counter_with(family, name);
    }
    return err;
}

void spy__tail_decided(const struct spy__trace *trace)
{
    spy_counter_inc(traces[trace->outcome]);
}

void spy__tail_span_lost(void)
{
    spy__dropped(SPY__SIGNAL_SPAN, SPY__DROP_MEMORY, 1);
}
