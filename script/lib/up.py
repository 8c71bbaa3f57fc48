"""script/up: starts memegen and what watches it, follows the log, and stops all of it again."""

import http.client
import json
import os
import shutil
import signal
import subprocess
import sys
import time

import grafana
import node
import ports
import processes
import stack

START_TIMEOUT_S = 60
STOP_TIMEOUT_S = 15  # memegen gives what it accepted up to 10 s

# name, what it serves, the variable that moves it, its default, the path that answers once it is ready
SERVICES = (
    ("memegen", "the service", "MEMEGEN_LISTEN", "127.0.0.1:8080", "/readyz"),
    ("memegen", "its metrics", "SPY_ADMIN", "127.0.0.1:8000", "/healthz"),
    ("prometheus", "Prometheus", "PROMETHEUS_PORT", "127.0.0.1:9090", "/-/ready"),
    ("alertmanager", "Alertmanager", "ALERTMANAGER_PORT", "127.0.0.1:9093", "/-/ready"),
    ("spyglass-events", "the event store", "CLICKHOUSE_PORT", "127.0.0.1:8123", "/ping"),
    ("notify-standin", "the stand-in of Slack and PagerDuty", "NOTIFY_STANDIN", "127.0.0.1:0", "/healthz"),
    ("grafana", "Grafana", "GRAFANA_PORT", "127.0.0.1:3000", "/api/health"),
    ("spotlight", "Spotlight", "SPOTLIGHT_PORT", "127.0.0.1:8969", "/health"),
    ("llm-standin", "the stand-in LLM", "LLM_STANDIN", "127.0.0.1:0", "/control"),
)
# The logs that are followed, and what is put before their lines. Under load, memegen's would bury the others.
FOLLOWED = {"memegen": b"", "notify-standin": b"notification: ", "traffic": b"traffic: "}
# --demo-incident: windows and waits of five minutes are ten seconds.
DEMO_QUICKER = 30
DEMO_INTERVAL = "1s"


class Trouble(Exception):
    """Something that the user can mend; its text says what."""


class Stop(Exception):
    """A signal asked us to end."""


def choose_addresses(auto, names):
    """{variable: "HOST:PORT"} of these services. A port 0 means any; a taken one is an error that names who has it."""
    chosen, taken = {}, []
    for name, what, variable, default, _ in SERVICES:
        if name not in names:
            continue
        try:
            host, port = ports.parse(os.environ.get(variable) or default)
        except ValueError as error:
            raise Trouble(f"{variable}: {error}") from None
        try:
            if port in (ports.parse(a)[1] for a in chosen.values()) or (port and not ports.is_free(host, port)):
                if auto:
                    port = 0
                else:
                    taken.append(f"Port {port}, wanted for {what}, is held by {ports.holder(port)}: "
                                 f"{variable}={ports.join(host, 10000 + port % 50000)} would move ours.")
                    continue
            chosen[variable] = ports.join(host, port or ports.any_free(host))
        except OSError as error:
            raise Trouble(f"{variable}: cannot listen on {ports.join(host, port)}: {error.strerror}") from None
    if taken:
        raise Trouble("\n".join(taken) + "\nOr let script/up --ports auto find free ports.")
    return chosen


def answers(address, path):
    host, port = ports.parse(address)
    connection = http.client.HTTPConnection(ports.reachable(host), port, timeout=2)
    try:
        connection.request("GET", path)
        return connection.getresponse().status == 200
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()


def copy_lines(log, prefix, torn):
    """What came meanwhile; the last line, where its end has not come yet, stays in torn. Whether anything came."""
    chunk = log.read(1 << 16)
    torn += chunk
    lines = torn.splitlines(keepends=True)
    torn[:] = lines.pop() if lines and not lines[-1].endswith(b"\n") else b""
    for line in lines:
        sys.stdout.buffer.write(prefix + line)
    sys.stdout.buffer.flush()
    return bool(chunk)


