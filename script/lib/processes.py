"""Processes that we started: start them so that they do not outlive us, know them again, stop them."""

import ctypes
import os
import signal
import subprocess
import time

PR_SET_PDEATHSIG = 1  # prctl(2)
_libc = ctypes.CDLL(None, use_errno=True)


def _die_with_parent():
    _libc.prctl(PR_SET_PDEATHSIG, signal.SIGTERM)


def start(command, folder, log, env=None):
    """
    Starts command with its output in the file `log`. It has a session of its own, so that Ctrl-C reaches us alone and we
    stop it in order; and it gets SIGTERM should we be killed.
    """
    with open(log, "ab") as out:
        return subprocess.Popen(command, cwd=folder, stdin=subprocess.DEVNULL, stdout=out, stderr=subprocess.STDOUT,
                                env=env, start_new_session=True, preexec_fn=_die_with_parent)


def birth(pid):
    """What tells this process from a later one with the same id: when it started, in ticks since boot; None where it is gone."""
    try:
        with open(f"/proc/{pid}/stat", encoding="utf-8", errors="replace") as file:
            fields = file.read().rpartition(")")[2].split()
    except OSError:
        return None
    return None if fields[0] in "ZX" else int(fields[19])


def is_alive(pid, born):
    return born is not None and birth(pid) == born


def signal_known(pid, born, number):
    """Signals the process unless it is gone or another one by now."""
    if is_alive(pid, born):
        try:
            os.kill(pid, number)
        except ProcessLookupError:
            pass


def wait_gone(known, timeout_s):
    """Waits until none of the (pid, born) is alive; returns those that still are."""
    deadline = time.monotonic() + timeout_s
    while True:
        left = [(pid, born) for pid, born in known if is_alive(pid, born)]
        if not left or time.monotonic() > deadline:
            return left
        time.sleep(0.05)
