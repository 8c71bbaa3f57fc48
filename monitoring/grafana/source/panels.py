"""The parts of a Grafana dashboard (classic JSON, schemaVersion 42): queries, panels, rows and their places.

A dashboard is a list of lines from top to bottom: a title is a row's heading, a list is panels side by side, 24 columns wide.
Types and options are those of @grafana/schema, against which the tests compile what comes out.
"""

SCHEMA_VERSION = 42
COLUMNS = 24
DATASOURCE = {"type": "prometheus", "uid": "${datasource}"}
RATE = "[$__rate_interval]"

# Every series of the service carries an instance; the template's kind stands on the generation histogram alone.
HERE = 'instance=~"$instance"'
TEMPLATE = HERE + ', template_type=~"$template_type"'

GREEN, YELLOW, ORANGE, RED, BLUE, PURPLE, GREY = "green", "yellow", "orange", "red", "blue", "purple", "#808080"
STATUS_COLORS = {"success": GREEN, "rejected": ORANGE, "error": RED}


def query(expr, legend="", **more):
    """A query over the time range, with the exemplars that link a point to its trace."""
    return {"expr": expr, "legendFormat": legend, "range": True, "instant": False, "exemplar": True, "editorMode": "code", **more}


def query_now(expr, legend=""):
    """A query of the present alone, for tables."""
    return query(expr, legend, range=False, instant=True, exemplar=False, format="table")


def buckets(expr):
    return query(expr, "{{le}}", format="heatmap")


def steps(*rising):
    """Thresholds: the first colour from minus infinity, then (value, colour)."""
    base, *above = rising
    return {"mode": "absolute", "steps": [{"color": base, "value": None}]
            + [{"color": color, "value": value} for value, color in above]}


def panel(kind, title, description, targets, defaults, options, **more):
    """w and h are its size on the grid; place() turns them into a gridPos."""
    overrides = more.pop("overrides", [])
    size = {"w": more.pop("w"), "h": more.pop("h")}
    return {"type": kind, "title": title, "description": description, "datasource": DATASOURCE, "gridPos": size,
            "targets": [{"refId": chr(ord("A") + i), "datasource": DATASOURCE, **target} for i, target in enumerate(targets)],
            "fieldConfig": {"defaults": defaults, "overrides": overrides}, "options": options, **more}


def timeseries(title, description, *targets, unit="short", w=12, h=8, thresholds=None, stack=False, colors=None, legend="list",
               minimum=0, maximum=None, decimals=None, dashed=(), fill=None):
    """
    Lines over time. thresholds are drawn as lines; colors and dashed name series by their legend. Areas are filled where they
    are stacked or alone: several that overlap make mud.
    """
    if fill is None:
        fill = 30 if stack else 10 if len(targets) == 1 and "{{" not in targets[0]["legendFormat"] else 0
    custom = {"drawStyle": "line", "lineInterpolation": "linear", "lineWidth": 1, "fillOpacity": fill,
              "showPoints": "auto", "spanNulls": False, "axisPlacement": "auto", "axisLabel": "",
              "stacking": {"mode": "normal" if stack else "none", "group": "A"},
              "thresholdsStyle": {"mode": "dashed" if thresholds else "off"}}
    defaults = {"unit": unit, "color": {"mode": "palette-classic"}, "custom": custom, "thresholds": thresholds or steps(GREEN)}
    for name, value in (("min", minimum), ("max", maximum), ("decimals", decimals)):
        if value is not None:
            defaults[name] = value
    overrides = [override(name, {"id": "color", "value": {"mode": "fixed", "fixedColor": color}})
                 for name, color in (colors or {}).items()]
    overrides += [override(name, {"id": "custom.lineStyle", "value": {"fill": "dash", "dash": [10, 10]}},
                           {"id": "custom.fillOpacity", "value": 0}) for name in dashed]
    options = {"legend": {"displayMode": legend, "placement": "bottom", "showLegend": True,
                          "calcs": ["lastNotNull", "mean", "max"] if legend == "table" else []},
               "tooltip": {"mode": "multi", "sort": "desc", "hideZeros": False}}
    return panel("timeseries", title, description, targets, defaults, options, overrides=overrides, w=w, h=h)


