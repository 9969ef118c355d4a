"""docs/monitoring.md is held to what is served, and to the alerts that there are."""

from typing import Final

from tests.support.monitoring import METRICS, alert_rules
from tests.support.pages import ROOT, table_after

_PAGE: Final = ROOT / "docs" / "monitoring.md"


def test_the_page_lists_all_metrics() -> None:
    """Each has a row, once, and nothing else has."""
    documented = [row[0] for number in range(1, 5) for row in table_after("Metrics", _PAGE, number=number)]

    assert sorted(METRICS) == sorted(documented)


def test_the_page_gives_types_and_units_as_names_do() -> None:
    """By Prometheus' conventions, what counts up ends in `_total`, and what has a base unit ends in it."""
    rows = [row for number in range(1, 5) for row in table_after("Metrics", _PAGE, number=number)]

    assert [row[0] for row in rows if row[0].endswith("_total")] == [row[0] for row in rows if row[1] == "counter"]
    for unit in ("seconds", "bytes"):
        named = [row[0] for row in rows if row[0].removesuffix("_total").endswith(f"_{unit}")]
        assert named == [row[0] for row in rows if row[3] == unit]


def test_the_page_lists_all_alerts() -> None:
    """Each has a row, once, with its severity."""
    documented = [(row[0], row[1]) for row in table_after("Alerts", _PAGE)]

    assert sorted((rule["alert"], rule["labels"]["severity"]) for rule in alert_rules()) == sorted(documented)
