"""Writes the files of the page as C arrays: embed.py --out FILE.c --depfile FILE.d --uplot DIR --dashboards DIR --queries DIR FILE...

Each FILE of this folder is served under /console/, index.html at /; uPlot's files under /console/uplot/. The dashboards
are those that Grafana reads; they are served under /api/dashboards/UID, with a list of them at /api/dashboards. The
queries of analytics are served at /api/events/queries: {"current": {NAME: SQL}, "legacy": {NAME: SQL}}. Without
uPlot (script/setup brings it) the page is missing.html, which says how to get it; the build then looks for it each time.
"""

import argparse
import glob
import json
import os

TYPES = {".html": "text/html; charset=utf-8", ".js": "text/javascript; charset=utf-8", ".css": "text/css; charset=utf-8",
         ".svg": "image/svg+xml", ".json": "application/json", "": "text/plain; charset=utf-8"}
UPLOT = ("dist/uPlot.iife.min.js", "dist/uPlot.min.css", "LICENSE")  # the licence wants to go along
HERE = os.path.dirname(os.path.abspath(__file__))


def read(path):
    with open(path, "rb") as file:
        return file.read()


def type_of(path):
    return TYPES[os.path.splitext(path)[1]]


def dashboards(paths):
    """(path, type, bytes) of each dashboard, and of their list in the order of their names."""
    listed, files = [], []
    for path in paths:
        raw = read(path)
        board = json.loads(raw)
        listed.append({key: board.get(key) for key in ("uid", "title", "description", "tags")})
        files.append((f"/api/dashboards/{board['uid']}", TYPES[".json"], raw))
    return [("/api/dashboards", TYPES[".json"], json.dumps(listed).encode())] + files


def sql_files(folder):
    return sorted(glob.glob(os.path.join(folder, "*.sql")))


def queries(folder):
    """(path, type, bytes) of the queries, of the current schema and of the one for old servers."""
    found = {schema: {os.path.splitext(os.path.basename(path))[0]: read(path).decode() for path in sql_files(inside)}
             for schema, inside in (("current", folder), ("legacy", os.path.join(folder, "legacy")))}
    return [("/api/events/queries", TYPES[".json"], json.dumps(found).encode())]


def page(names, uplot):
    """(path, type, bytes) of each file of the page."""
    if not all(os.path.exists(os.path.join(uplot, name)) for name in UPLOT):
        names = [name for name in names if os.path.basename(name) in ("missing.html", "style.css", "icon.svg")]
        first = "missing.html"
    else:
        names = [name for name in names if os.path.basename(name) != "missing.html"]
        first = "index.html"
    files = []
    for name in names:
        inside = os.path.relpath(os.path.abspath(name), HERE)
        files.append(("/" if inside == first else f"/console/{inside}", type_of(name), read(name)))
    if first == "index.html":
        files += [(f"/console/uplot/{os.path.basename(name)}", type_of(name), read(os.path.join(uplot, name))) for name in UPLOT]
    return files


def c_source(files):
    out = ["// Made by console/embed.py.\n", '#include "serve/console.h"\n']
    for i, (_, _, data) in enumerate(files):
        out.append(f"static const unsigned char file_{i}[] = {{")
        out += [",".join(map(str, data[at:at + 32])) + "," for at in range(0, len(data), 32)]
        out.append("};")
    out.append("const struct spy__console_file spy__console_files[] = {")
    out += [f"    {{ {json.dumps(path)}, {json.dumps(kind)}, file_{i}, sizeof(file_{i}) }},"
            for i, (path, kind, _) in enumerate(files)]
    out += ["};", f"const size_t spy__console_files_count = {len(files)};", ""]
    return "\n".join(out)


def main():
    parser = argparse.ArgumentParser()
    for name in ("--out", "--depfile", "--uplot", "--dashboards", "--queries"):
        parser.add_argument(name, required=True)
    parser.add_argument("files", nargs="+")
    args = parser.parse_args()
    boards = sorted(glob.glob(os.path.join(args.dashboards, "*.json")))
    with open(args.out, "w", encoding="utf-8") as file:
        file.write(c_source(page(args.files, args.uplot) + dashboards(boards) + queries(args.queries)))
    with open(args.depfile, "w", encoding="utf-8") as file:
        folder = [args.dashboards] if os.path.isdir(args.dashboards) else []
        needs = [os.path.join(args.uplot, name) for name in UPLOT] + boards + folder
        needs += sql_files(args.queries) + sql_files(os.path.join(args.queries, "legacy"))
        file.write(f"{args.out}: {' '.join(path.replace(' ', chr(92) + ' ') for path in needs)}\n")


if __name__ == "__main__":
    main()
