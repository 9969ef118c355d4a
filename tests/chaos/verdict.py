"""Holds what is on the server against what was sent: every run, every field, every index and every dead letter."""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from runweaver.query import Summaries
from runweaver.query.summaries import MOST
from runweaver.shared import Keys, RunStatus, RunSummary
from runweaver.shared.archive import StoredRun
from runweaver.shared.figures import RunFigures
from runweaver.shared.replies import as_entries, as_scores
from runweaver.shared.settings import FinalizerSettings
from runweaver.worker import DeadLetters
from runweaver.worker.index import index_keys
from tests.chaos.journal import Sent
from tests.support.messages import finished_run, summarised, summary_of, without_history
from tests.support.processes import Pipeline

_ABSENT: Final = "(absent)"
#: What the releases did not write before there was evidence.
_SINCE_EVIDENCE: Final = ("evidence", "attention", "narrator")


@dataclass(frozen=True)
class Difference:
    """Something that is not as it should be."""

    #: A run id, the name of an index, or that of a dead letter.
    where: str
    what: str
    expected: Any
    actual: Any

    def __str__(self) -> str:
        return f"{self.where}: {self.what}: expected {self.expected!r:.300}, is {self.actual!r:.300}"


@dataclass
class Verdict:
    """The counts, and what they are made of."""

    runs: int = 0
    #: Runs of which no end was sent.
    stuck: int = 0
    messages: int = 0
    resent: int = 0
    garbage: int = 0
    #: Runs whose summary was written more than once.
    revised: int = 0

    lost: int = 0
    doubled: int = 0
    #: Summaries of which any field is wrong, or that are not there.
    wrong: int = 0
    #: Figures that are wrong, or that are not there.
    misfigured: int = 0
    #: Entries of indexes and announcements that lack or should not be there.
    misplaced: int = 0
    #: Garbage that was not set aside, and what was set aside and is none.
    misjudged: int = 0
    differences: list[Difference] = field(default_factory=list)

    @property
    def is_clean(self) -> bool:
        """Whether all is as it should be."""
        return not (self.lost or self.doubled or self.wrong or self.misfigured or self.misplaced or self.misjudged)

    def judge_run(self, run_id: str, sent: Mapping[str, bytes], stored: StoredRun, summary: RunSummary | None) -> None:
        """Compare one run with what was sent for it.

        Args:
            run_id: which.
            sent: its messages, each under its identity.
            stored: what the server holds of it.
            summary: what the server says of it.
        """
        expected = summary_of(raw.decode() for raw in sent.values())
        self.runs += 1
        self.messages += len(sent)
        self.stuck += expected.status is RunStatus.STUCK
        self.revised += summary is not None and summary.revision > 1
        differences = [*_in_messages(run_id, sent, stored), *_in_summary(run_id, expected, summary)]
        told = summary.completeness.received if summary is not None else 0
        decisions = summary.decision_count if summary is not None else 0
        missing, extra = sent.keys() - stored.messages.keys(), stored.messages.keys() - sent.keys()
        self.lost += max(len(missing), len(sent) - told)
        self.doubled += max(len(extra), told - len(sent), decisions - expected.decision_count)
        self.wrong += bool(differences)
        self.differences += differences

    def judge_figures(self, run_id: str, sent: Mapping[str, bytes], raw: bytes | None) -> None:
        """Compare what a run adds to its goal's insights with what was sent for it.

        Args:
            run_id: which.
            sent: its messages, each under its identity.
            raw: what is kept as its figures.
        """
        run = finished_run(message.decode() for message in sent.values())
        expected = RunFigures.from_run(run, summarised(run))
        actual = RunFigures.read(run_id, raw) if raw is not None else None
        if expected != actual:
            self.misfigured += 1
            self.differences.append(Difference(run_id, "figures", expected, actual or _ABSENT))

    def judge_places(self, what: str, expected: Mapping[Any, Any], actual: Mapping[Any, Any]) -> None:
        """Compare what stands at some place."""
        for name in sorted(expected.keys() | actual.keys()):
            if expected.get(name, _ABSENT) != actual.get(name, _ABSENT):
                self.misplaced += 1
                self.differences.append(
                    Difference(what, str(name), expected.get(name, _ABSENT), actual.get(name, _ABSENT))
                )

    def judge_letters(self, garbage: Iterable[bytes], letters: Iterable[bytes]) -> None:
        """Compare what was set aside with what should have been."""
        bad, aside = set(garbage), set(letters)
        self.garbage = len(bad)
        self.misjudged += len(bad ^ aside)
        self.differences += (Difference("dead letters", "garbage", raw, _ABSENT) for raw in bad - aside)
        self.differences += (Difference("dead letters", "a letter", _ABSENT, raw) for raw in aside - bad)


