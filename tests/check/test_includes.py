"""Who may include whom: the edges between folders (docs/architecture.md), and what keeps the core on libc alone."""

import posixpath
import re
import unittest

import tree

# For each folder: the folders or single headers of src/ that it may include, beside itself.
EDGES = {
    "base": (),
    "metrics": ("base",),
    "record": ("base",),
    "signals": ("base", "record", "metrics"),
    "heap": ("base",),
    "profile": ("base", "record", "metrics", "heap/source.h"),
    "crash": ("base", "record", "profile", "metrics"),
    "encode": ("base", "record/record.h", "metrics/snapshot.h", "profile/profile.h"),
    "deliver": ("base", "record/journal/journal.h"),
    "backends": ("base", "record/record.h", "record/wire.h", "record/document.h", "encode", "deliver"),
    "serve": ("base", "metrics", "record", "signals", "encode", "profile"),
}
CORE = ("base", "metrics", "record", "signals", "encode")

# The public headers that the lowest folders may know: types that they store, not signals that they make.
PUBLIC = {
    "base": ("api.h", "uuid.h"),
    "metrics": ("api.h", "metrics.h"),
    "record": ("api.h", "log.h", "options.h"),
    "encode": ("api.h", "log.h", "metrics.h", "options.h", "uuid.h"),
}

# Outside src/: these see include/spyglass alone (and an adaptor's header), and what lies in their own top folder.
OUTSIDE = ("adaptors", "memegen", "examples", "tests/integration", "tests/system")
# These may include anything.
ANYTHING = ("src/spyglass.c", "src/crashes.c", "src/crashes.h", "src/health.h", "src/health.c", "src/errors.c", "src/errors.h",
            "src/profiling.c", "src/profiling.h", "src/reports.c", "src/reports.h", "src/reports_http.c", "src/settings.c", "src/settings.h",
            "src/settings_find.h", "src/settings_sentry.c", "src/outbound.c", "src/outbound.h",
            "src/outbound_clickhouse.c", "src/outbound_metrics.c", "src/outbound_sentry.c", "src/outbound_errors.c",
            "src/outbound_none.c", "src/outbound_traces.c", "tools", "tests/unit", "tests/stress", "bench", "fuzz")

# An encoder does no I/O, takes no lock and reads no clock.
ENCODE_NEVER = re.compile(r"^(pthread|threads|stdatomic|semaphore|unistd|fcntl|stdio|time|poll|signal|dirent|sys/.*|linux/.*)\.h$")
ENCODE_NEVER_OURS = ("base/clock.h", "base/random.h")

LIBC = re.compile(
    r"^(assert|byteswap|cpuid|ctype|dirent|dlfcn|elf|endian|errno|fcntl|fenv|float|immintrin|inttypes|limits|link|locale|malloc|math"
    r"|poll|pthread|sched|semaphore|setjmp|signal|spawn|stdalign|stdarg|stdatomic|stdbool|stddef|stdint|stdio|stdlib"
    r"|stdnoreturn|string|strings|syslog|termios|threads|time|ucontext|unistd|unwind|wchar|emmintrin|arm_neon"
    r"|arpa/inet|netdb|netinet/.*|sys/.*|linux/.*)\.h$")

# Libraries that one place keeps to itself.
KEPT = {
    "curl/": ("src/deliver/http.c", "memegen/llm/http.c", "examples/relay.c"),
    "microhttpd.h": ("src/serve/", "adaptors/mhd/", "memegen/api/", "examples/", "tests/", "bench/", "fuzz/", "tools/"),
    "sqlite3.h": ("memegen/store/", "tests/"),
    "elfutils/": ("src/crash/unwind.c", "src/profile/symbols.c", "src/profile/elf_file.c", "tests/"),
    "libelf.h": ("src/profile/", "tests/"),
    "gelf.h": ("src/profile/symbols.c", "src/profile/elf_file.c", "tests/"),
    "dwarf.h": ("src/profile/symbols.c",),
    "yaml.h": ("memegen/yaml.c",),
    "cairo": ("memegen/render/", "tests/"),
    "pango/": ("memegen/render/", "tests/"),
}

INCLUDE = re.compile(r'^\s*#\s*include\s*([<"])([^>"]+)[>"]', re.MULTILINE)


def within(path, places):
    return any(path == p or path.startswith(p.rstrip("/") + "/") for p in places)


def edge_error(path, quoted, target):
    """What is wrong with `path` including `target`, or None."""
    if ".." in target.split("/"):
        return "a path that climbs"
    for library, places in KEPT.items():
        if not quoted and target.startswith(library) and not within(path, places):
            return f"only {', '.join(places)} may include it"
    if within(path, ANYTHING):
        return None
    if within(path, ("include",)):
        ok = target.startswith("spyglass/") if quoted else LIBC.match(target)
        return None if ok else "a public header stands on libc and its own kin"
    if path.startswith("src/"):
        return library_error(path, path.split("/")[1], quoted, target)
    if within(path, OUTSIDE):
        return outside_error(path, quoted, target)
    return "a folder that the table does not know"


def library_error(path, folder, quoted, target):
    if folder not in EDGES:
        return "a folder that the table does not know"
    if target.startswith("spyglass/"):
        known = PUBLIC.get(folder)
        return None if known is None or target.removeprefix("spyglass/") in known else f"{folder} may not know it"
    if not quoted:
        if folder == "encode" and ENCODE_NEVER.match(target):
            return "an encoder does no I/O, takes no lock, reads no clock"
        return None if folder not in CORE or LIBC.match(target) else "the core needs libc and pthreads alone"
    if folder == "encode" and target in ENCODE_NEVER_OURS:
        return "an encoder reads no clock and draws no random number"
    if "/" not in target:
        return None  # generated beside the file that includes it
    if within(target, (folder,) + EDGES[folder]):
        return None
    if folder == "backends" and target.startswith("backends/"):
        return "a backend calls no other"
    return f"{folder} may include {', '.join(EDGES[folder]) or 'libc'} alone"


