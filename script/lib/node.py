"""The Node that tests run with: the machine's, where it is new enough, else the one that script/setup test brings."""

import glob
import os
import shutil
import subprocess

import stack

MAJOR_LEAST = 20  # playwright-core's
PACKAGES = os.path.join(stack.ROOT, ".deps/npm")


def program():
    """The path of Node, or None."""
    own = sorted(glob.glob(os.path.join(PACKAGES, "node_modules/node-linux-*/bin/node")))
    for path in [shutil.which("node"), *own]:
        if path:
            done = subprocess.run([path, "-p", "parseInt(process.versions.node)"], capture_output=True, text=True, check=False)
            if done.returncode == 0 and int(done.stdout) >= MAJOR_LEAST:
                return path
    return None
