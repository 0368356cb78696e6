#!/usr/bin/env python3
"""The table of metrics, what skr really writes, the dashboard and the alerts speak of the same things.

metric_names.py SKR: starts it without a processor or services, makes every kind of request fail, and reads /metrics as
Prometheus does. Expressions are parsed as far as they can be wrong: tokens, brackets, functions, names, labels, and that
rates are taken of counters only.
"""
import base64
import contextlib
import http.client
import json
import pathlib
import re
import socket
import subprocess
import sys
import time

ROOT = pathlib.Path(__file__).resolve().parents[2]
try:
    import yaml
    from prometheus_client.parser import text_string_to_metric_families
except ImportError as e:
    print(f"needs Debian's python3-yaml and python3-prometheus-client: {e}")
    sys.exit(77)

TARGET_LABELS = {"instance", "job"}
RATES = {"rate", "increase", "irate"}
FUNCTIONS = RATES | {"histogram_quantile", "sum", "max", "min", "avg", "count", "time", "changes"}
WORDS = {"by", "without", "and", "or", "unless", "on", "ignoring"}
TOKEN = re.compile(r"""\s*(?:(?P<string>"(?:[^"\\]|\\.)*")|(?P<range>\[[^\]]*\])|(?P<name>[a-zA-Z_:][\w:]*)
                       |(?P<number>\d+(?:\.\d+)?)|(?P<op>=~|!~|!=|==|>=|<=|[-+*/(){},<>=]))""", re.X)
problems = []


def check(ok, what):
    if not ok:
        problems.append(what)
    return ok


def read_table():
    """{name: (kind, labels)} of src/skr/skr_metrics.c."""
    text = (ROOT / "src/skr/skr_metrics.c").read_text()
    rows = re.findall(r'\{\s*"(\w+)",\s*METRIC_(\w+),\s*((?:"[^"]*"\s*)+),\s*\{([^}]*)\}', text)
    table = {n: (kind.lower(), re.findall(r'"(\w+)"', labels)) for n, kind, _, labels in rows}
    check(len(table) == len(re.findall(r"METRIC_\w+,\s*\"", text)) >= 20, f"only {len(table)} rows of the table could be read")
    for name, (kind, _) in table.items():
        check((kind == "counter") == name.endswith("_total"), f"{name}: counters, and nothing else, end in _total")
        check(kind == "counter" or not re.search(r"_(ms|minutes|kb)$", name), f"{name}: base units")
    return table


# --- what skr writes

def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def ask(port, method, path, body=None):
    c = http.client.HTTPConnection("127.0.0.1", port, timeout=20)
    with contextlib.closing(c):
        c.request(method, path, body)
        r = c.getresponse()
        return r.status, r.getheader("content-type"), r.read().decode()


def real_metrics(skr):
    port, nobody = free_port(), free_port()
    config = json.dumps({"certcache": {"endpoint_type": "LocalTHIM", "endpoint": f"127.0.0.1:{nobody}/metadata/THIM/amd/certification"},
                         "simulated_psp": f"http://127.0.0.1:{nobody}", "timeouts": {"connect": 1, "exchange": 1, "request": 1}})
    program = subprocess.Popen([skr, "-insecure-dev", "-port", str(port), "-loglevel", "panic", "-base64", base64.b64encode(config.encode()).decode()],
                               env={"PATH": "/usr/bin:/bin", "UVM_SECURITY_CONTEXT_DIR": "/nonexistent"}, stderr=subprocess.DEVNULL)
    try:
        for _ in range(400):
            with contextlib.suppress(OSError):
                if ask(port, "GET", "/status")[0] == 200:
                    break
            time.sleep(0.05)
        ask(port, "GET", "/nothing")
        ask(port, "POST", "/status")
        ask(port, "POST", "/attest/raw", '{"runtime_data":"eyJhIjoxfQ=="}')
        ask(port, "POST", "/key/release", "{")
        return ask(port, "GET", "/metrics")
    finally:
        program.terminate()
        program.wait(30)


SAMPLE = re.compile(r'([a-zA-Z_:][\w:]*)(?:\{((?:[a-zA-Z_]\w*="(?:[^"\\\n]|\\[\\"n])*",?)*)\})? (NaN|[+-]?(?:Inf|\d+(?:\.\d+)?(?:e[+-]?\d+)?))$')


def family_of(name, table):
    base = re.sub(r"_(bucket|sum|count)$", "", name)
    return base if table.get(base, ("",))[0] == "histogram" else name


def check_grammar(text, table):
    """The exposition format: HELP, TYPE, then the samples of one family, all at one place and none twice."""
    current, seen, closed = None, set(), set()
    check(text.endswith("\n"), "/metrics: the last line does not end")
    for line in text.splitlines():
        if line.startswith("# HELP "):
            closed.add(current)
            current = line.split()[2]
            check(current not in closed, f"/metrics: {current} comes twice")
        elif line.startswith("# TYPE "):
            _, _, name, kind = line.split()
            check(name == current and table.get(name, ("",))[0] == kind, f"/metrics: unexpected {line!r}")
        else:
            m = SAMPLE.match(line)
            if check(m, f"/metrics: no sample: {line!r}"):
                check(family_of(m[1], table) == current, f"/metrics: {m[1]} is outside its family")
                check(m[1] + str(m[2]) not in seen, f"/metrics: {line!r} comes twice")
                seen.add(m[1] + str(m[2]))


