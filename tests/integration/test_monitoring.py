"""deploy/monitoring: what Prometheus, Alertmanager and Grafana are given is whole, and asks for nothing that isn't there."""
import json
import re
import subprocess

import pytest

from support.metrics import ENDINGS, ROOT, table, tool

FOLDER = ROOT / "deploy/monitoring"
RULES = (FOLDER / "rules.yml").read_text()
TESTS = (FOLDER / "rules_test.yml").read_text()
RECORDED = set(re.findall(r"- record: (\S+)", RULES))
ALERTS = re.findall(r"- alert: (\w+)", RULES)
# words of PromQL, and what Prometheus itself says of each target
WORDS = {"sum", "max", "min", "by", "rate", "increase", "histogram_quantile", "topk", "and", "unless", "on", "up"}


def metrics_of(expr):
    """The names in an expression: what is neither a label, nor in braces or quotes, nor a word of the language."""
    expr = re.sub(r'"(?:[^"\\]|\\.)*"', "", expr)
    expr = re.sub(r"\{[^}]*\}|\[[^]]*\]|\b(?:by|on|without) \([^)]*\)", " ", expr)
    return {w for w in re.findall(r"[a-z_][a-z_:0-9]*", expr) if w not in WORDS}


def is_known(name, rows):
    if name in rows:
        return rows[name]["type"] != "histogram"
    bare = next((name[:-len(e)] for e in ENDINGS if name.endswith(e)), None)
    return name in RECORDED or rows.get(bare, {}).get("type") == "histogram"


def queries():
    """Title of the panel, or name of the variable, and what it asks."""
    board = json.loads((FOLDER / "dashboard.json").read_text())
    for panel in board["panels"]:
        for target in panel["targets"]:
            yield panel["title"], target["expr"]
    for variable in board["templating"]["list"]:
        if variable["type"] == "query":
            yield variable["name"], re.fullmatch(r"label_values\((\w+), \w+\)", variable["query"]["query"]).group(1)


def run(name, *arguments):
    r = subprocess.run([tool(name), *map(str, arguments)], cwd=FOLDER, capture_output=True, text=True)
    assert r.returncode == 0, r.stdout + r.stderr
    return r.stdout


@pytest.mark.parametrize("arguments", [("check", "config", "--syntax-only", "prometheus.yml"), ("check", "rules", "rules.yml"),
                                       ("test", "rules", "rules_test.yml")], ids=lambda a: " ".join(a[:2]))
def test_promtool(arguments):
    assert "SUCCESS" in run("promtool", *arguments)


def test_amtool():
    assert "SUCCESS" in run("amtool", "check-config", "alertmanager.yml")


@pytest.mark.parametrize("labels, receiver", [(("severity=page",), "pages"), (("severity=ticket",), "tickets")])
def test_alerts_go_where_they_should(labels, receiver):
    assert run("amtool", "config", "routes", "test", "--config.file=alertmanager.yml", *labels).strip() == receiver


@pytest.mark.parametrize("alert", ALERTS)
def test_each_alert_is_shown_to_fire_and_not_to_fire(alert):
    quiet = re.findall(rf"\{{eval_time: \w+, alertname: {alert}\}}", TESTS)
    fires = re.findall(rf"alertname: {alert}\n +exp_alerts:", TESTS)
    assert len(quiet) == 2 and len(fires) == 1


def test_rules_ask_for_what_there_is():
    rows = table()
    exprs = re.findall(r"^ +expr: (.*)$", RULES, re.M)
    assert len(exprs) == len(RECORDED) + len(ALERTS)
    assert {m for e in exprs for m in metrics_of(e) if not is_known(m, rows)} == set()


def test_the_dashboard_asks_for_what_there_is():
    rows = table()
    asked = list(queries())
    assert len(asked) > 15
    assert [(title, m) for title, e in asked for m in metrics_of(e) if not is_known(m, rows)] == []


def test_promtool_understands_the_dashboard(tmp_path):
    """As rules: it has no other way to read an expression."""
    rules = [{"record": f"q:n{i}", "expr": e.replace("$__rate_interval", "5m")} for i, (_, e) in enumerate(queries())]
    (tmp_path / "q.yml").write_text(json.dumps({"groups": [{"name": "q", "rules": rules}]}))
    assert f"{len(rules)} rules found" in run("promtool", "check", "rules", tmp_path / "q.yml")


def test_panels_lie_beside_each_other():
    board = json.loads((FOLDER / "dashboard.json").read_text())
    places = [(p["gridPos"]["x"], p["gridPos"]["y"]) for p in board["panels"]]
    assert len(set(places)) == len(places) and len({p["id"] for p in board["panels"]}) == len(places)


def test_nothing_unknown_would_pass():
    """The test of these tests."""
    rows = table()
    assert metrics_of('sum by (le, job) (rate(a_total{x="b_total"}[5m])) / (job:b:c > 0)') == {"a_total", "job:b:c"}
    assert not is_known("http_requests", rows) and not is_known("http_request_duration_seconds", rows)
    assert is_known("http_request_duration_seconds_bucket", rows) and not is_known("http_requests_total_bucket", rows)