def override(name, *properties):
    return {"matcher": {"id": "byName", "options": name}, "properties": list(properties)}


def heatmap(title, description, expr, unit="s", w=12, h=8, scheme="Spectral"):
    """A classic histogram over time: one row of cells a bucket, coloured by how many observations fell into it."""
    options = {"calculate": False, "cellGap": 1, "showValue": "never", "filterValues": {"le": 1e-9},
               "color": {"mode": "scheme", "scheme": scheme, "steps": 64, "exponent": 0.5, "fill": "dark-orange",
                         "reverse": scheme == "Spectral", "scale": "exponential"},
               "cellValues": {"unit": "short"}, "exemplars": {"color": "rgba(255,0,255,0.7)"},
               "legend": {"show": True}, "rowsFrame": {"layout": "auto"},
               "tooltip": {"mode": "single", "showColorScale": True, "yHistogram": True},
               "yAxis": {"unit": unit, "axisPlacement": "left", "reverse": False}}
    return panel("heatmap", title, description, [buckets(expr)], {"custom": {"scaleDistribution": {"type": "linear"}}}, options,
                 w=w, h=h)


def reduced():
    return {"calcs": ["lastNotNull"], "fields": "", "values": False}


def stat(title, description, expr, unit="short", thresholds=None, decimals=None, mappings=None, w=4, h=4, links=None):
    """The last value in large, with its course behind it."""
    defaults = {"unit": unit, "color": {"mode": "thresholds"}, "thresholds": thresholds or steps(BLUE), "mappings": mappings or []}
    if decimals is not None:
        defaults["decimals"] = decimals
    options = {"colorMode": "value", "graphMode": "area", "justifyMode": "auto", "orientation": "auto", "textMode": "value",
               "percentChangeColorMode": "standard", "showPercentChange": False, "wideLayout": True, "reduceOptions": reduced()}
    return panel("stat", title, description, [query(expr)], defaults, options, w=w, h=h, **({"links": links} if links else {}))


def gauge(title, description, expr, legend, unit, thresholds, maximum, w=8, h=8, minimum=0):
    defaults = {"unit": unit, "min": minimum, "max": maximum, "color": {"mode": "thresholds"}, "thresholds": thresholds, "mappings": []}
    options = {"shape": "gauge", "barShape": "flat", "barWidthFactor": 0.5, "segmentCount": 1, "segmentSpacing": 0.3, "effects": {},
               "minVizHeight": 75, "minVizWidth": 75, "orientation": "auto", "sizing": "auto", "showThresholdLabels": False,
               "showThresholdMarkers": True, "reduceOptions": reduced()}
    return panel("gauge", title, description, [query(expr, legend)], defaults, options, w=w, h=h)


def table(title, description, expr, columns, value, unit="short", w=12, h=8, thresholds=None):
    """One row a series: columns maps label → heading, value is the heading of the number."""
    hidden = {"Time": True, "__name__": True, "job": "job" not in columns, "instance": "instance" not in columns}
    defaults = {"custom": {"align": "auto", "cellOptions": {"type": "auto"}, "inspect": False},
                "thresholds": thresholds or steps(GREEN), "mappings": []}
    cell = [{"id": "unit", "value": unit}, {"id": "decimals", "value": 0}]
    if thresholds:
        cell.append({"id": "custom.cellOptions", "value": {"type": "color-text"}})
    options = {"cellHeight": "sm", "showHeader": True, "frameIndex": 0, "sortBy": [{"displayName": value, "desc": True}]}
    organize = {"id": "organize", "options": {
        "excludeByName": {name: True for name, yes in hidden.items() if yes},
        "indexByName": {name: i for i, name in enumerate([*columns, "Value"])},
        "renameByName": {**columns, "Value": value}}}
    return panel("table", title, description, [query_now(expr)], defaults, options, overrides=[override(value, *cell)],
                 transformations=[organize], w=w, h=h)


