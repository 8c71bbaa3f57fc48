#!/usr/bin/env python3
"""Writes dashboards/*.json from source/*.py. With --check it writes nothing, and fails where one is out of step."""

import json
import os
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "source"))

import errors  # noqa: E402
import overview  # noqa: E402
import performance  # noqa: E402

# In the order in which pages list them.
FILES = {"1-overview.json": overview.DASHBOARD, "2-performance.json": performance.DASHBOARD, "3-errors.json": errors.DASHBOARD}


def main(arguments):
    stale = []
    for name, dashboard in FILES.items():
        path = os.path.join(HERE, "dashboards", name)
        text = json.dumps(dashboard, indent=2, ensure_ascii=False) + "\n"
        if "--check" not in arguments:
            with open(path, "w", encoding="utf-8") as file:
                file.write(text)
            continue
        try:
            with open(path, encoding="utf-8") as file:
                if file.read() == text:
                    continue
        except FileNotFoundError:
            pass
        stale.append(name)
    if stale:
        print(f"out of step with monitoring/grafana/source: {', '.join(stale)}; run monitoring/grafana/make_dashboards.py",
              file=sys.stderr)
    return 1 if stale else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