class Up:
    """One run: its directory, its children, and the record of both that script/down reads."""

    def __init__(self, folder, arguments):
        self.folder = folder
        self.monitoring = "--no-monitoring" not in arguments
        self.grafana = "--grafana" in arguments
        self.sentry = "--sentry" in arguments
        self.incident = "--demo-incident" in arguments
        self.traffic = self.incident or "--traffic" in arguments
        self.no_events = self.why_no_events()
        self.interval = os.environ.get("PROMETHEUS_INTERVAL") or (DEMO_INTERVAL if self.incident else None)
        self.record = os.path.join(folder, "up.json")
        self.children = {}  # name → Popen
        self.addresses = {}

    def why_no_events(self):
        """Why no event store is started, in words; "" where that goes without saying; None where one is."""
        if os.environ.get("CLICKHOUSE_URL"):
            return "The event store is the one of CLICKHOUSE_URL."
        if not self.monitoring:
            return ""
        missing = stack.event_engine_missing()
        return f"There is no event store here: {missing}." if missing else None

    def path(self, *parts):
        return os.path.join(self.folder, *parts)

    def log(self, name):
        return self.path("log", f"{name}.log")

    def refuse_second(self):
        try:
            with open(self.record, encoding="utf-8") as file:
                other = json.load(file)["up"]
        except (OSError, ValueError, KeyError):
            return
        if processes.is_alive(other["pid"], other["born"]):
            raise Trouble(f"script/up runs already in {self.folder} (process {other['pid']}); script/down stops it.")

    def save(self):
        known = {name: {"pid": child.pid, "born": processes.birth(child.pid)} for name, child in self.children.items()}
        me = {"pid": os.getpid(), "born": processes.birth(os.getpid())}
        with open(self.record + ".new", "w", encoding="utf-8") as file:
            json.dump({"up": me, "children": known, "addresses": self.addresses}, file, indent=2)
        os.replace(self.record + ".new", self.record)

    def start(self, name, command, folder, env=None):
        os.makedirs(self.path("log"), exist_ok=True)
        if os.path.exists(self.log(name)):
            os.replace(self.log(name), self.log(name) + ".1")  # one earlier run is kept
        self.children[name] = processes.start(command, folder, self.log(name), env)
        self.save()

    def start_memegen(self):
        env = dict(os.environ)
        env.setdefault("MEMEGEN_PROFILE", "loopback")
        env.setdefault("SPY_LOG_FORMAT", "console" if sys.stdout.isatty() else "json")
        if "PROMETHEUS_PORT" in self.addresses:
            host, port = ports.parse(self.addresses["PROMETHEUS_PORT"])
            env["SPY_PROMETHEUS_URL"] = f"http://{ports.join(ports.reachable(host), port)}"
        if self.no_events is None:
            host, port = ports.parse(self.addresses["CLICKHOUSE_PORT"])
            env["CLICKHOUSE_URL"] = f"http://{ports.join(ports.reachable(host), port)}"
        if self.sentry:
            env["SENTRY_DSN"] = f"http://spotlight@{self.addresses['SPOTLIGHT_PORT']}/1"
        if self.traffic:  # never a real LLM, whatever is set
            env.pop("OPENAI_API_KEY_FILE", None)
            env.update(OPENAI_BASE_URL=f"http://{self.addresses['LLM_STANDIN']}/v1", OPENAI_API_KEY="stand-in")
        if self.incident:
            env.setdefault("MEMEGEN_LLM_FALLBACK", "none")
        self.start("memegen", [os.path.join(stack.ROOT, "build/memegen/memegen"),
                               "--listen", self.addresses["MEMEGEN_LISTEN"], "--admin", self.addresses["SPY_ADMIN"],
                               "--state-dir", self.path("memegen")], stack.ROOT, env)

    def start_event_store(self):
        """With what it needs of the environment, and no secret in it: its users may ask for anything."""
        env = {k: v for k, v in os.environ.items() if k in ("PATH", "TZ", "TMPDIR", "SPY_LIBCHDB")}
        self.start("spyglass-events", [os.path.join(stack.ROOT, "build/tools/spyglass-events"), "--listen",
                                       self.addresses["CLICKHOUSE_PORT"], "--data", self.path("events")], stack.ROOT, env)

    def start_tool(self, name, variable):
        self.start(name, [os.path.join(stack.ROOT, "build/tools", name), "--listen", self.addresses[variable]], stack.ROOT)

    def start_monitoring(self):
        """What has no secret is delivered to the stand-in; returns the names of these receivers."""
        self.start_tool("notify-standin", "NOTIFY_STANDIN")
        standin = f"http://{self.addresses['NOTIFY_STANDIN']}"
        slack, key, watchdog = map(stack.secret, ("SLACK_WEBHOOK_URL", "PAGERDUTY_ROUTING_KEY", "WATCHDOG_WEBHOOK_URL"))
        listen = self.addresses["ALERTMANAGER_PORT"]
        config = stack.write_alertmanager(self.path("alertmanager"), slack or f"{standin}/slack", key or "stand-in",
                                          os.environ.get("PAGERDUTY_URL", "") if key else f"{standin}/pagerduty/v2/enqueue",
                                          watchdog or f"{standin}/webhook", DEMO_QUICKER if self.incident else 1)
        self.start("alertmanager", stack.alertmanager_command(config, self.path("alertmanager/data"), listen),
                   stack.program("prometheus-alertmanager")[1])
        config = stack.write_prometheus(self.path("prometheus"), self.addresses["SPY_ADMIN"], listen, self.interval,
                                        DEMO_QUICKER if self.incident else 1)
        self.start("prometheus", stack.prometheus_command(config, self.path("prometheus/data"),
                                                          self.addresses["PROMETHEUS_PORT"], self.interval),
                   stack.program("prometheus")[1])
        return [who for who, known in (("DevOps Team (SLACK_WEBHOOK_URL)", slack), ("Emergency (PAGERDUTY_ROUTING_KEY)", key),
                                       ("Watchdog (WATCHDOG_WEBHOOK_URL)", watchdog)) if not known]

    def start_grafana(self):
        """In a container; its image takes a while the first time."""
        standin = f"http://{self.addresses['NOTIFY_STANDIN']}"
        secrets = self.path("grafana/secrets")
        grafana.write_secrets(secrets, stack.secret("SLACK_WEBHOOK_URL") or f"{standin}/slack",
                              stack.secret("PAGERDUTY_ROUTING_KEY") or "stand-in")
        env = grafana.environment(self.addresses, secrets)
        if not grafana.fetch(env):
            raise Trouble("docker could not bring Grafana; its messages are above.")
        self.start("grafana", grafana.command(), stack.ROOT, env)

    def start_spotlight(self):
        """With nothing of the environment that could make it report to somebody."""
        env = {k: v for k, v in os.environ.items() if not k.startswith("SENTRY_")}
        self.start("spotlight", node.spotlight_command(self.addresses["SPOTLIGHT_PORT"]), self.folder, env)

    def start_traffic(self):
        command = ["/usr/bin/python3", "-B", os.path.join(stack.ROOT, "script/lib/traffic.py"),
                   "--service", self.addresses["MEMEGEN_LISTEN"], "--llm", self.addresses["LLM_STANDIN"]]
        self.start("traffic", command + ["--incident"] * self.incident, stack.ROOT)

    def check_children(self):
        for name, child in self.children.items():
            if child.poll() is not None:
                how = f"status {child.returncode}" if child.returncode >= 0 else f"signal {-child.returncode}"
                with open(self.log(name), encoding="utf-8", errors="replace") as file:
                    last = "".join(file.readlines()[-10:])
                raise Trouble(f"{name} ended by itself ({how}), so all is stopped. Its last lines, from {self.log(name)}:\n{last}")

    def wait_ready(self):
        deadline = time.monotonic() + START_TIMEOUT_S
        for name, what, variable, _, path in SERVICES:
            while variable in self.addresses and not answers(self.addresses[variable], path):
                self.check_children()
                if time.monotonic() > deadline:
                    raise Trouble(f"{what} does not answer on {self.addresses[variable]}{path} after {START_TIMEOUT_S} s; "
                                  f"see {self.log(name)}")
                time.sleep(0.05)

    def follow(self):
        """Copies whole lines of the logs to our output until a child ends or a signal comes."""
        logs = [(open(self.log(name), "rb"), prefix, bytearray()) for name, prefix in FOLLOWED.items()
                if name in self.children and not (self.traffic and name == "memegen")]
        while True:
            if not any([copy_lines(*log) for log in logs]):
                self.check_children()
                time.sleep(0.1)

    def stop(self):
        """Ends every child; returns whether each ended when asked to."""
        known = [(child.pid, processes.birth(child.pid)) for child in self.children.values() if child.poll() is None]
        for pid, born in known:
            processes.signal_known(pid, born, signal.SIGTERM)
        stubborn = processes.wait_gone(known, STOP_TIMEOUT_S)
        for pid, born in stubborn:
            processes.signal_known(pid, born, signal.SIGKILL)
        for child in self.children.values():
            child.wait()
        if os.path.exists(self.record):
            os.unlink(self.record)
        return not stubborn


