#!/usr/bin/env python3
"""packaging/monitoring against the broker: every metric, label and code that the board and the alerts name exists in core/server.

Usage: monitoring.py [HOST:PORT]     with the second listener of a running broker: what it shows must be what the code lists.

alerts.yml is read as the part of YAML that it needs (maps, lists of maps, plain or quoted scalars on one line); anything else is refused.
Standard library only; `promtool check rules` as well, where it is installed.
"""

import json
import re
import shutil
import subprocess
import sys
import urllib.request
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
ALERTS = ROOT / "packaging" / "monitoring" / "alerts.yml"
BOARD = ROOT / "packaging" / "monitoring" / "grafana-broker.json"
SERVER = ROOT / "core" / "server" / "src"
# What Prometheus itself adds.
ADDED = {"job", "instance", "le"}
OURS = {"up": ("gauge", ADDED)}
# Functions and keywords of PromQL that are used; a name that is none of these, nor a metric or label, is a slip.
WORDS = {"sum", "by", "rate", "increase", "histogram_quantile", "or", "and", "max", "min"}
DURATION = re.compile(r"\d+[smhd]\Z")


class Wrong(Exception):
    """The files say something that is not so."""


def sources():
    return {file: file.read_text() for file in sorted(SERVER.rglob("*.rs"))}


def metrics():
    """Each metric with its kind and labels, as the code describes and uses it."""
    found = {}
    text = "\n".join(sources().values())
    for kind, name in re.findall(r'describe_(counter|gauge|histogram)!\(\s*"(\w+)"', text):
        found[name] = (kind, set())
    if len(found) < 5:
        raise Wrong("core/server/src/telemetry.rs describes no metrics as it did")
    for file, source in sources().items():
        for use in re.finditer(r'metrics::(counter|gauge|histogram)!\(\s*"(\w+)"([^;]*?)\)\s*\.', source):
            kind, name, rest = use.groups()
            if name not in found or found[name][0] != kind:
                raise Wrong(f"{file.relative_to(ROOT)}: the {kind} `{name}` is not described")
            found[name][1].update(re.findall(r'"(\w+)" =>', rest))
            if "&labels" in rest:
                array = re.search(r"let labels = \[(.*?)\];", source, re.DOTALL)
                if not array:
                    raise Wrong(f"{file.relative_to(ROOT)}: the labels of `{name}` are not found")
                found[name][1].update(re.findall(r'\("(\w+)",', array[1]))
    return {name: (kind, labels | ADDED) for name, (kind, labels) in found.items()}


def check_expression(expression, known):
    """Refuses a metric that is not there, a label that it does not have, and a suffix that its kind does not make."""
    refused = re.sub(r'"[^"]*"', '""', expression)
    labels_of = set(ADDED)
    used = set()
    for name in re.findall(r"\b(?:imagxp_\w+|up)\b", refused):
        base = re.sub(r"_(bucket|sum|count)\Z", "", name)
        kind, labels = known.get(name) or known.get(base) or (None, None)
        if kind is None or (name == base) == (kind == "histogram"):
            raise Wrong(f"there is no metric `{name}`: {expression}")
        labels_of |= labels
        used.add(base)
    if not used:
        raise Wrong(f"no metric is named: {expression}")
    for name, selector in re.findall(r"\b(\w+)\{([^}]*)\}", expression):
        base = re.sub(r"_(bucket|sum|count)\Z", "", name)
        labels = (known.get(name) or known.get(base))[1]
        for label, value in re.findall(r'(\w+)\s*(?:=~|!~|!=|=)\s*"([^"]*)"', selector):
            if label not in labels:
                raise Wrong(f"`{name}` has no label `{label}`: {expression}")
            check_value(label, value)
    for group in re.findall(r"\bby \(([^)]*)\)", expression):
        for label in (one.strip() for one in group.split(",")):
            if label not in labels_of:
                raise Wrong(f"nothing here has the label `{label}`: {expression}")
    rest = re.sub(r"\{[^}]*\}|\[[^\]]*\]|\bby \([^)]*\)", " ", refused)
    for word in re.findall(r"[A-Za-z_]\w*", rest):
        if word not in WORDS and not word.startswith("imagxp_") and word != "up":
            raise Wrong(f"`{word}` is not expected: {expression}")
    if any(expression.count(a) != expression.count(b) for a, b in ("()", "[]", "{}")):
        raise Wrong(f"a bracket is not closed: {expression}")
    return used


def check_value(label, value):
    """Codes, routes and reasons that are spelt out must be ones of the code."""
    if value.startswith("$") or label in ("job", "instance", "status", "method", "outcome"):
        return
    text = "\n".join(sources().values()) + (ROOT / "core/broker/src/refusal.rs").read_text()
    for one in value.split("|"):
        # What begins like this.
        known = f'"{one[:-2]}' if one.endswith(".*") else f'"{one}"'
        if known not in text and one != "ok":
            raise Wrong(f"no {label} is called `{one}`")


def scalar(text, where):
    if text.startswith('"'):
        try:
            return json.loads(text)
        except ValueError as error:
            raise Wrong(f"{where}: {error}") from error
    if text[:1] in "'&*!|>%@`[{#-?" or re.search(r": | #", text) or text.endswith(":"):
        raise Wrong(f"{where}: more of YAML than is read here: {text}")
    return text


