"""The dashboard for Grafana: every panel has its place, and asks Prometheus for what there is."""

import json
from collections import Counter
from pathlib import Path
from typing import Any, Final

import pytest
import yaml

from tests.support.monitoring import DASHBOARD, FOLDER, check_expressions, needs_promtool, panels, unknown_metrics
from tests.support.pages import ROOT, table_after

_BOARD: Final = json.loads(DASHBOARD.read_text(encoding="utf-8"))
_PANELS: Final = list(panels())
_ASKING: Final = [panel for panel in _PANELS if panel["type"] != "row"]
_EXPRESSIONS: Final = [
    (panel["title"], target["expr"].replace("$__rate_interval", "5m"))
    for panel in _ASKING
    for target in panel["targets"]
] + [(annotation["name"], annotation["expr"]) for annotation in _BOARD["annotations"]["list"]]

each_panel = pytest.mark.parametrize("panel", _ASKING, ids=lambda panel: f"{panel['id']}-{panel['title']}")


@needs_promtool
def test_prometheus_understands_every_expression(tmp_path: Path) -> None:
    """Those of panels and of annotations, with Grafana's interval filled in."""
    check_expressions([expression for _, expression in _EXPRESSIONS], tmp_path)


def test_panels_ask_for_what_there_is() -> None:
    """A panel about a metric that nobody serves would stay empty."""
    unknown = [(title, name) for title, expression in _EXPRESSIONS for name in unknown_metrics(expression)]

    assert [] == unknown


def test_panels_can_be_told_apart() -> None:
    """Grafana mixes up panels with the same id."""
    assert [] == [number for number, times in Counter(panel["id"] for panel in _PANELS).items() if times > 1]


def test_panels_do_not_overlap() -> None:
    """Each has a place of its own on the 24 columns of the board."""
    covered = Counter(place for panel in _PANELS for place in _places(panel["gridPos"]))

    assert [] == [place for place, times in covered.items() if times > 1 or place[0] >= 24]


@each_panel
def test_a_panel_asks_the_chosen_prometheus(panel: dict[str, Any]) -> None:
    """Whichever data source is chosen at the top of the board; none is written into it."""
    assert {"type": "prometheus", "uid": "${datasource}"} == panel["datasource"]
    assert ["datasource"] == [variable["name"] for variable in _BOARD["templating"]["list"]]


@each_panel
def test_a_panel_says_what_it_shows(panel: dict[str, Any]) -> None:
    """In a sentence, and its queries have letters of their own."""
    letters = [target["refId"] for target in panel["targets"]]

    assert panel["description"].endswith(".")
    assert sorted(set(letters)) == letters


def test_the_page_lists_the_rows() -> None:
    """docs/monitoring.md names each row of the board, in order."""
    documented = [row[0] for row in table_after("Dashboard", ROOT / "docs" / "monitoring.md")]

    assert [panel["title"] for panel in _PANELS if panel["type"] == "row"] == documented


def test_grafana_knows_how_often_is_scraped() -> None:
    """A rate over less than a few scrapes has gaps: Grafana reckons with the interval of prometheus.yml."""
    source = yaml.safe_load((FOLDER / "grafana/provisioning/datasources/prometheus.yml").read_text(encoding="utf-8"))
    prometheus = yaml.safe_load((FOLDER / "prometheus.yml").read_text(encoding="utf-8"))

    assert [prometheus["global"]["scrape_interval"]] == [
        told["jsonData"]["timeInterval"] for told in source["datasources"]
    ]


def _places(where: dict[str, int]) -> list[tuple[int, int]]:
    """The squares of the board that a panel covers."""
    columns = range(where["x"], where["x"] + where["w"])
    rows = range(where["y"], where["y"] + where["h"])
    return [(column, row) for column in columns for row in rows]