def print_screen(up, silent_receivers):
    at = {variable: ports.join(ports.reachable(host), port) for variable, (host, port) in
          ((v, ports.parse(a)) for v, a in up.addresses.items())}
    lines = [f"Look at it: http://{at['SPY_ADMIN']}/", "", "memegen is up.", "",
             f"  the service    http://{at['MEMEGEN_LISTEN']}/api/v1/memes",
             f"  its metrics    http://{at['SPY_ADMIN']}/metrics"]
    if up.monitoring:
        lines += [f"  Prometheus     http://{at['PROMETHEUS_PORT']}/classic/graph?g0.expr=meme_generation_total",
                  f"  its alerts     http://{at['PROMETHEUS_PORT']}/classic/alerts",
                  f"  Alertmanager   http://{at['ALERTMANAGER_PORT']}/api/v2/alerts"]
    if up.no_events is None:
        lines += [f"  events         http://{at['CLICKHOUSE_PORT']}/?query=SHOW+TABLES (ClickHouse's interface)"]
    if up.sentry:
        lines += [f"  Spotlight      http://{at['SPOTLIGHT_PORT']}/ (errors and traces)"]
    if up.grafana:
        lines += [f"  Grafana        http://{at['GRAFANA_PORT']}/d/memegen-overview"]
    lines += ["", "Try:", "",
              f"  curl -XPOST {at['MEMEGEN_LISTEN']}/api/v1/memes -H 'content-type: application/json' "
              "-d '{\"topic\":\"rust vs c\",\"user_id\":\"u1\"}'"]
    if up.monitoring:
        lines += [f"  curl '{at['PROMETHEUS_PORT']}/api/v1/query?query=meme_generation_total'   # one scrape ({up.interval or '15s'}) later"]
    lines += [""]
    if up.no_events:
        lines += [up.no_events]
    if silent_receivers:
        lines += [f"Without a secret, these receivers deliver to a stand-in, whose log ({os.path.relpath(up.log('notify-standin'))}) shows",
                  f"each notification: {', '.join(silent_receivers)}."]
    if up.traffic:
        lines += [f"Captions come from a stand-in LLM (http://{at['LLM_STANDIN']}/control), whose moods are told in the traffic's lines."]
    if up.incident:
        lines += [f"A demonstration: rules and routes are the shipped ones with windows and waits {DEMO_QUICKER} times shorter (5m is 10s), and",
                  "memegen has nothing to fall back to (MEMEGEN_LLM_FALLBACK=none) unless you set it. Watch alerts fire, arrive and resolve."]
    followed = f"memegen's log is {os.path.relpath(up.log('memegen'))}; the traffic's log follows." if up.traffic else "memegen's log follows."
    lines += [f"State and logs are kept in {os.path.relpath(up.folder)}/ (--fresh forgets them). Ctrl-C stops everything. {followed}", ""]
    print("\n".join(lines), flush=True)


