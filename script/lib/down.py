"""script/down: stops a script/up that was started elsewhere; --purge also removes what it and script/setup made."""

import json
import os
import shutil
import signal
import sys

import processes
import stack

STOP_TIMEOUT_S = 20


def stop(folder):
    """Stops the run recorded in folder: script/up itself, which stops its children; these too, should it be gone."""
    try:
        with open(os.path.join(folder, "up.json"), encoding="utf-8") as file:
            record = json.load(file)
        first = [(record["up"]["pid"], record["up"]["born"])]
        all_known = first + [(child["pid"], child["born"]) for child in record["children"].values()]
    except (OSError, ValueError, KeyError):
        print("Nothing of ours is running.")
        return True
    if not any(processes.is_alive(*known) for known in all_known):
        print("Nothing of ours is running any more.")
    for number, whom, timeout_s in ((signal.SIGTERM, first, STOP_TIMEOUT_S), (signal.SIGTERM, all_known, STOP_TIMEOUT_S),
                                    (signal.SIGKILL, all_known, 5)):
        for known in whom:
            processes.signal_known(*known, number)
        if not processes.wait_gone(whom, timeout_s) and not processes.wait_gone(all_known, 0):
            break
    left = processes.wait_gone(all_known, 0)
    for pid, _ in left:
        print(f"script/down: process {pid} does not end.", file=sys.stderr)
    if not left and os.path.exists(os.path.join(folder, "up.json")):
        os.unlink(os.path.join(folder, "up.json"))
    return not left


def main():
    folder = os.path.abspath(os.environ.get("MEMEGEN_RUN_DIR") or os.path.join(stack.ROOT, ".run"))
    if not stop(folder):
        return 1
    if "--purge" in sys.argv:
        for path in (folder, *(os.path.join(stack.ROOT, name) for name in (".deps", "build", "build-test"))):
            if os.path.isdir(path):
                shutil.rmtree(path)
                print(f"Removed {os.path.relpath(path)}/.")
    return 0


if __name__ == "__main__":
    sys.exit(main())
