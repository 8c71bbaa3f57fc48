"""The library as others take it: built with nothing but a compiler, installed, found by pkg-config, linked, run.

Each build goes to a prefix of its own under a temporary directory. The core's build sees no pkg-config file at all, so
that no dependency can slip in unnoticed.
"""

import json
import os
import re
import shlex
import shutil
import subprocess
import tempfile
import unittest

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
STRICT = ["-Wall", "-Wextra", "-Werror"]
# Where an undefined symbol of the static core may come from.
LIBC = ("libc.so.6", "libpthread.so.0", "libgcc_s.so.1", "ld-linux-x86-64.so.2", "ld-linux-aarch64.so.1")


def run(*command, env=None, cwd=None):
    ran = subprocess.run([str(c) for c in command], env=env, cwd=cwd, text=True, capture_output=True, check=False)
    if ran.returncode != 0:
        raise AssertionError(f"{' '.join(map(str, command))} ended with {ran.returncode}:\n{ran.stdout}\n{ran.stderr}")
    return ran.stdout


class Installed:
    """A build of this tree in a prefix."""

    def __init__(self, folder, name, *options, env=None):
        build = os.path.join(folder, name + "-build")
        self.prefix = os.path.join(folder, name)
        run("meson", "setup", build, ROOT, f"--prefix={self.prefix}", "--libdir=lib", "-Dwerror=true", *options, env=env)
        run("meson", "install", "-C", build, env=env)
        self.build = build
        self.env = {**os.environ, "PKG_CONFIG_PATH": os.path.join(self.prefix, "lib/pkgconfig"),
                    "LD_LIBRARY_PATH": os.path.join(self.prefix, "lib")}
        self.folder = tempfile.mkdtemp(dir=folder)

    def path(self, *parts):
        return os.path.join(self.prefix, *parts)

    def pkg_config(self, *what):
        return run("pkg-config", *what, env=self.env).split()

    def compile(self, source, compiler, *flags, package="spyglass"):
        program = os.path.join(self.folder, os.path.basename(source) + "-" + os.path.basename(compiler))
        run(compiler, *flags, *STRICT, *self.pkg_config("--cflags", package), source, "-o", program,
            *self.pkg_config("--libs", package), env=self.env)
        return program

    def run(self, program, *arguments):
        return run(program, *arguments, env=self.env, cwd=self.folder)


def public_headers():
    folder = os.path.join(ROOT, "include/spyglass")
    for name in sorted(os.listdir(folder)):
        if name.endswith(".h"):
            with open(os.path.join(folder, name), encoding="utf-8") as file:
                yield name, file.read()


def example(name):
    return os.path.join(ROOT, "examples", name)


