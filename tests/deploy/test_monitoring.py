# SPDX-License-Identifier: Apache-2.0
"""Rules and dashboard ask for metrics that there are, and promtool understands them."""

import json
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from snoop_capture.telemetry import Telemetry
from tests.capture.test_endpoint import Served
from tests.capture.test_metrics import events, parsed

ROOT = Path(__file__).parents[2]
PROMETHEUS = ROOT / "deploy/prometheus"
DASHBOARD = json.loads((ROOT / "deploy/grafana/dashboard.json").read_text())
RULES = [
    rule
    for group in yaml.safe_load((PROMETHEUS / "rules.yaml").read_text())["groups"]
    for rule in group["rules"]
]
PROMTOOL = shutil.which("promtool")
needs_promtool = pytest.mark.skipif(not PROMTOOL, reason="needs promtool (Debian: prometheus)")

Labels = dict[str, set[str]]
"""Labels by the names of samples."""

# Of the scrape (deploy/prometheus/scrape.yaml), not of the recorder.
TARGET = {"job", "instance", "namespace", "pod", "node"}
METRIC = re.compile(r"\b((?:snoop|process)_\w+|up)\b(?:\{([^}]*)\})?")


@pytest.fixture(scope="module")
def exported(tmp_path_factory: pytest.TempPathFactory) -> Labels:
    """What a recorder has told of once everything has happened to it."""
    served = Served(tmp_path_factory.mktemp("capture"))
    telemetry: Telemetry = served.telemetry
    telemetry.written(events([(1, "openat")]))
    telemetry.flushed(1, 0.1)
    telemetry.sealed(1, 0.1)
    telemetry.removed(1, 1)
    telemetry.failed("ENOSPC")
    page = served.get("/metrics")[1]
    telemetry.ended()
    found: Labels = {"up": set()}
    for line in page.splitlines():
        name = re.match(r"[a-z_]+", line)
        if name:
            found.setdefault(name[0], set()).update(re.findall(r'(\w+)="', line))
    assert len(found) > 30
    assert parsed(page)
    return found


def expressions() -> Iterator[str]:
    yield from (rule["expr"] for rule in RULES)
    for panel in DASHBOARD["panels"]:
        yield from (target["expr"] for target in panel["targets"])
    for variable in DASHBOARD["templating"]["list"]:
        if variable["type"] == "query":
            yield variable["query"]["query"]


@pytest.mark.parametrize("expression", list(expressions()))
def test_what_is_asked_for_is_there(exported: Labels, expression: str) -> None:
    asked = METRIC.findall(expression)
    assert asked
    known = TARGET.union(*exported.values())
    for name, selectors in asked:
        assert name in exported
        labels = set(re.findall(r"(\w+)\s*=", selectors))
        assert labels <= exported[name] | TARGET, (name, labels)
    for grouping in re.findall(r"\b(?:by|without) \(([^)]*)\)", expression):
        assert set(re.split(r",\s*", grouping)) <= known | {"le"}


def test_every_metric_is_shown_or_watched(exported: Labels) -> None:
    """Or it is one of the process's, which a dashboard of one's own shows."""
    asked = {name for expression in expressions() for name, _ in METRIC.findall(expression)}
    ours = {re.sub(r"_(bucket|count|sum)$", "", name) for name in exported if "snoop" in name}
    unasked = ours - {re.sub(r"_(bucket|count|sum)$", "", name) for name in asked}
    assert unasked == {"snoop_segment", "snoop_last_event_timestamp_seconds"}


def test_every_metric_is_documented(exported: Labels) -> None:
    text = (ROOT / "docs/OPERATIONS.md").read_text()
    documented = set(re.findall(r"\bsnoop_\w+", text))
    assert {re.sub(r"_(bucket|count|sum)$", "", n) for n in exported if "snoop" in n} == documented
    for name, labels in exported.items():
        if name.startswith("snoop") and labels - {"le"}:
            said = re.search(rf"{name}\{{(.*?)\}}", text)
            assert said, name
            assert set(said[1].split(",")) == labels


@pytest.mark.parametrize("rule", RULES, ids=[rule["alert"] for rule in RULES])
def test_alerts_say_what_to_do(rule: dict[str, Any]) -> None:
    assert rule["labels"]["severity"] in ("info", "warning", "critical")
    assert "$labels.pod" in rule["annotations"]["summary"]
    assert f"`{rule['alert']}`" in (ROOT / "docs/OPERATIONS.md").read_text()


def test_panels_do_not_overlap() -> None:
    taken: set[tuple[int, int]] = set()
    for panel in DASHBOARD["panels"]:
        place = panel["gridPos"]
        cells = {
            (x, y)
            for x in range(place["x"], place["x"] + place["w"])
            for y in range(place["y"], place["y"] + place["h"])
        }
        assert not cells & taken
        assert place["x"] + place["w"] <= 24
        taken |= cells
    identities = [panel["id"] for panel in DASHBOARD["panels"]]
    assert len(set(identities)) == len(identities)


@needs_promtool
@pytest.mark.parametrize(
    "command", [["check", "rules", "rules.yaml"], ["test", "rules", "rules_test.yaml"]]
)
def test_promtool_agrees(command: list[str]) -> None:
    done = subprocess.run(
        [str(PROMTOOL), *command], cwd=PROMETHEUS, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr


@needs_promtool
def test_promtool_understands_the_dashboard(tmp_path: Path) -> None:
    queries = [target["expr"] for panel in DASHBOARD["panels"] for target in panel["targets"]]
    plain = [expression.replace("$__rate_interval", "5m") for expression in queries]
    rules = [{"record": f"panel:{at}", "expr": text} for at, text in enumerate(plain)]
    file = tmp_path / "rules.yaml"
    file.write_text(yaml.safe_dump({"groups": [{"name": "panels", "rules": rules}]}))
    done = subprocess.run(
        [str(PROMTOOL), "check", "rules", str(file)], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_scrape_finds_the_recorders() -> None:
    (job,) = yaml.safe_load((PROMETHEUS / "scrape.yaml").read_text())["scrape_configs"]
    assert job["job_name"] == "snoop"
    assert job["relabel_configs"][0]["regex"] == "snoop;metrics"
    targets = {rule["target_label"] for rule in job["relabel_configs"] if "target_label" in rule}
    assert targets < TARGET