def build():
    """Says nothing of what went well: the screen is to be read."""
    print("Building.", flush=True)
    done = subprocess.run([os.path.join(stack.ROOT, "script/build")], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, check=False, text=True, errors="replace")
    if done.returncode != 0:
        print(done.stdout, file=sys.stderr)
        raise Trouble("the build failed; its messages are above.")


def run(up, arguments):
    """The arguments were checked by script/up, which has the usage."""
    if up.incident and not up.monitoring:
        raise Trouble("--demo-incident shows alerts: it does not go with --no-monitoring.")
    if up.grafana and not up.monitoring:
        raise Trouble("--grafana shows what Prometheus has: it does not go with --no-monitoring.")
    if up.grafana and (missing := grafana.missing()):
        raise Trouble(missing)
    if up.sentry and (os.environ.get("SENTRY_DSN") or os.environ.get("SENTRY_DSN_FILE")):
        raise Trouble("--sentry starts a receiver, and SENTRY_DSN names another one: unset it, or leave --sentry out.")
    if up.sentry and (missing := node.spotlight_missing()):
        raise Trouble(missing)
    up.refuse_second()
    names = ["memegen"] + ["prometheus", "alertmanager", "notify-standin"] * up.monitoring
    names += ["grafana"] * up.grafana + ["spotlight"] * up.sentry + ["llm-standin"] * up.traffic + ["spyglass-events"] * (up.no_events is None)
    up.addresses = choose_addresses("--ports=auto" in arguments, names)
    build()
    if "--fresh" in arguments and os.path.isdir(up.folder):
        shutil.rmtree(up.folder)
    os.makedirs(up.folder, exist_ok=True)
    up.save()
    if up.traffic:
        up.start_tool("llm-standin", "LLM_STANDIN")
    if up.no_events is None:
        up.start_event_store()
    if up.sentry:
        up.start_spotlight()
    up.start_memegen()
    silent_receivers = up.start_monitoring() if up.monitoring else []
    if up.grafana:
        up.start_grafana()
    up.wait_ready()
    print_screen(up, silent_receivers)
    if up.traffic:
        up.start_traffic()
    up.follow()


def on_signal(_number, _frame):
    # One is enough: a second one, while we stop, must not interrupt the stopping. SIGKILL is what remains.
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    raise Stop


def main():
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, on_signal)
    up = Up(os.path.abspath(os.environ.get("MEMEGEN_RUN_DIR") or os.path.join(stack.ROOT, ".run")), sys.argv[1:])
    status = 0
    try:
        run(up, sys.argv[1:])
    except Stop:
        pass
    except BrokenPipeError:
        # Whoever read our output is gone; nothing more can be said there.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    except (Trouble, OSError, ValueError) as error:
        print(f"script/up: {error}", file=sys.stderr)
        status = 1
    finally:
        if up.children and not up.stop():
            print("script/up: something had to be killed; it did not end when asked to.", file=sys.stderr)
            status = 1
    return status


if __name__ == "__main__":
    sys.exit(main())
