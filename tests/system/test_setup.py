"""script/setup where its tools are stand-ins: what it asks of apt, and what it says. (Real installs are tried by hand, in a
root made by debootstrap.)"""

import os
import shutil
import stat
import subprocess
import tempfile
import unittest

from running import ROOT

# The stand-ins write their command lines here.
RECORD = '#!/bin/sh\necho "${0##*/} $*" >>"$CALLS"\n'
# What npm would unpack of NAME@VERSION, and write down of it, as far as script/setup looks at it.
NPM = RECORD + '''
PATH=/usr/bin:/bin
while [ "$1" != --prefix ]; do shift; done
folder=$2
mkdir -p "$folder/node_modules"
exec 3>"$folder/node_modules/.package-lock.json"
for package; do
    case $package in *@*)
        name=${package%@*} version=${package##*@}
        integrity=$(awk -v package="$package" '$3 == package && $4 ~ /^sha512-/ { print $4 }' script/packages.txt)
        mkdir -p "$folder/node_modules/$name"
        echo '{ "version": "'"$version"'" }' >"$folder/node_modules/$name/package.json"
        printf '    "node_modules/%s": {\\n      "version": "%s",\\n      "integrity": "%s",\\n' "$name" "$version" "${BROUGHT-$integrity}" >&3 ;;
    esac
done
'''


