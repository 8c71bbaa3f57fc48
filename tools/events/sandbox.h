// The process within its data folder: what the kernel lets it do, whatever a statement talks the
// engine into.
//
// By Landlock (landlock(7)), for this thread and those it starts from then on. Files may be written
// in the folder alone and read there, in /proc, /sys, /dev and where time zones and host names are;
// no program may be run; on a newer kernel no TCP connection be made and no process outside be
// signalled.
#ifndef EVENTS_SANDBOX_H
#define EVENTS_SANDBOX_H

// Overwrites the environment, where there may be secrets, but for TZ: /proc/self/environ shows it
// for as long as the process lives.
void events_sandbox_forget_environment(void);
// Returns 0, or a negative errno where the kernel has no Landlock (5.19) or it is switched off.
int events_sandbox_enter(const char *folder);

#endif
