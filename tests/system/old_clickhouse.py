"""An old ClickHouse server (Debian's 18.16) of a test's own: a free port, a data folder that goes with it unless one is given, ended by its pid."""

import glob
import os
import shutil
import socket
import subprocess
import tempfile
import time

from event_store import EventStore
from service import ROOT

BUNDLE = os.path.join(ROOT, ".deps/bundle")
START_TIMEOUT_S = 60

CONFIG = """<yandex>
  <logger><level>warning</level><log>{0}/log</log><errorlog>{0}/errors</errorlog></logger>
  <http_port>{1}</http_port><listen_host>127.0.0.1</listen_host>
  <path>{0}/data/</path><tmp_path>{0}/tmp/</tmp_path><mark_cache_size>67108864</mark_cache_size>
  <users_config>users.xml</users_config><default_profile>default</default_profile><default_database>default</default_database>
</yandex>
"""
USERS = """<yandex>
  <profiles><default/><looking><readonly>1</readonly></looking></profiles><quotas><default/></quotas>
  <users>
    <default><password></password><networks><ip>127.0.0.1</ip></networks><profile>default</profile><quota>default</quota></default>
    <looker><password>p@ss</password><networks><ip>127.0.0.1</ip></networks><profile>looking</profile><quota>default</quota></looker>
  </users>
</yandex>
"""


def program():
    path = os.path.join(BUNDLE, "usr/sbin/clickhouse-server")
    return path if os.access(path, os.X_OK) else shutil.which("clickhouse-server")


def missing():
    return None if program() else "clickhouse-server is not there: script/setup test brings it, where the distribution has it"


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


class OldClickHouse(EventStore):
    def __init__(self, folder=None):  # pylint: disable=super-init-not-called
        for tries_left in (2, 1, 0):
            self.temporary = None if folder else tempfile.mkdtemp(prefix="old-clickhouse-")
            self.folder = folder or self.temporary
            said = self._start(free_port())
            if said is None:
                return
            self.close()
            if not tries_left:  # somebody else may have taken the port meanwhile, once or twice
                raise AssertionError(f"clickhouse-server did not start: {said}")

    def _start(self, port):
        """None, or what it said where it did not start."""
        os.makedirs(self.folder, exist_ok=True)
        for name, text in (("config.xml", CONFIG.format(self.folder, port)), ("users.xml", USERS)):
            with open(os.path.join(self.folder, name), "w", encoding="utf-8") as file:
                file.write(text)
        found = (path for lib in ("lib", "usr/lib") for path in glob.glob(os.path.join(BUNDLE, lib, "*/lib*.so*")))
        libraries = ":".join(sorted(set(map(os.path.dirname, found))))
        self.errors = tempfile.TemporaryFile("w+")
        self.process = subprocess.Popen([program(), f"--config-file={self.folder}/config.xml"], cwd=self.folder,
                                        env={**os.environ, "LD_LIBRARY_PATH": libraries}, stdin=subprocess.DEVNULL,
                                        stdout=subprocess.PIPE, stderr=self.errors, text=True)
        self.url = f"http://127.0.0.1:{port}"
        deadline = time.monotonic() + START_TIMEOUT_S
        while not self._is_up():
            if self.process.poll() is not None or time.monotonic() > deadline:
                self.process.kill()
                return self._said()
            time.sleep(0.05)
        return None if self.process.poll() is None else self._said()

    def _said(self):
        self.errors.seek(0)
        return self.errors.read()

    def _is_up(self):
        try:
            return self.call(method="GET", path="/ping", timeout=5).status == 200
        except OSError:
            return False
