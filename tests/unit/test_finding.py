"""Finding runs: pages that follow one another while runs end and are summarised anew, against plain filtering."""

from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from typing import Any

import pytest
from fakeredis import FakeRedis, FakeServer
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule

from runweaver.query import Page, Summaries
from runweaver.shared import InvalidArgumentError, Keys, RunStatus, RunSummary
from runweaver.shared.attention import Attention, AttentionFlag
from runweaver.worker.index import Indexed, clear_expired, indexing
from tests.unit.making import moment

_KEYS = Keys("rw")
_SOON_MS = 1_000.0

_FLAGS = [AttentionFlag.LOOP, AttentionFlag.SLOW]
_TAGS = ["nightly", "canary", "ä" * 150]

# Few of each, so that filters go together now and then, and many runs end in the same instant.
_filters = st.fixed_dictionaries(
    {},
    optional={
        "goal": st.sampled_from(["g", "h"]),
        "status": st.sampled_from(["completed", "failed"]),
        "node": st.sampled_from(["first", "second"]),
        "tag": st.sampled_from(_TAGS),
        "attention": st.sampled_from(_FLAGS),
        "severity": st.sampled_from(["critical", "warning", "minor"]),
        "min_tokens": st.sampled_from([0, 5]),
        "min_duration_ms": st.sampled_from([0, 1_500]),
        "since": st.integers(0, 5).map(moment),
        "until": st.integers(0, 5).map(moment),
        "grep": st.sampled_from(["tax", "TAX", "ß", "none"]),
    },
)


def _attention(flag: AttentionFlag) -> Attention:
    return Attention(flag=flag, reason="So it was.", value=2, threshold=1)


@st.composite
def _fields(draw: st.DrawFn) -> dict[str, Any]:
    critical, warnings, minor = (draw(st.integers(0, 1)) for _ in range(3))
    finished_at = moment(draw(st.integers(0, 5)))
    duration_ms = draw(st.sampled_from([0, 1_500, 60_000]))
    return {
        "goal_id": draw(st.sampled_from(["g", "h"])),
        "status": draw(st.sampled_from([RunStatus.COMPLETED, RunStatus.FAILED])),
        "duration_ms": duration_ms,
        "decision_count": 1,
        "success_rate": 1.0,
        "problem_count": critical + warnings + minor,
        "narrative": draw(st.sampled_from(["It went well.", "The Tax was due."])),
        "critical_problems": ["Straße gesperrt"] * critical,
        "warnings": ["Odd"] * warnings,
        "key_decisions": draw(st.sampled_from([[], ["✓ [tax] Pay the tax"]])),
        "started_at": finished_at - timedelta(milliseconds=duration_ms),
        "finished_at": finished_at,
        "tokens": draw(st.integers(0, 10)),
        "nodes": draw(st.lists(st.sampled_from(["first", "second"]), unique=True)),
        "tags": draw(st.lists(st.sampled_from(_TAGS), max_size=3)),
        "attention": [_attention(flag) for flag in draw(st.lists(st.sampled_from(_FLAGS), max_size=2))],
    }


def _is_wanted(summary: RunSummary, filters: dict[str, Any]) -> bool:
    """What the filters say, said again in the simplest way."""
    has = {"critical": len(summary.critical_problems), "warning": len(summary.warnings)}
    has["minor"] = summary.problem_count - sum(has.values())
    text = "\n".join([summary.narrative, *summary.critical_problems, *summary.warnings, *summary.key_decisions])
    checks: dict[str, Callable[[Any], bool]] = {
        "goal": lambda goal: summary.goal_id == goal,
        "status": lambda status: summary.status == status,
        "node": lambda node: node in summary.nodes,
        "tag": lambda tag: tag in summary.tags,
        "attention": lambda flag: flag in [attention.flag for attention in summary.attention],
        "severity": lambda severity: has[severity] > 0,
        "min_tokens": lambda least: summary.tokens >= least,
        "min_duration_ms": lambda least: summary.duration_ms >= least,
        "since": lambda since: summary.finished_at >= since,
        "until": lambda until: summary.finished_at < until,
        "grep": lambda part: part.casefold() in text.casefold(),
    }
    return all(checks[name](value) for name, value in filters.items())


