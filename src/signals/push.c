// Handing a record on; see the header.

#include "signals/push.h"

#include "record/pump.h"
#include "record/rings.h"
#include "signals/log.h"

void spy__push(const struct spy__record *record)
{
    enum spy__push pushed = spy__rings_push(record);
    if (pushed == SPY__PUSH_STOPPED ||
        (pushed == SPY__PUSH_CHILD && !spy__pump_write_direct(record))) {
        spy__log_lost(SPY__LOSS_STOPPED, record->kind, 1);
    }
}