def read_yaml(text):
    """Maps and lists of maps, by indentation."""
    lines = []
    for number, line in enumerate(text.splitlines(), 1):
        if "\t" in line:
            raise Wrong(f"line {number}: a tab")
        if line.strip() and not line.lstrip().startswith("#"):
            # `- a: 1` is a list item whose map is indented by two more.
            item = re.match(r"( *)- (\S.*)", line)
            if item:
                lines += [(len(item[1]), "-", number), (len(item[1]) + 2, item[2], number)]
            else:
                lines.append((len(line) - len(line.lstrip()), line.strip(), number))

    def block(at, indent):
        if lines[at][1] == "-":
            found = []
            while at < len(lines) and lines[at][0] == indent and lines[at][1] == "-":
                value, at = block(at + 1, indent + 2)
                found.append(value)
            return found, at
        found = {}
        while at < len(lines) and lines[at][0] == indent and lines[at][1] != "-":
            _, content, number = lines[at]
            member = re.match(r"(\w+):(?: (.+))?\Z", content)
            if not member or member[1] in found:
                raise Wrong(f"line {number}: {content}")
            at += 1
            if member[2]:
                found[member[1]] = scalar(member[2], f"line {number}")
            elif at < len(lines) and lines[at][0] > indent:
                found[member[1]], at = block(at, lines[at][0])
            else:
                raise Wrong(f"line {number}: nothing follows `{content}`")
        return found, at

    value, end = block(0, 0)
    if end != len(lines):
        raise Wrong(f"line {lines[end][2]}: the indentation fits nothing")
    return value


def anchors():
    guide = (ROOT / "docs" / "guide-broker-operator.md").read_text()
    titles = re.findall(r"^#+ (.+)$", guide, re.MULTILINE)
    return {re.sub(r"[^\w -]", "", title.lower()).replace(" ", "-") for title in titles}


def check_alerts(text, known):
    names, used = set(), set()
    for group in read_yaml(text)["groups"]:
        for rule in group["rules"]:
            if set(rule) - {"alert", "expr", "for", "labels", "annotations"} or rule["alert"] in names:
                raise Wrong(f"alert {rule.get('alert')}: a member that is not known, or a name twice")
            names.add(rule["alert"])
            used |= check_expression(rule["expr"], known)
            if not DURATION.match(rule.get("for", "1m")) or rule["labels"]["severity"] not in ("page", "ticket"):
                raise Wrong(f"alert {rule['alert']}: `for` or the severity")
            if not rule["annotations"]["summary"]:
                raise Wrong(f"alert {rule['alert']} has no summary")
            runbook = rule["annotations"].get("runbook")
            if runbook and runbook.partition("#")[2] not in anchors():
                raise Wrong(f"alert {rule['alert']}: there is no {runbook}")
    return names, used


def check_board(text, known):
    board = json.loads(text)
    ids, used = set(), set()
    for panel in board["panels"]:
        if panel["id"] in ids or not panel["title"]:
            raise Wrong(f"panel {panel['id']}: its id is another's, or it has no title")
        ids.add(panel["id"])
        for target in panel.get("targets", []):
            used |= check_expression(target["expr"].replace("$__rate_interval", "5m"), known)
            if target["datasource"]["uid"] != "${datasource}":
                raise Wrong(f"panel {panel['title']} has a data source of its own")
    return ids, used


def self_test(known):
    """A check that cannot fail proves nothing."""
    alerts, board = ALERTS.read_text(), BOARD.read_text()
    broken = [
        (check_alerts, alerts.replace("imagxp_ledger_writable", "imagxp_ledger_writeable")),
        (check_alerts, alerts.replace('code=~"store.busy|', 'kind=~"store.busy|')),
        (check_alerts, alerts.replace('code=~"store.busy|', 'code=~"store.bussy|')),
        (check_alerts, alerts.replace('route!~"/v1/verify.*"', 'route!~"/v1/verfy.*"')),
        (check_alerts, alerts.replace("_seconds_bucket", "_seconds", 1)),
        (check_alerts, alerts.replace("    rules:", "   rules:")),
        (check_alerts, alerts.replace("#the-disk-is-full", "#no-such-page")),
        (check_board, board.replace("imagxp_http_connections", "imagxp_connections")),
        (check_board, board[:-20]),
    ]
    for check, text in broken:
        try:
            check(text, known)
        except (Wrong, ValueError):
            continue
        raise Wrong("monitoring.py takes a broken file for a good one")


def check_running(address, known):
    """What a service shows is what the code lists."""
    with urllib.request.urlopen(f"http://{address}/metrics", timeout=10) as answer:
        shown = dict(re.findall(r"^# TYPE (\w+) (\w+)$", answer.read().decode(), re.MULTILINE))
    for name, kind in shown.items():
        if known.get(name, (None,))[0] != kind:
            raise Wrong(f"the service shows the {kind} `{name}`, which the code does not list")
    if not shown:
        raise Wrong(f"{address} shows no metric")


def main():
    try:
        known = metrics()
        if len(sys.argv) > 1:
            check_running(sys.argv[1], known)
        known |= OURS
        names, alerted = check_alerts(ALERTS.read_text(), known)
        panels, shown = check_board(BOARD.read_text(), known)
        if missing := set(known) - set(OURS) - shown:
            raise Wrong(f"the board does not show {', '.join(sorted(missing))}")
        self_test(known)
        if shutil.which("promtool"):
            subprocess.run(["promtool", "check", "rules", str(ALERTS)], check=True, stdout=subprocess.DEVNULL)
    except (Wrong, OSError, ValueError, KeyError, TypeError, subprocess.CalledProcessError) as error:
        sys.exit(f"monitoring.py: {error!r}")
    if len(sys.argv) > 1:
        print(f"{len(names)} alerts and {len(panels)} panels over {len(alerted | shown)} metrics")


if __name__ == "__main__":
    main()