def judge(pipeline: Pipeline, sent: Sent) -> Verdict:
    """Look at all that the server holds."""
    verdict = Verdict(resent=sent.resent)
    summaries: dict[str, RunSummary] = {}
    for run_id, messages in sent.runs.items():
        summary = pipeline.summaries.get(run_id)
        if summary is not None:
            summaries[run_id] = summary
        verdict.judge_run(run_id, messages, _stored(pipeline, run_id), summary)
        if summary is not None and not _is_of_earlier_release(summary):
            figures: Any = pipeline.redis.get(pipeline.keys.figures(run_id))
            verdict.judge_figures(run_id, messages, figures)
    listed = Counter(_listed(pipeline.summaries))
    verdict.judge_places("list", dict.fromkeys(sent.runs, 1), listed)
    of_earlier = {run_id for run_id, summary in summaries.items() if _is_of_earlier_release(summary)}
    found = {
        (name, run_id): score
        for (name, run_id), score in _indexes(pipeline).items()
        if not (run_id in of_earlier and _is_new_index(pipeline.keys, name))
    }
    verdict.judge_places("indexes", _expected_indexes(pipeline.keys, summaries), found)
    if pipeline.redis.xlen(pipeline.keys.finished) < FinalizerSettings().finished_kept:
        revisions = {run_id: summary.revision for run_id, summary in summaries.items()}
        verdict.judge_places("announcements", revisions, _announced(pipeline))
    verdict.judge_letters(sent.garbage, (each.message for each in DeadLetters(pipeline.redis, pipeline.keys)))
    return verdict


def _in_messages(run_id: str, sent: Mapping[str, bytes], stored: StoredRun) -> Iterator[Difference]:
    for identity in sorted(sent.keys() | stored.messages.keys()):
        expected, actual = sent.get(identity, _ABSENT), stored.messages.get(identity, _ABSENT)
        if expected != actual:
            yield Difference(run_id, f"message {identity}", expected, actual)
    if stored.live:
        yield Difference(run_id, "messages that are in no summary", [], sorted(stored.live))


def _in_summary(run_id: str, expected: RunSummary, summary: RunSummary | None) -> Iterator[Difference]:
    if summary is None:
        yield Difference(run_id, "summary", expected, _ABSENT)
        return
    wanted, found = dict(without_history(expected)), dict(without_history(summary))
    if _is_of_earlier_release(summary):
        # An earlier release wrote it, and told in another order what had failed.
        for told in (wanted, found):
            told |= {"narrative": told["narrative"].partition("\n")[0], **dict.fromkeys(_SINCE_EVIDENCE)}
    for name in sorted(wanted.keys() | found.keys()):
        if wanted.get(name, _ABSENT) != found.get(name, _ABSENT):
            yield Difference(run_id, f"summary.{name}", wanted.get(name, _ABSENT), found.get(name, _ABSENT))


def _is_of_earlier_release(summary: RunSummary) -> bool:
    return summary.model_fields_set.isdisjoint(_SINCE_EVIDENCE)


def _stored(pipeline: Pipeline, run_id: str) -> StoredRun:
    live: Any = pipeline.redis.hgetall(pipeline.keys.run(run_id))
    packed: Any = pipeline.redis.get(pipeline.keys.archive(run_id))
    return StoredRun.read(run_id, live, packed)


def _listed(summaries: Summaries) -> Iterator[str]:
    cursor = None
    while True:
        page = summaries.list(limit=MOST, cursor=cursor)
        yield from (summary.run_id for summary in page.items)
        cursor = page.next_cursor
        if cursor is None:
            return


def _expected_indexes(keys: Keys, summaries: Mapping[str, RunSummary]) -> dict[tuple[str, str], float]:
    return {
        (name, run_id): summary.finished_at.timestamp() * 1000
        for run_id, summary in summaries.items()
        for name in index_keys(keys, summary)
        if not (_is_of_earlier_release(summary) and _is_new_index(keys, name))
    }


def _is_new_index(keys: Keys, name: str) -> bool:
    """Whether an earlier release knows nothing of this index: it neither adds to it nor removes from it."""
    return name.startswith((keys.index_tag(""), f"{keys.namespace}:index:attention:"))


def _indexes(pipeline: Pipeline) -> dict[tuple[str, str], float]:
    """Each index entry with its score, but for the list of what expires when."""
    found: dict[tuple[str, str], float] = {}
    for key in pipeline.redis.scan_iter(match=f"{pipeline.namespace}:index:*", count=1_000):
        if key != pipeline.keys.index_expiry.encode():
            rows = pipeline.redis.zrange(key, 0, -1, withscores=True)
            found |= {(key.decode(), run_id): score for run_id, score in as_scores(rows)}
    return found


def _announced(pipeline: Pipeline) -> dict[str, int]:
    """The highest revision of each run that was announced."""
    revisions: dict[str, int] = {}
    for _, fields in as_entries(pipeline.redis.xrange(pipeline.keys.finished)):
        run_id, revision = fields[b"run_id"].decode(), int(fields[b"revision"])
        revisions[run_id] = max(revision, revisions.get(run_id, 0))
    return revisions