def check_histogram(family):
    series = {}
    for s in family.samples:
        key = tuple(sorted((k, v) for k, v in s.labels.items() if k != "le"))
        series.setdefault(key, {}).setdefault(s.name[len(family.name):], []).append((s.labels.get("le"), s.value))
    for key, parts in series.items():
        buckets = parts.get("_bucket", [])
        counts, bounds = [v for _, v in buckets], [float(le) for le, _ in buckets]
        check(bounds == sorted(bounds) and bounds[-1:] == [float("inf")], f"{family.name}{key}: bounds {bounds}")
        check(counts == sorted(counts) and counts[-1:] == [v for _, v in parts.get("_count", [])], f"{family.name}{key}: buckets do not add up")


def check_exposition(skr, table):
    status, content_type, text = real_metrics(skr)
    check(status == 200 and content_type == "text/plain; version=0.0.4; charset=utf-8", f"/metrics: {status} {content_type}")
    check_grammar(text, table)
    families = {}
    for f in text_string_to_metric_families(text):
        families[f.name + ("_total" if f.type == "counter" else "")] = f
    check(set(families) == set(table), f"written and in the table differ: {sorted(set(families) ^ set(table))}")
    for name, f in families.items():
        kind, labels = table.get(name, ("", []))
        check(f.type == kind and f.documentation, f"{name}: {f.type}, {f.documentation!r}")
        for s in f.samples:
            check(set(s.labels) - {"le"} == set(labels), f"{name}: labels {sorted(s.labels)}, the table says {labels}")
        if kind == "histogram":
            check_histogram(f)
    for name, labels in (("skr_requests_total", {"endpoint": "/attest/raw"}), ("skr_requests_total", {"endpoint": "other", "status": "404"}),
                         ("skr_requests_total", {"endpoint": "/status", "status": "405"}), ("skr_failures_total", {"stage": "request", "code": "invalid_request"})):
        check(any(labels.items() <= s.labels.items() and s.value >= 1 for s in families[name].samples), f"{name}{labels} was not counted")


# --- expressions

def tokens(expr):
    at, out = 0, []
    while expr[at:].strip():
        m = TOKEN.match(expr, at)
        if not m:
            raise ValueError(f"cannot be read at {expr[at:at + 20]!r}")
        out.append((m.lastgroup, m[m.lastgroup]))
        at = m.end()
    return out


def check_brackets(toks):
    pairs, stack = {")": "(", "}": "{"}, []
    for kind, t in toks:
        if kind == "op" and t in "({":
            stack.append(t)
        elif kind == "op" and t in pairs and (not stack or stack.pop() != pairs[t]):
            raise ValueError(f"unexpected {t}")
    if stack:
        raise ValueError(f"{stack[-1]} is not closed")


def selector(toks, i):
    """The matchers behind a metric: [(label, operator, value)], and where they end."""
    out = []
    if i < len(toks) and toks[i] == ("op", "{"):
        i += 1
        while toks[i] != ("op", "}"):
            (k1, label), (_, op), (k3, value) = toks[i:i + 3]
            if (k1, k3) != ("name", "string") or op not in ("=", "!=", "=~", "!~"):
                raise ValueError(f"no matcher: {label}{op}{value}")
            out.append((label, op, json.loads(value)))
            i += 3
            if toks[i] == ("op", ","):
                i += 1
        i += 1
    return out, i


def check_values(matchers, spelled):
    """Values that are words of ours must be words that the program knows."""
    for label, op, value in matchers:
        if label in TARGET_LABELS or label in ("endpoint", "status", "resource"):
            continue
        for word in value.split("|") if op in ("=~", "!~") else [value]:
            known = any(re.fullmatch(word, s) for s in spelled)
            if not known:
                raise ValueError(f"{label}: the program never says {word!r}")


def check_metric(name, matchers, rated, has_range, table):
    family = family_of(name, table)
    kind, labels = table.get(family, (None, None))
    if kind is None or (kind == "histogram" and name == family):
        raise ValueError(f"there is no metric {name}")
    for label, _, _ in matchers:
        if label not in {*labels, *TARGET_LABELS, *(["le"] if name.endswith("_bucket") else [])}:
            raise ValueError(f"{name} has no label {label}")
    if rated in RATES and not (kind in ("counter", "histogram") and has_range):
        raise ValueError(f"{rated}() wants a range of a counter, not {name}")
    if rated not in RATES and rated != "changes" and (has_range or kind != "gauge"):
        raise ValueError(f"{name} needs a rate")
    return set(labels) | TARGET_LABELS | ({"le"} if name.endswith("_bucket") else set())