class Case(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.folder = tempfile.mkdtemp(prefix="spyglass-library-")
        cls.addClassCleanup(shutil.rmtree, cls.folder)

    def check_hello(self, output, series="hellos_total 1"):
        lines = output.splitlines()
        logged = [json.loads(line) for line in lines if line.startswith("{")]
        said = next(line for line in logged if line["event"] == "said_hello")
        self.assertEqual((said["service"], said["level"], said["to"]), ("hello", "info", "world"))
        self.assertIn(series, lines)
        self.assertIn("# TYPE hellos_total counter", lines)


class Core(Case):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        nothing = os.path.join(cls.folder, "no-packages")
        os.mkdir(nothing)
        cls.core = Installed(cls.folder, "core", "-Dcore_only=true",
                             env={**os.environ, "PKG_CONFIG_LIBDIR": nothing, "PKG_CONFIG_PATH": nothing})

    def test_what_is_installed(self):
        found = sorted(os.path.relpath(os.path.join(folder, file), self.core.prefix)
                       for folder, _, files in os.walk(self.core.prefix) for file in files)
        self.assertEqual(found, sorted([f"include/spyglass/{h}" for h, _ in public_headers()]
                                       + ["lib/libspyglass.a", "lib/pkgconfig/spyglass.pc"]))

    def test_pkg_config(self):
        self.assertEqual(self.core.pkg_config("--modversion", "spyglass"), ["0.1.0"])
        self.assertEqual(self.core.pkg_config("--print-requires", "spyglass"), [])
        self.assertEqual(self.core.pkg_config("--print-requires-private", "spyglass"), [])
        libs = self.core.pkg_config("--libs", "spyglass")
        self.assertIn("-lspyglass", libs)
        self.assertIn("-pthread", libs)
        self.assertNotIn("-DSPY_NO_INLINE", self.core.pkg_config("--cflags", "spyglass"))

    def test_hello(self):
        for compiler in ("gcc", "clang"):
            with self.subTest(compiler=compiler):
                self.check_hello(self.core.run(self.core.compile(example("hello.c"), compiler, "-std=gnu17")))

    def test_hello_in_twenty_lines(self):
        with open(example("hello.c"), encoding="utf-8") as file:
            statements = [line for line in file if line.strip() not in ("", "{", "}") and not line.startswith("//")]
        self.assertLessEqual(len(statements), 20)

    def test_hello_cpp(self):
        for compiler in ("g++", "clang++"):
            if shutil.which(compiler):
                with self.subTest(compiler=compiler):
                    program = self.core.compile(example("hello.cpp"), compiler, "-std=c++17")
                    self.check_hello(self.core.run(program), 'hellos_total{language="C++"} 1')

    # The other processor: compiled, with warnings as errors, not linked. Its words are in <sys/ucontext.h>,
    # in intrinsics and in assembly.
    def test_arm64(self):
        with open(os.path.join(self.core.build, "compile_commands.json"), encoding="utf-8") as file:
            entries = [e for e in json.load(file) if e["file"].startswith(os.path.relpath(ROOT, e["directory"]) + "/src/")]
        self.assertGreater(len(entries), 50)
        for entry in entries:
            own = [word for word in shlex.split(entry["command"])[1:] if word.startswith(("-D", "-I", "-W", "-std=", "-f"))]
            run("clang", "--target=aarch64-linux-gnu", "-nostdlibinc", "-isystem", "/usr/aarch64-linux-gnu/include", "-O1", "-Werror",
                *(word for word in own if word != "-fdiagnostics-color=always"), "-c", entry["file"], "-o", os.devnull,
                cwd=entry["directory"])

    def test_each_header_alone_in_both_languages(self):
        for header, _ in public_headers():
            for compiler, standard, suffix in (("gcc", "gnu17", "c"), ("g++", "c++17", "cpp")):
                with self.subTest(header=header, compiler=compiler):
                    source = os.path.join(self.folder, f"alone.{suffix}")
                    with open(source, "w", encoding="utf-8") as file:
                        file.write(f"#include <spyglass/{header}>\n")
                    run(compiler, f"-std={standard}", *STRICT, "-fsyntax-only", *self.core.pkg_config("--cflags", "spyglass"),
                        source, env=self.core.env)

    def test_workers(self):
        output = self.core.run(self.core.compile(example("workers.c"), "gcc", "-std=gnu17"))
        lines = [json.loads(line) for line in output.splitlines()]
        squared = {line["number"]: line for line in lines if line["event"] == "squared"}
        self.assertEqual({n: line["square"] for n, line in squared.items()}, {n: n * n for n in range(6)})
        for number, line in squared.items():
            self.assertEqual(line["correlation_id"], "request-a" if number < 3 else "request-b")
            self.assertEqual(line["user_id"], "u1")
        failed = [line for line in lines if line["event"] == "operation_failed"]
        self.assertEqual([(l["operation"], l["parity"], l["error_type"], l["correlation_id"]) for l in failed],
                         [("square", "odd", "rejected", "request-b")])

    def test_it_needs_libc_and_threads_alone(self):
        program = self.core.compile(example("hello.c"), "gcc", "-std=gnu17")
        needed = re.findall(r"NEEDED.*\[(.*)\]", run("readelf", "-d", program))
        self.assertEqual([lib for lib in needed if lib not in LIBC], [])

        defined, undefined = set(), set()
        for line in run("nm", "-g", self.core.path("lib/libspyglass.a")).splitlines():
            parts = line.split()
            if len(parts) >= 2 and len(parts[-2]) == 1:
                (undefined if parts[-2] == "U" else defined).add(parts[-1])
        system = set()
        for lib in LIBC:
            path = run("gcc", f"-print-file-name={lib}").strip()
            if os.path.isabs(path):
                names = run("nm", "-D", "--defined-only", path).split("\n")
                system |= {name.split()[-1].split("@")[0] for name in names if name}
        ours = {"_GLOBAL_OFFSET_TABLE_", "__ehdr_start"}
        self.assertEqual(sorted(undefined - defined - system - ours), [])

    def test_only_our_names_are_global(self):
        names = [line.split()[-1] for line in run("nm", "-g", "--defined-only", self.core.path("lib/libspyglass.a")).splitlines()
                 if len(line.split()) == 3]
        self.assertEqual([name for name in names if not name.startswith("spy_")], [])


class Shared(Case):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.shared = Installed(cls.folder, "shared", "-Dcore_only=true", "-Ddefault_library=shared")

    def test_pkg_config_sends_its_users_through_calls(self):
        self.assertIn("-DSPY_NO_INLINE", self.shared.pkg_config("--cflags", "spyglass"))
        self.assertFalse(os.path.exists(self.shared.path("lib/libspyglass.a")))

    def test_hello(self):
        self.check_hello(self.shared.run(self.shared.compile(example("hello.c"), "gcc", "-std=gnu17")))
        program = self.shared.compile(example("hello.cpp"), "g++", "-std=c++17")
        self.check_hello(self.shared.run(program), 'hellos_total{language="C++"} 1')

    def test_only_the_public_api_is_exported(self):
        names = [line.split()[-1].split("@")[0] for line in
                 run("nm", "-D", "--defined-only", self.shared.path("lib/libspyglass.so")).splitlines()]
        headers = "".join(text for _, text in public_headers())
        self.assertEqual([name for name in names if not re.search(rf"\b{name}\b", headers)], [])


class Whole(Case):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.whole = Installed(cls.folder, "whole", "-Dmemegen=false")

    def test_the_adaptor_is_a_library_of_its_own(self):
        for file in ("lib/libspyglass-mhd.a", "lib/pkgconfig/spyglass-mhd.pc", "include/spyglass_mhd.h"):
            self.assertTrue(os.path.exists(self.whole.path(file)), file)
        self.assertIn("-lmicrohttpd", self.whole.pkg_config("--libs", "spyglass"))

    def test_http(self):
        program = self.whole.compile(example("http.c"), "gcc", "-std=gnu17", package="spyglass-mhd")
        service = subprocess.Popen([program, "0", "127.0.0.1:0"], text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        try:
            said = service.stderr.readline()
            port, admin = re.fullmatch(r"listening on (\d+), metrics on (\d+)\n", said).groups()
            self.assertEqual(run("curl", "-sS", "-H", "X-Correlation-ID: example-1", f"127.0.0.1:{port}/hello"), "hello, world\n")
            self.assertEqual(run("curl", "-sS", "-d", "abc", f"127.0.0.1:{port}/echo"), "abc")
            self.assertEqual(run("curl", "-sS", "-o", os.devnull, "-w", "%{http_code}", f"127.0.0.1:{port}/broken"), "500")
            self.assertEqual(run("curl", "-sS", "-o", os.devnull, "-w", "%{http_code}", f"127.0.0.1:{port}/x"), "404")
            scrape = run("curl", "-sS", f"127.0.0.1:{admin}/metrics").splitlines()
            for series in ('method="GET",route="/hello",status="200"', 'method="POST",route="/echo",status="200"',
                           'method="GET",route="/broken",status="500"', 'method="GET",route="unmatched",status="404"'):
                self.assertIn(f"http_requests_total{{{series}}} 1", scrape)
        finally:
            service.terminate()
            out, _ = service.communicate(timeout=20)
        self.assertEqual(service.returncode, 0)
        lines = [json.loads(line) for line in out.splitlines()]
        self.assertIn(("request_processed", "example-1"), [(l["event"], l.get("correlation_id")) for l in lines])
        failed = next(line for line in lines if line["event"] == "request_failed")
        self.assertEqual((failed["path"], failed["error_type"]), ("/broken", "internal"))

    def test_what_cannot_be_had_is_said_and_the_host_goes_on(self):
        source = os.path.join(ROOT, "tests/system/refused.c")
        output = self.whole.run(self.whole.compile(source, "gcc", "-std=gnu17"), os.path.join(self.folder, "state"))
        said = dict(re.findall(r"^(\w+): (.*)$", output, re.MULTILINE))
        self.assertRegex(said["second_start"], r"^EALREADY .*started already")
        self.assertRegex(said["port_taken"], r"^EADDRINUSE .*127\.0\.0\.1:\d+.*another process has this port")
        self.assertRegex(said["beyond_loopback"], r"^EACCES .*token")
        self.assertRegex(said["no_address"], r"^EINVAL .*HOST:PORT")
        self.assertRegex(said["state_in_use"], r"^EBUSY .*in use by process \d+")
        self.assertEqual(said["counted"], "5")
        self.assertEqual(said["started_again"], "0")
