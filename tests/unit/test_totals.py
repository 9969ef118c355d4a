"""Numbers that only grow."""

from runweaver.worker.accept import Batch, Rejected
from runweaver.worker.consume import Entry
from runweaver.worker.totals import CODES, FinalizeTotals, Histogram, MergeTotals
from tests.support.pages import ROOT, table_after


def test_a_histogram_counts_up_to_its_bounds() -> None:
    """A value at a bound counts there; those above all bounds count in the end."""
    histogram = Histogram((1.0, 2.0))
    for value in (0.5, 1.0, 1.5, 2.0, 7.0):
        histogram.observe(value)

    assert ([(1.0, 2), (2.0, 4), (float("inf"), 5)], 12.0) == histogram.read()


def test_what_was_merged_is_added_up() -> None:
    """Messages good and bad, their bytes, and why the bad are bad."""
    totals = MergeTotals()
    entry = Entry(0, "1-0", (b"good", b"bad", b"worse"))
    rejected = [Rejected(0, "1-0", 1, b"bad", "not-json", ""), Rejected(0, "1-0", 2, b"worse", "not-json", "")]
    totals.add(Batch([entry], rejected=rejected))
    totals.add(Batch([Entry(0, "2-0", (b"more",))]))

    assert (2, 4, 16) == (totals.entries, totals.messages, totals.message_bytes)
    assert {**dict.fromkeys(CODES, 0), "not-json": 2} == totals.set_aside


def test_each_reason_is_there_from_the_beginning() -> None:
    """Those that docs/protocol.md lists: workers have all of them but one, finalizers two."""
    documented = {row[0] for row in table_after("What is refused", ROOT / "docs" / "protocol.md")}

    assert documented == {*CODES, "expired"} == {*MergeTotals().set_aside, *FinalizeTotals().set_aside}


def test_a_minute_of_waiting_is_not_the_longest() -> None:
    """An alert wants to know whether summaries take longer than that."""
    bounds = [bound for bound, _ in FinalizeTotals().latency.read()[0]]

    assert 60.0 in bounds
    assert 2 < sum(60.0 < bound < float("inf") for bound in bounds)