def outside_error(path, quoted, target):
    if not quoted or target.startswith("spyglass/") or "/" not in target:
        return None
    own = next(place for place in OUTSIDE if within(path, (place,)))
    if within(target, (own,)) or posixpath.basename(target) == "spyglass_mhd.h":
        return None
    return f"{own} sees include/spyglass alone"


def errors_in(path, text):
    for match in INCLUDE.finditer(re.sub(r"/\*.*?\*/", lambda m: "\n" * m.group().count("\n"), text, flags=re.DOTALL)):
        error = edge_error(path, match.group(1) == '"', match.group(2))
        if error:
            yield f"{path}: includes {match.group(2)}: {error}"


class Includes(unittest.TestCase):
    def test_no_forbidden_edge(self):
        errors = [e for path in tree.files(".c", ".h", ".cpp", ".cc") for e in errors_in(path, tree.read(path))]
        self.assertEqual(errors, [], "\n" + "\n".join(errors))

    def test_planted_violations_are_found(self):
        for path, line in (
            ("src/base/buf.c", '#include "record/record.h"'),
            ("src/base/buf.c", "#include <microhttpd.h>"),
            ("src/base/buf.c", '#include "spyglass/log.h"'),
            ("src/metrics/cells.c", '#include "record/record.h"'),
            ("src/metrics/cells.c", '#include "encode/prom_text.h"'),
            ("src/metrics/cells.c", "#include <zlib.h>"),
            ("src/record/pump.c", '#include "signals/log.h"'),
            ("src/record/pump.c", '  #  include "metrics/registry.h"'),
            ("src/signals/log.c", '#include "encode/log_json.h"'),
            ("src/signals/log.c", '#include "serve/admin.h"'),
            ("src/encode/log_json.c", "#include <pthread.h>"),
            ("src/encode/log_json.c", "#include <time.h>"),
            ("src/encode/log_json.c", "#include <sys/stat.h>"),
            ("src/encode/log_json.c", '#include "base/clock.h"'),
            ("src/encode/log_json.c", '#include "metrics/registry.h"'),
            ("src/encode/log_json.c", '#include "record/pump.h"'),
            ("src/deliver/engine.c", '#include "encode/log_json.h"'),
            ("src/deliver/engine.c", "#include <curl/curl.h>"),
            ("src/backends/sentry.c", '#include "backends-x/otlp.h"'),
            ("src/serve/admin.c", '#include "deliver/engine.h"'),
            ("src/profile/stacks.c", "#include <elfutils/libdw.h>"),
            ("src/profile/stacks.c", '#include "encode/log_json.h"'),
            ("src/new/thing.c", '#include "base/buf.h"'),
            ("src/base/buf.c", '#include "../record/record.h"'),
            ("include/spyglass/log.h", '#include "record/record.h"'),
            ("include/spyglass/log.h", "#include <jansson.h>"),
            ("memegen/main.c", '#include "base/json.h"'),
            ("memegen/pipeline/router.c", "#include <microhttpd.h>"),
            ("memegen/pipeline/router.c", "#include <sqlite3.h>"),
            ("memegen/main.c", '#include "src/base/json.h"'),
            ("adaptors/mhd/spyglass_mhd.c", '#include "signals/http.h"'),
            ("examples/hello.c", '#include "base/buf.h"'),
            ("tests/integration/test_admin.c", '#include "serve/admin.h"'),
        ):
            with self.subTest(path=path, line=line):
                self.assertNotEqual(list(errors_in(path, line + "\n")), [])

    def test_allowed_edges_pass(self):
        for path, line in (
            ("src/base/buf.c", '#include "base/buf.h"'),
            ("src/base/buf.c", "#include <string.h>"),
            ("src/base/number.c", '#include "pow10.h"'),
            ("src/metrics/cells.c", "#include <pthread.h>"),
            ("src/encode/prom_text.c", '#include "metrics/snapshot.h"'),
            ("src/encode/pprof.c", '#include "profile/profile.h"'),
            ("src/encode/log_json.c", '#include "record/record.h"'),
            ("src/signals/log.c", '#include "record/pump.h"'),
            ("src/serve/admin.c", "#include <microhttpd.h>"),
            ("src/deliver/http.c", "#include <curl/curl.h>"),
            ("src/profile/symbols.c", "#include <elfutils/libdw.h>"),
            ("src/profile/stacks.c", '#include "record/record.h"'),
            ("src/spyglass.c", '#include "serve/admin.h"'),
            ("include/spyglass/log.h", '#include "spyglass/api.h"'),
            ("memegen/api/routes.c", "#include <microhttpd.h>"),
            ("memegen/api/routes.c", '#include "memegen/meme.h"'),
            ("memegen/main.c", "#include <spyglass/spyglass.h>"),
            ("memegen/api/routes.c", '#include "spyglass_mhd.h"'),
            ("tests/unit/test_buf.c", '#include "base/buf.h"'),
            ("fuzz/fuzz_yaml.c", '#include "memegen/yaml.h"'),
            ("src/base/buf.c", '/* #include "record/record.h" */'),
        ):
            with self.subTest(path=path, line=line):
                self.assertEqual(list(errors_in(path, line + "\n")), [])
