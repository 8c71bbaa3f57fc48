// The HTTP status that ClickHouse answers an error with.
#ifndef EVENTS_STATUS_H
#define EVENTS_STATUS_H

// Code is ClickHouse's, 0 where there is no error.
unsigned events_status_of(int code);

#endif
