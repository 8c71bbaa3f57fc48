"""The page of a memegen in Chromium: the checks of a script beside this file, one a call."""

import json
import os
import shutil
import subprocess

import running  # noqa: F401  (script/lib, by way of it)
import node
import stack

BROWSER_TIMEOUT_S = 240


def chromium():
    return shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")


def missing():
    """Why there is no browser here, or None."""
    return None if chromium() and node.program() else "there is no Chromium, or no Node: script/setup test brings them"


def browse(script, check, memegen, home, **env):
    """What the check saw; an AssertionError where it failed, or the browser had a problem."""
    done = subprocess.run(
        [node.program(), os.path.join(stack.ROOT, "tests/system", script), check], capture_output=True, text=True, check=False,
        timeout=BROWSER_TIMEOUT_S, env={**os.environ, "PAGE": "http://%s:%d" % memegen.admin, "HOME": home,
                                        "SERVICE": "http://%s:%d" % memegen.address, "CHROMIUM": chromium(), "PACKAGES": node.PACKAGES, **env})
    assert done.returncode == 0, done.stderr[-4000:]
    seen = json.loads(done.stdout)
    assert seen["problems"] == [], seen["problems"]
    return seen
