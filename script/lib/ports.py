"""Addresses and ports: parse them, find a free one, name who holds one."""

import glob
import os
import random
import socket


def parse(address):
    """("127.0.0.1", 8080) of "127.0.0.1:8080", "[::1]:8080" or a port alone."""
    host, _, port = address.rpartition(":")
    host = host.strip("[]") or "127.0.0.1"
    if not port.isascii() or not port.isdigit() or int(port) > 65535:
        raise ValueError(f"'{address}' is not HOST:PORT")
    return host, int(port)


def join(host, port):
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def reachable(host):
    """The host under which this machine reaches itself, for one that means any address."""
    return {"0.0.0.0": "127.0.0.1", "::": "::1", "localhost": "127.0.0.1"}.get(host, host)


def _bind(host, port):
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as sock:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        sock.bind(("127.0.0.1" if host == "localhost" else host, port))
        return sock.getsockname()[1]


def is_free(host, port):
    """Raises OSError where the trouble is another one: no such address, a port below 1024."""
    try:
        _bind(host, port)
        return True
    except OSError as error:
        if error.errno == 98:  # EADDRINUSE
            return False
        raise


def _first_of_the_kernel():
    """The kernel gives ports from here on to whoever asks for any, and to connections."""
    try:
        with open("/proc/sys/net/ipv4/ip_local_port_range", encoding="ascii") as file:
            return int(file.read().split()[0])
    except OSError:
        return 32768


_given = set()


def any_free(host):
    """One that is free, and never the same twice. It is listened on a while later only: therefore none that the kernel may give
    to somebody else meanwhile, unless there is no other."""
    lowest, end = 10240, _first_of_the_kernel()
    for _ in range(100 if end > lowest else 0):
        port = random.randrange(lowest, end)
        if port not in _given and is_free(host, port):
            _given.add(port)
            return port
    return _bind(host, 0)


def listening():
    """{(port, inode)} of every listening TCP socket, as the kernel's tables have it (state 0A)."""
    found = set()
    for table in ("/proc/net/tcp", "/proc/net/tcp6"):
        try:
            with open(table, encoding="ascii") as file:
                rows = file.read().splitlines()[1:]
        except OSError:
            continue
        for row in rows:
            fields = row.split()
            if fields[3] == "0A":
                found.add((int(fields[1].rpartition(":")[2], 16), fields[9]))
    return found


def holder(port):
    """Who listens on the port, in words."""
    inodes = {f"socket:[{inode}]" for p, inode in listening() if p == port}
    for link in glob.iglob("/proc/[0-9]*/fd/*"):
        try:
            if os.readlink(link) not in inodes:
                continue
            pid = link.split("/")[2]
            with open(f"/proc/{pid}/comm", encoding="utf-8", errors="replace") as file:
                return f"{file.read().strip()} (process {pid})"
        except OSError:
            continue  # ended meanwhile, or another user's
    return "another process, which this user may not see"