class SetupTest(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = folder.name
        self.bin = os.path.join(self.folder, "bin")
        os.mkdir(self.bin)
        self.calls = os.path.join(self.folder, "calls")

    def tree(self):
        """A copy with nothing set up in it."""
        shutil.copytree(os.path.join(ROOT, "script"), os.path.join(self.folder, "tree/script"))
        return os.path.join(self.folder, "tree")

    def stand_in(self, name, script):
        path = os.path.join(self.bin, name)
        with open(path, "w", encoding="utf-8") as file:
            file.write(script)
        os.chmod(path, os.stat(path).st_mode | stat.S_IXUSR | stat.S_IXGRP | stat.S_IXOTH)

    def link(self, *names):
        for name in names:
            os.symlink(shutil.which(name), os.path.join(self.bin, name))

    def setup(self, *arguments, tree=ROOT, path=None):
        done = subprocess.run([os.path.join(tree, "script/setup"), *arguments], capture_output=True, text=True, timeout=300,
                              env={**os.environ, "CALLS": self.calls, "PATH": path or f"{self.bin}:{os.environ['PATH']}"})
        calls = ""
        if os.path.exists(self.calls):
            with open(self.calls, encoding="utf-8") as file:
                calls = file.read()
        return done.returncode, done.stdout, done.stderr, calls

    @unittest.skipUnless(shutil.which("dpkg-query"), "not Debian")
    def test_nothing_is_asked_when_nothing_is_missing(self):
        for tier in ("run", "test"):
            self.stand_in("apt-get", RECORD + "exit 100\n")
            with self.subTest(tier=tier):
                status, output, errors, calls = self.setup(tier)
                self.assertEqual((status, errors, calls), (0, "", ""), output)
                self.assertEqual(output, f"All that the tier '{tier}' needs is there.\n")

    @unittest.skipUnless(shutil.which("dpkg-query"), "not Debian")
    def test_a_package_counts_for_this_architecture_whatever_others_are_there(self):
        native = subprocess.run(["dpkg", "--print-architecture"], capture_output=True, text=True, check=True).stdout.strip()
        for states, there in ((f"installed {native}|installed hurd-x|", True), (f"installed hurd-x|installed {native}|", True),
                              ("installed all|", True), ("installed hurd-x|", False),
                              (f"config-files {native}|installed hurd-x|", False)):
            with self.subTest(states=states):
                self.stand_in("dpkg-query", f"#!/bin/sh\nprintf '%s' '{states}'\n")
                _, output, errors, _ = self.setup("run", "--no-servers", "--check", tree=self.tree())
                self.assertEqual((" gcc " not in output, errors), (there, ""), output)
                shutil.rmtree(os.path.join(self.folder, "tree"))

    @unittest.skipUnless(shutil.which("dpkg-query"), "not Debian")
    def test_without_root_and_sudo_it_says_the_line_to_run(self):
        self.stand_in("id", "#!/bin/sh\necho 1000\n")
        self.stand_in("dpkg-query", "#!/bin/sh\nexit 1\n")  # nothing is installed
        self.stand_in("apt-get", RECORD)
        self.link("bash", "sh", "awk", "sed", "dirname", "dpkg", "apt-cache", "rm", "mkdir", "cat", "env", "sort", "tr", "xargs")
        status, output, errors, calls = self.setup("run", "--no-servers", path=self.bin)
        self.assertEqual(status, 1, output)
        self.assertRegex(errors, r"there is no sudo\. As root, run: apt-get install --no-install-recommends gcc .* meson ")
        self.assertEqual(calls, "")

    @unittest.skipUnless(shutil.which("dpkg-query"), "not Debian")
    def test_sudo_is_for_apt_alone(self):
        self.stand_in("id", "#!/bin/sh\n[ \"$1\" = -un ] && echo someone || echo 1000\n")
        self.stand_in("dpkg-query", "#!/bin/sh\nexit 1\n")
        self.stand_in("sudo", RECORD)
        self.stand_in("apt-get", RECORD)
        self.stand_in("npm", NPM)
        status, output, errors, calls = self.setup("run", "--no-servers", tree=self.tree())
        self.assertEqual((status, errors), (0, ""), output)
        asked = [line for line in calls.splitlines() if line.startswith("sudo ")]
        self.assertEqual(len(asked), 1, calls)
        self.assertRegex(asked[0], r"^sudo env DEBIAN_FRONTEND=noninteractive .*apt-get .* install -y .*--no-install-recommends gcc ")

    def test_check_names_what_is_missing_and_changes_nothing(self):
        tree = self.tree()
        self.stand_in("apt-get", RECORD + "exit 100\n")
        self.stand_in("npm", RECORD)
        status, output, _, calls = self.setup("run", "--check", tree=tree,
                                              path=f"{self.bin}:/usr/sbin:/usr/bin:/sbin:/bin")
        if shutil.which("prometheus", path="/usr/sbin:/usr/bin:/sbin:/bin"):
            self.skipTest("this machine has a Prometheus of its own")
        self.assertEqual((status, calls), (1, ""))
        self.assertIn("prometheus-alertmanager", output)
        self.assertIn("uplot@", output)
        self.assertEqual(os.listdir(tree), ["script"])

    def test_elsewhere_it_names_what_is_missing(self):
        self.link("bash", "awk", "dirname")
        status, _, errors, _ = self.setup("run", tree=self.tree(), path=self.bin)
        self.assertEqual(status, 1)
        self.assertIn("This is not Debian or one of its kin, so please install what is missing:", errors)
        for name in ("meson", "ninja", "a C compiler (cc)", "prometheus, promtool"):
            self.assertIn(f"  {name}", errors)

    def test_elsewhere_with_all_tools_it_goes_on(self):
        self.link("bash", "awk", "dirname")
        for name in ("meson", "ninja", "pkg-config", "python3", "curl", "cc", "prometheus", "promtool",
                     "prometheus-alertmanager", "amtool"):
            self.stand_in(name, "#!/bin/bash\n")
        self.stand_in("npm", NPM)
        self.link("mkdir", "uname")
        tree = self.tree()
        status, output, errors, calls = self.setup("test", tree=tree, path=self.bin)
        self.assertEqual((status, errors), (0, ""), output)
        self.assertRegex(calls, r"npm install --prefix \.deps/npm .*--ignore-scripts .* uplot@[\d.]+ .*playwright-core@")
        self.assertIn(" node-linux-", calls)  # here is no Node

        os.unlink(self.calls)  # the second time nothing is missing
        status, output, errors, calls = self.setup("test", tree=tree, path=self.bin)
        self.assertEqual((status, errors, calls), (0, "", ""), output)

    def test_a_run_goes_on_without_npm_s_packages_and_a_test_does_not(self):
        self.link("bash", "awk", "dirname", "mkdir", "uname", "cat")
        for name in ("meson", "ninja", "pkg-config", "python3", "curl", "cc", "prometheus", "promtool",
                     "prometheus-alertmanager", "amtool"):
            self.stand_in(name, "#!/bin/bash\n")
        self.stand_in("npm", "#!/bin/bash\necho 'no such registry'\nexit 1\n")
        tree = self.tree()
        status, _, errors, _ = self.setup("run", tree=tree, path=self.bin)
        self.assertEqual(status, 0, errors)
        self.assertIn("no such registry\nscript/setup: npm could not install uplot@", errors)
        status, _, errors, _ = self.setup("test", tree=tree, path=self.bin)
        self.assertEqual(status, 1)
        self.assertIn("script/setup: npm could not install uplot@", errors)

    @unittest.skipUnless(os.uname().machine == "x86_64", "the engine is there for x86-64 alone")
    def test_a_package_that_is_not_the_one_we_pinned_is_not_kept(self):
        self.link("bash", "awk", "dirname", "mkdir", "uname", "cat", "rm")
        for name in ("meson", "ninja", "pkg-config", "python3", "curl", "cc", "prometheus", "promtool",
                     "prometheus-alertmanager", "amtool"):
            self.stand_in(name, "#!/bin/bash\n")
        self.stand_in("npm", "#!/bin/sh\nBROUGHT=sha512-another\n" + NPM.removeprefix("#!/bin/sh\n"))
        tree = self.tree()
        status, _, errors, _ = self.setup("run", tree=tree, path=self.bin)
        self.assertEqual(status, 0, errors)
        self.assertIn("script/setup: npm brought another @chdb/lib-linux-x64-gnu@", errors)
        self.assertIn("script/setup: npm could not install @chdb (its messages are above); there is no event store here.", errors)
        modules = os.path.join(tree, ".deps/npm/node_modules")
        self.assertTrue(os.path.exists(os.path.join(modules, "uplot")))
        self.assertFalse(os.path.exists(os.path.join(modules, "@chdb/lib-linux-x64-gnu")))

    @unittest.skipUnless(shutil.which("dpkg-query"), "not Debian")
    def test_an_old_server_comes_with_its_libraries_and_is_not_installed(self):
        tree = self.tree()
        self.stand_in("clickhouse-server", "#!/bin/sh\n")  # installed by someone else: nothing to do
        status, output, _, _ = self.bundle(tree)
        self.assertEqual((status, output), (0, ""))
        os.unlink(os.path.join(self.bin, "clickhouse-server"))
        self.stand_in("apt-get", RECORD + """
case $* in
*" -s "*) printf 'Inst clickhouse-server (18)\\nInst libold1 (1)\\nConf libold1 (1)\\n' ;;
*" download "*) touch clickhouse-server.deb libold1.deb ;;
*) exit 100 ;;
esac
""")
        self.stand_in("apt-cache", "#!/bin/sh\necho 'Size: 2500000'\n")
        self.stand_in("dpkg-deb", '#!/bin/sh\nmkdir -p "$3/usr/sbin"\ntouch "$3/usr/sbin/clickhouse-server"\nchmod +x "$3/usr/sbin/clickhouse-server"\n')
        status, output, errors, calls = self.bundle(tree)
        self.assertEqual((status, errors), (0, ""), output)
        self.assertIn("(not installed, no service): clickhouse-server\n  download: 2.5 MB\n", output)
        self.assertRegex(calls, r" download clickhouse-server libold1\n$")
        self.assertEqual(os.listdir(os.path.join(tree, ".deps")), ["bundle"])
        self.assertEqual(self.bundle(tree)[:2], (0, ""))  # it is there now

    def bundle(self, tree):
        """What script/setup does of the bundle alone, in a tree of its own."""
        path = f"{self.bin}:/usr/bin:/bin"
        done = subprocess.run(["bash", "-euc", """
            cd "$1"; DEPS=.deps; servers=1; mkdir -p .deps
            eval "$(sed -n '/^wanted() {/,/^}/p; /^mb() {/,/^}/p' script/setup)"
            tier=test; has_candidate() { true; }; update_lists() { false; }
            source script/lib/bundle.sh
            mapfile -t names < <(missing_bundle); [ "${#names[@]}" -eq 0 ] || unpack_bundle "${names[@]}"
            """, "-", tree],
                              capture_output=True, text=True, timeout=60, env={**os.environ, "CALLS": self.calls, "PATH": path})
        calls = ""
        if os.path.exists(self.calls):
            with open(self.calls, encoding="utf-8") as file:
                calls = file.read()
        return done.returncode, done.stdout, done.stderr, calls

    def test_nonsense_is_refused(self):
        status, _, errors, _ = self.setup("everything")
        self.assertEqual(status, 2)
        self.assertIn("Usage: script/setup", errors)
