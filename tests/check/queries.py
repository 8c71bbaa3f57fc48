"""What the dashboards and the rules ask Prometheus for: their expressions, and the metrics these name."""

import glob
import json
import os
import re

import tree

DASHBOARDS = os.path.join(tree.ROOT, "monitoring/grafana/dashboards")
RULES = os.path.join(tree.ROOT, "monitoring/prometheus/rules")

# What a panel's variables may stand for, where no page fills them in.
VARIABLES = {"$__rate_interval": "5m", "$instance": ".*", "$template_type": ".*"}

# Series that Prometheus makes by itself.
PROMETHEUS_OWN = ("up", "ALERTS", "ALERTS_FOR_STATE", "scrape_duration_seconds", "scrape_samples_scraped")

_NO_METRIC = re.compile(r'"(?:\\.|[^"\\])*"|\'(?:\\.|[^\'\\])*\'|\[[^]]*\]|\b(?:by|without|on|ignoring|group_left|group_right)\s*\([^)]*\)')
_KEYWORDS = {"and", "or", "unless", "bool", "offset", "by", "without", "on", "ignoring", "group_left", "group_right", "inf", "nan"}


class Use:
    """One expression, and who uses it: "panel 'Queue' of 'Performance Metrics'", "alert HighErrorRate"."""

    def __init__(self, who, expr, panel=None, target=None):
        self.who, self.expr, self.panel, self.target = who, expr, panel, target


def dashboards():
    """File name → dashboard."""
    found = {}
    for path in sorted(glob.glob(os.path.join(DASHBOARDS, "*.json"))):
        with open(path, encoding="utf-8") as file:
            found[os.path.basename(path)] = json.load(file)
    return found


def panel_uses():
    return [Use(f"panel '{panel['title']}' of '{dashboard['title']}'", target["expr"], panel, target)
            for dashboard in dashboards().values() for panel in dashboard["panels"] for target in panel.get("targets", ())]


def annotation_uses():
    return [Use(f"annotation '{annotation['name']}' of '{dashboard['title']}'", annotation["expr"])
            for dashboard in dashboards().values() for annotation in dashboard["annotations"]["list"] if "expr" in annotation]


def rule_files():
    return [path for path in sorted(glob.glob(os.path.join(RULES, "*.yml"))) if not path.endswith("_test.yml")]


def rule_uses(load):
    """load reads YAML; (uses, names of the recording rules)."""
    uses, recorded = [], set()
    for path in rule_files():
        with open(path, encoding="utf-8") as file:
            for group in load(file)["groups"]:
                for rule in group["rules"]:
                    who = f"alert {rule['alert']}" if "alert" in rule else f"recording rule {rule['record']}"
                    uses.append(Use(who, rule["expr"]))
                    recorded |= {rule["record"]} if "record" in rule else set()
    return uses, recorded


def filled_in(expr):
    for name, value in VARIABLES.items():
        expr = expr.replace(name, value)
    return expr


def without_matchers(expr):
    """Braces are looked for once strings are gone: a string may hold one."""
    return re.sub(r"\{[^}]*\}", " {} ", _NO_METRIC.sub(" ", expr))


def metrics(expr):
    """The names of the series that an expression selects."""
    plain = without_matchers(filled_in(expr))
    names = re.findall(r"(?<![\w:$.])([a-zA-Z_:][\w:]*)(?!\s*\(|[\w:])", plain)
    return {name for name in names if name.lower() not in _KEYWORDS}


def unknown(uses, known):
    """A line for each metric that is used and not known, with everyone who uses it."""
    users = {}
    for use in uses:
        for name in metrics(use.expr):
            if name not in known:
                users.setdefault(name, []).append(use.who)
    return [f"{name} is not exposed, and asked for by: {', '.join(dict.fromkeys(who))}" for name, who in sorted(users.items())]


def exposed(exposition):
    """The names of the series that a text exposition declares: of a histogram, those of its parts."""
    names = set()
    for family, kind in re.findall(r"^# TYPE (\S+) (\S+)$", exposition, re.MULTILINE):
        names |= {f"{family}_{part}" for part in ("bucket", "sum", "count")} if kind == "histogram" else {family}
    return names


def declared():
    """The same, as far as the source tells without being built: the families of telemetry.c and the library's own."""
    return declared_in(tree.read("memegen/telemetry.c"))


def declared_in(telemetry):
    """A family is a name and a help text. A histogram is told by its name, as its parts are spelt everywhere."""
    families = set(re.findall(r'\{\s*"([a-z_]+)",\s*"', telemetry))
    for path in tree.files(".c"):
        if path.startswith(("src/", "adaptors/")):
            families |= set(re.findall(r'(?:\.name = |SPY__(?:COUNTER|GAUGE), |\b(?:counter|gauge)\(&metrics[^,]*,\s*)"((?:spyglass|process|http|resource)_[a-z_]+)"', tree.read(path)))
    return families | {f"{name}_{part}" for name in families if not name.endswith("_total") for part in ("bucket", "sum", "count")}