def check_expression(expr, table, spelled):
    """Raises ValueError. Returns the metrics that are used."""
    toks, used, labels = tokens(expr), set(), set()
    check_brackets(toks)
    grouped, i = set(), 0
    while i < len(toks):
        kind, t = toks[i]
        following = toks[i + 1] if i + 1 < len(toks) else (None, None)
        if kind == "name" and t in WORDS and following == ("op", "("):
            end = toks.index(("op", ")"), i)
            grouped |= {name for k, name in toks[i + 2:end] if k == "name"}
            i = end
        elif kind == "name" and t not in FUNCTIONS | WORDS:
            matchers, end = selector(toks, i + 1)
            check_values(matchers, spelled)
            has_range = end < len(toks) and toks[end][0] == "range"
            caller = toks[i - 2][1] if i > 1 and toks[i - 1] == ("op", "(") else None
            labels |= check_metric(t, matchers, caller, has_range, table)
            used.add(family_of(t, table))
            i = end - 1
        elif kind == "range" and not re.fullmatch(r"\[(\d+[smhd]|\$__rate_interval)\]", t):
            raise ValueError(f"no range: {t}")
        i += 1
    if not grouped <= labels:
        raise ValueError(f"grouped by {sorted(grouped - labels)}, which no metric of it has")
    if "histogram_quantile" in expr and "le" not in grouped:
        raise ValueError("histogram_quantile() of buckets that were not grouped by le")
    return used


def judge(where, expr, table, spelled):
    try:
        return check_expression(expr, table, spelled)
    except (ValueError, IndexError) as e:
        problems.append(f"{where}: {e}: {expr}")
        return set()


def check_dashboard(table, spelled):
    d = json.loads((ROOT / "deploy/grafana/skr-dashboard.json").read_text())
    used, ids = set(), [p["id"] for p in d["panels"]]
    check(len(ids) == len(set(ids)), "dashboard: two panels have one id")
    for p in d["panels"]:
        check(p["type"] == "row" or p["targets"], f"dashboard: {p['title']} shows nothing")
        for t in p.get("targets", []):
            used |= judge(f"dashboard, {p['title']}", t["expr"], table, spelled)
            for label in re.findall(r"{{(\w+)}}", t["legendFormat"]):
                check(re.search(rf"by \([^)]*\b{label}\b", t["expr"]), f"dashboard, {p['title']}: {label} is in the legend only")
    missing = set(table) - used
    check(not missing, f"dashboard: shows nothing of {sorted(missing)}")


def check_alerts(table, spelled):
    groups = yaml.safe_load((ROOT / "deploy/prometheus/skr-alerts.yml").read_text())["groups"]
    names = [r["alert"] for g in groups for r in g["rules"]]
    check(len(names) == len(set(names)) >= 10, "alerts: names are not unique")
    for rule in (r for g in groups for r in g["rules"]):
        judge(f"alert {rule['alert']}", rule["expr"], table, spelled)
        check(set(rule) <= {"alert", "expr", "for", "labels", "annotations"} and {"summary", "description"} == set(rule["annotations"]),
              f"alert {rule['alert']}: members {sorted(rule)}")
        check(rule["labels"]["severity"] in ("critical", "warning"), f"alert {rule['alert']}: severity")
        check(re.search(r"[<>=] *[\d.]+\s*$", rule["expr"]), f"alert {rule['alert']}: compares with nothing")
        for label in re.findall(r"\$labels\.(\w+)", json.dumps(rule["annotations"])):
            grouped = re.findall(r"by \(([^)]*)\)", rule["expr"])
            check(not grouped or all(label in re.findall(r"\w+", g) for g in grouped), f"alert {rule['alert']}: {label} is not in its result")


def check_judge(table, spelled):
    """This judge says no where it should."""
    for bad in ("skr_redy == 0", "rate(skr_ready[5m])", "skr_requests_total", "rate(skr_requests_total)", "sum by (nobody) (rate(skr_requests_total[5m]))",
                'rate(skr_requests_total{code="x"}[5m])', 'rate(skr_failures_total{code="no_such_code"}[5m])', "sum(skr_ready", "rate(skr_stage_seconds[5m])",
                "histogram_quantile(0.9, sum by (stage) (rate(skr_stage_seconds_bucket[5m])))", "rate(skr_requests_total[5 minutes])", "skr_ready ? 1"):
        try:
            check_expression(bad, table, spelled)
            problems.append(f"the judge lets pass: {bad}")
        except (ValueError, IndexError):
            pass


def main():
    table = read_table()
    spelled = {w for f in ROOT.glob("src/**/*.c") for w in re.findall(r'"([a-z0-9_]+)"', f.read_text())}
    check_judge(table, spelled)
    check_dashboard(table, spelled)
    check_alerts(table, spelled)
    check_exposition(sys.argv[1], table)
    print("\n".join(problems) or f"{len(table)} metrics: the program, its table, the dashboard and the alerts agree")
    return 1 if problems else 0


sys.exit(main())