def place(lines):
    """Numbers the panels and gives each its place: left to right, line below line."""
    placed, y = [], 0
    for line in lines:
        if isinstance(line, str):
            placed.append({"type": "row", "title": line, "collapsed": False, "panels": [],
                           "gridPos": {"x": 0, "y": y, "w": COLUMNS, "h": 1}})
            y += 1
            continue
        x = 0
        for one in line:
            size = one["gridPos"]
            placed.append({**one, "gridPos": {"x": x, "y": y, **size}})
            x += size["w"]
        if x != COLUMNS:
            raise ValueError(f"a line is {x} columns wide: {[one['title'] for one in line]}")
        y += max(one["gridPos"]["h"] for one in line)
    return [{"id": number, **one} for number, one in enumerate(placed, 1)]


def label_variable(name, label, description, expr):
    return {"name": name, "label": label, "description": description, "type": "query", "datasource": DATASOURCE,
            "definition": expr, "query": {"qryType": 1, "query": expr, "refId": "PrometheusVariableQueryEditor-VariableQuery"},
            "regex": "", "sort": 1, "refresh": 2, "multi": True, "includeAll": True, "allValue": ".*", "options": [],
            "current": {"text": ["All"], "value": ["$__all"]}, "hide": 0, "skipUrlSync": False}


VARIABLES = [
    {"name": "datasource", "label": "Data source", "description": "The Prometheus that scrapes memegen", "type": "datasource",
     "query": "prometheus", "regex": "", "refresh": 1, "multi": False, "includeAll": False, "options": [],
     "current": {"text": "Prometheus", "value": "prometheus"}, "hide": 0, "skipUrlSync": False},
    label_variable("instance", "Instance", "Which memegen, as Prometheus addresses it", "label_values(meme_generation_total, instance)"),
    label_variable("template_type", "Template type", "The kind of a template's layout; applies to generation times alone",
                   f"label_values(meme_generation_seconds_count{{{HERE}}}, template_type)"),
]


ANNOTATIONS = [
    {"builtIn": 1, "name": "Annotations & Alerts", "type": "dashboard", "datasource": {"type": "grafana", "uid": "-- Grafana --"},
     "enable": True, "hide": True, "iconColor": "rgba(0, 211, 255, 1)"},
    # While an alert fires, every chart of the dashboard is marked.
    {"name": "Alerts", "datasource": DATASOURCE, "enable": True, "hide": False, "iconColor": "red",
     "expr": 'ALERTS{alertstate="firing", alertname!="Watchdog"}', "step": "60s", "titleFormat": "{{alertname}}",
     "textFormat": "{{severity}} {{service_name}}", "tagKeys": "alertname,severity"},
]


def link(title, uid, tooltip):
    return {"type": "link", "title": title, "url": f"/d/{uid}", "icon": "dashboard", "tooltip": tooltip, "tags": [],
            "asDropdown": False, "targetBlank": False, "includeVars": True, "keepTime": True}


def dashboard(uid, title, description, links, lines):
    return {
        "uid": uid, "title": title, "description": description, "tags": ["memegen", "spyglass"], "schemaVersion": SCHEMA_VERSION,
        "version": 1, "id": None, "editable": True, "fiscalYearStartMonth": 0, "graphTooltip": 1, "preload": False,
        "refresh": "15s", "time": {"from": "now-30m", "to": "now"}, "timepicker": {}, "timezone": "browser", "weekStart": "",
        "links": [link(*one) for one in links],
        "annotations": {"list": ANNOTATIONS},
        "templating": {"list": VARIABLES},
        "panels": place(lines),
    }