class _Site:
    """Summaries in a server's memory, as a finalizer leaves them."""

    def __init__(self) -> None:
        self.client = FakeRedis(server=FakeServer())
        self.summaries = Summaries("redis://localhost", namespace="rw")
        self.summaries._client = self.client
        self.known: dict[str, RunSummary] = {}

    def write(self, summary: RunSummary) -> None:
        replaced = self.known.get(summary.run_id)
        self.client.set(_KEYS.summary(summary.run_id), summary.model_dump_json())
        for command in indexing(_KEYS, [Indexed(summary, _SOON_MS, replaced)]):
            self.client.execute_command(*command)  # type: ignore[no-untyped-call]
        self.known[summary.run_id] = summary

    def matching(self, filters: dict[str, Any]) -> list[str]:
        """The ids of the runs that match, in the order of lists."""
        found = [summary for summary in self.known.values() if _is_wanted(summary, filters)]
        return [s.run_id for s in sorted(found, key=lambda s: (s.finished_at, s.run_id), reverse=True)]


class Paging(RuleBasedStateMachine):
    """Somebody goes through pages while the fleet goes on."""

    def __init__(self) -> None:
        super().__init__()
        self.site = _Site()
        self.filters: dict[str, Any] = {}
        #: What was there when the first page was asked for, and has stayed as it was.
        self.there: list[str] = []
        self.told: list[str] = []
        self.cursor: str | None = None

    @initialize(some=st.lists(_fields(), max_size=12), filters=_filters)
    def begin(self, some: list[dict[str, Any]], filters: dict[str, Any]) -> None:
        for fields in some:
            self.run_ends(fields)
        self.look_for(filters)

    @rule(fields=_fields())
    def run_ends(self, fields: dict[str, Any]) -> None:
        self.site.write(RunSummary(run_id=f"run-{len(self.site.known) * 7 % 50:02}", **fields))

    @rule(fields=_fields(), data=st.data())
    @precondition(lambda self: self.site.known)
    def run_is_summarised_anew(self, fields: dict[str, Any], data: st.DataObject) -> None:
        """It may match no more or for the first time; its end stays, or it would have two places."""
        run_id = data.draw(st.sampled_from(sorted(self.site.known)))
        ends = {"finished_at": self.site.known[run_id].finished_at}
        self.site.write(RunSummary(run_id=run_id, **{**fields, **ends}))
        if not _is_wanted(self.site.known[run_id], self.filters) and run_id in self.there:
            self.there.remove(run_id)

    @rule(filters=_filters)
    def look_for(self, filters: dict[str, Any]) -> None:
        self.filters = filters
        self.told, self.cursor = [], None
        self.there = self.site.matching(filters)

    @rule(limit=st.integers(1, 6))
    def read_a_page(self, limit: int) -> None:
        page: Page = self.site.summaries.list(**self.filters, limit=limit, cursor=self.cursor)
        assert len(page.items) <= limit
        assert all(_is_wanted(summary, self.filters) for summary in page.items)
        self.told += [summary.run_id for summary in page.items]
        self.cursor = page.next_cursor
        assert len(set(self.told)) == len(self.told)
        if self.cursor is None:
            assert set(self.there) <= set(self.told)
            assert self.told == [run_id for run_id in self._in_order() if run_id in self.told]
            self.look_for(self.filters)

    def _in_order(self) -> Sequence[str]:
        return self.site.matching({})

    @rule()
    def read_all(self) -> None:
        expected = self.site.matching(self.filters)

        assert expected == [summary.run_id for summary in self.site.summaries.each(**self.filters)]
        batches = list(self.site.summaries.batches(**self.filters, at_once=2))
        assert expected == [summary.run_id for batch in batches for summary in batch.items]
        looked_at = sum(batch.looked_at for batch in batches)
        assert len(expected) <= looked_at <= self.site.summaries.count_at_most(**self.filters)

    def teardown(self) -> None:
        """Nothing stays in any index after the last summary's term."""
        clear_expired(self.site.client, _KEYS, _SOON_MS, 1_000)
        assert [] == self.site.client.keys("*")


