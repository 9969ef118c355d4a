"""deploy/monitoring: each alert fires when it should and not otherwise, and says what to do."""

import re
from typing import Any, Final

import pytest
import yaml

from tests.support.monitoring import FOLDER, alert_rules, needs_promtool, promtool, unknown_metrics
from tests.support.pages import ROOT, anchors, table_after

_RULES: Final = alert_rules()

each_rule = pytest.mark.parametrize("rule", _RULES, ids=lambda rule: rule["alert"])


@needs_promtool
def test_prometheus_takes_its_configuration() -> None:
    """It can be started with prometheus.yml, and with the rules that this names."""
    promtool("check", "config", "--lint-fatal", FOLDER / "prometheus.yml")


@needs_promtool
def test_alerts_do_what_their_tests_say() -> None:
    """Each fires for the series that it is made for, with these labels and words, and not for others."""
    promtool("test", "rules", FOLDER / "alerts_test.yml")


@each_rule
def test_an_alert_is_tested(rule: dict[str, Any]) -> None:
    """There is a series for which it fires, and another one for which it does not."""
    fires = [
        any(check["exp_alerts"] for check in test["alert_rule_test"])
        for test in yaml.safe_load((FOLDER / "alerts_test.yml").read_text(encoding="utf-8"))["tests"]
        if any(check["alertname"] == rule["alert"] for check in test["alert_rule_test"])
    ]

    assert {True, False} == set(fires)


@each_rule
def test_an_alert_says_what_to_do(rule: dict[str, Any]) -> None:
    """It says whether it can wait, what is the matter, what to do, and where there is more about it."""
    annotations = rule["annotations"]
    page, _, heading = annotations["runbook"].partition("#")

    assert {"summary", "description", "runbook"} == set(annotations)
    assert all(annotations.values())
    assert rule["labels"]["severity"] in {"page", "ticket"}
    assert heading in anchors(ROOT / page)


@each_rule
def test_an_alert_asks_for_what_there_is(rule: dict[str, Any]) -> None:
    """A rule about a metric that nobody serves would never fire."""
    assert set() == unknown_metrics(rule["expr"])


@each_rule
def test_an_alert_looks_for_troubles_that_there_are(rule: dict[str, Any]) -> None:
    """The codes that it names are those of `runweaver status`."""
    rows = table_after("Status", ROOT / "docs" / "operating.md")
    known = {code for row in rows for code in re.findall(r"[\w-]+", row[0])}

    assert known >= set(re.findall(r'code="([^"]+)"', rule["expr"]))


def test_alerts_have_names_of_their_own() -> None:
    """One can be told from the other, by whoever is woken and by these tests."""
    names = [rule["alert"] for rule in _RULES]

    assert sorted(set(names)) == sorted(names)


def test_unknown_metrics_are_noticed() -> None:
    """The check of names sees through functions, labels, groupings and ranges."""
    expression = 'sum by (le) (rate(runweaver_no_such_bucket{code="up"}[5m])) / on (job) runweaver_up > 1e6'

    assert {"runweaver_no_such_bucket"} == unknown_metrics(expression)


def test_jobs_have_the_names_that_alerts_look_for() -> None:
    """All that is scraped is one of ours, by the name of its job: restarts are seen of these only."""
    configuration = yaml.safe_load((FOLDER / "prometheus.yml").read_text(encoding="utf-8"))

    assert ["runweaver-exporter", "runweaver-worker", "runweaver-finalizer"] == [
        job["job_name"] for job in configuration["scrape_configs"]
    ]
