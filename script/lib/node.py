"""The Node that tests run with: the machine's, where it is new enough, else the one that script/setup test brings."""

import glob
import os
import shutil
import subprocess

import stack

MAJOR_LEAST = 20  # playwright-core's, and Spotlight's
PACKAGES = os.path.join(stack.ROOT, ".deps/npm")
SPOTLIGHT = os.path.join(PACKAGES, "node_modules/@spotlightjs/spotlight")


def program():
    """The path of Node, or None."""
    own = sorted(glob.glob(os.path.join(PACKAGES, "node_modules/node-linux-*/bin/node")))
    for path in [shutil.which("node"), *own]:
        if path:
            done = subprocess.run([path, "-p", "parseInt(process.versions.node)"], capture_output=True, text=True, check=False)
            if done.returncode == 0 and int(done.stdout) >= MAJOR_LEAST:
                return path
    return None


def spotlight_missing():
    """Why Sentry's Spotlight cannot run here, or None."""
    if not program():
        return f"there is no Node {MAJOR_LEAST} here, which Spotlight wants: script/setup sentry brings one"
    return None if os.path.isdir(SPOTLIGHT) else "Spotlight is not here: script/setup sentry brings it"


def spotlight_command(listen):
    """Spotlight on "HOST:PORT"; the first line that it prints is its address."""
    return [program(), os.path.join(stack.ROOT, "script/lib/spotlight.mjs"), SPOTLIGHT, listen]