Paging.TestCase.settings = settings(
    max_examples=60, stateful_step_count=20, deadline=None, suppress_health_check=list(HealthCheck)
)
TestPaging = Paging.TestCase


def _summary(run_id: str, **fields: Any) -> RunSummary:
    usual = {"goal_id": "g", "status": "completed", "duration_ms": 0, "decision_count": 0, "success_rate": 0.0}
    times = {"started_at": moment(0), "finished_at": moment(0)}
    return RunSummary(run_id=run_id, **{**usual, **times, "problem_count": 0, "narrative": "", **fields})


@pytest.fixture
def site() -> _Site:
    """Nothing in it."""
    return _Site()


def _counted_reads(site: _Site, monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How many summaries are asked for at once, from now on."""
    asked: list[int] = []
    mget = site.client.mget

    def counted(keys: list[str]) -> Any:
        if keys[0].startswith(_KEYS.summary("")[:-2]):
            asked.append(len(keys))
        return mget(keys)

    monkeypatch.setattr(site.client, "mget", counted)
    return asked


def _found(site: _Site, **filters: Any) -> list[str]:
    return [summary.run_id for summary in site.summaries.list(**filters).items]


def test_runs_that_end_while_one_page_is_gathered_do_not_shift_it(site: _Site, monkeypatch: pytest.MonkeyPatch) -> None:
    """A page for which much has to be read takes a while: what ends meanwhile comes above."""
    for number in range(40):
        site.write(_summary(f"run-{number:02}", finished_at=moment(number), tokens=number % 10))
    mget = site.client.mget

    def while_others_end(keys: list[str]) -> Any:
        site.write(_summary(f"new-{len(site.known)}", finished_at=moment(60), tokens=9))
        return mget(keys)

    monkeypatch.setattr(site.client, "mget", while_others_end)

    assert ["run-39", "run-29", "run-19", "run-09"] == _found(site, min_tokens=9, limit=5)


def test_more_runs_than_are_read_at_once_may_end_in_one_instant(site: _Site) -> None:
    """Each is told once, however small the pages are."""
    for number in range(30):
        site.write(_summary(f"run-{number:02}"))
    told: list[str] = []
    cursor = None
    while len(told) < 30:
        page = site.summaries.list(limit=3, cursor=cursor)
        told += [summary.run_id for summary in page.items]
        cursor = page.next_cursor

    assert [f"run-{number:02}" for number in reversed(range(30))] == told
    assert cursor is None


def test_what_is_rare_is_found_by_its_own_index(site: _Site, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of all indexes that hold what is looked for, the shortest is read: here, one run is looked at and not 50."""
    for number in range(50):
        tags = ["rare"] if number == 7 else ["usual"]
        site.write(_summary(f"run-{number:02}", tags=tags, nodes=["node"], finished_at=moment(number)))
    asked = _counted_reads(site, monkeypatch)

    assert ["run-07"] == _found(site, goal="g", status="completed", node="node", tag="rare")
    assert [1] == asked
    assert 1 == site.summaries.count_at_most(goal="g", tag="rare")


def test_where_few_match_more_and_more_is_read_at_once(site: _Site, monkeypatch: pytest.MonkeyPatch) -> None:
    """And never more than some hundreds: a text that nobody has said is looked for in little memory."""
    for number in range(2_000):
        site.client.set(_KEYS.summary(f"run-{number}"), _summary(f"run-{number}").model_dump_json())
    site.client.zadd(_KEYS.index_all, {f"run-{number}": number for number in range(2_000)})
    asked = _counted_reads(site, monkeypatch)

    assert [] == _found(site, grep="never said", limit=49)
    assert [50, 99, 199, 399, 499, 499, 255] == asked


def test_of_many_tags_the_first_are_findable(site: _Site) -> None:
    """Twenty, each once; longer ones than an index takes, too. The others are in the summary, but not found."""
    long = "ä" * 101
    site.write(_summary("run", tags=[long, long, *(f"tag-{number}" for number in range(30))]))

    assert [["run"], ["run"], []] == [_found(site, tag=tag) for tag in (long, "tag-18", "tag-19")]
    names = {f"rw:index:tag:tag-{number}".encode() for number in range(19)}
    assert names == set(site.client.keys("rw:index:tag:*"))


def test_a_revision_that_loses_a_tag_or_a_flag_is_found_by_it_no_more(site: _Site) -> None:
    """And nothing is left of it in their indexes."""
    flagged = [_attention(AttentionFlag.LOOP), _attention(AttentionFlag.LOOP), _attention(AttentionFlag.SLOW)]
    site.write(_summary("run", tags=["old", "kept"], attention=flagged))
    assert ["run"] == _found(site, tag="old", attention="loop")

    site.write(_summary("run", tags=["kept"], attention=[_attention(AttentionFlag.SLOW)], revision=2))

    assert [[], [], ["run"]] == [_found(site, tag="old"), _found(site, attention="loop"), _found(site, tag="kept")]
    assert [b"rw:index:tag:kept"] == site.client.keys("rw:index:tag:*")
    assert [b"rw:index:attention:slow"] == site.client.keys("rw:index:attention:*")


@pytest.mark.parametrize(
    ("text", "is_found"),
    [
        ("fuel PRICE", True),
        ("Ship the cargo", True),
        ("storm", True),
        ("late", True),
        ("pick a port", True),
        ("strasse", True),
        (".*", False),
        ("run-1", False),
    ],
)
def test_a_text_is_looked_for_in_what_is_told_of_a_run(site: _Site, text: str, is_found: bool) -> None:  # noqa: FBT001
    """In its narrative, its goal, its problems and its key decisions, in any case, and as it stands."""
    site.write(
        _summary(
            "run-1",
            narrative="The fuel price rose.",
            goal_description="Ship the cargo down the Straße",
            critical_problems=["Storm ahead"],
            warnings=["Late"],
            key_decisions=["✗ [harbour] Pick a port"],
        )
    )

    assert (["run-1"] if is_found else []) == _found(site, grep=text)


@pytest.mark.parametrize(
    ("filters", "told"),
    [
        ({"attention": "sleepy"}, "attention: 'sleepy' is none of retried, slow, costly, loop"),
        ({"severity": "grave"}, "severity: 'grave' is none of critical, warning, minor"),
        ({"min_tokens": -1}, "min_tokens: -1 is below 0"),
        ({"min_duration_ms": -5}, "min_duration_ms: -5 is below 0"),
        ({"grep": "\udcff"}, "grep: .* half a character"),
        ({"tag": "\udcff"}, "tag: .* half a character"),
    ],
    ids=str,
)
def test_filters_that_make_no_sense_are_refused(site: _Site, filters: dict[str, Any], told: str) -> None:
    """Before the server is asked, with what there is instead."""
    with pytest.raises(InvalidArgumentError, match=told):
        site.summaries.list(**filters)
    with pytest.raises(InvalidArgumentError, match=told):
        site.summaries.each(**filters)


def test_times_are_compared_to_the_microsecond(site: _Site) -> None:
    """`since` is within, `until` is not."""
    at: datetime = moment(1) + timedelta(microseconds=1)
    site.write(_summary("run", finished_at=at))

    assert [["run"], [], []] == [
        _found(site, since=at, until=at + timedelta(microseconds=1)),
        _found(site, since=at + timedelta(microseconds=1)),
        _found(site, until=at),
    ]
