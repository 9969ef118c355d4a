"""What holds for every set of messages: the set alone decides, whatever way it came."""

import json
from collections import Counter
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from runweaver.shared.archive import Archive, StoredRun
from runweaver.shared.completeness import ANONYMOUS
from runweaver.shared.decision import Decision, Outcome
from runweaver.shared.messages import (
    BaseMessage,
    DecisionMessage,
    EdgeMessage,
    OutcomeMessage,
    order_of,
    parse_message,
)
from runweaver.shared.run import Completeness, Run, RunStatus
from runweaver.shared.summary import RunSummary
from runweaver.worker.consume import Entry
from runweaver.worker.narrate import PlainNarrator
from tests.unit.making import RUN_ID, accepted, fold_stored
from tests.unit.strategies import entries, entries_of, json_objects, messages

# Time limits a single example would make slow machines fail; the whole file has its own.
carefully = settings(max_examples=80, deadline=None, suppress_health_check=[HealthCheck.too_slow])


def _merged(batches: list[list[Entry]]) -> dict[str, bytes]:
    """The stored set after workers merged these batches, in this order: `HSET` is `dict.update`."""
    merged: dict[str, bytes] = {}
    for batch in batches:
        merged.update(accepted(*batch))
    return merged


def _without_late(run: Run) -> Run:
    """The run but for what depends on when its first summary was made."""
    producers = {name: producer.model_copy(update={"late": 0}) for name, producer in run.completeness.producers.items()}
    completeness = Completeness.model_copy(run.completeness, update={"late": 0, "producers": producers})
    return run.model_copy(update={"completeness": completeness})


def _assert_same(expected: Run, actual: Run) -> None:
    assert expected == actual
    # Equal objects can still be told differently: a Builder reads the JSON.
    assert expected.model_dump_json() == actual.model_dump_json()


@carefully
@given(st.data(), entries())
def test_order_repetition_and_split_make_no_difference(data: st.DataObject, sent: list[Entry]) -> None:
    """Entries in any order, delivered any number of times, in any batches, fold to the same run."""
    once = fold_stored(_merged([sent]))

    again = data.draw(st.lists(st.sampled_from(sent), max_size=8), label="delivered again")
    delivered = data.draw(st.permutations([*sent, *again]), label="in this order")
    cuts = sorted(data.draw(st.sets(st.integers(1, len(delivered))), label="cut after"))
    batches = [delivered[begin:end] for begin, end in zip([0, *cuts], [*cuts, len(delivered)], strict=True)]

    _assert_same(once, fold_stored(_merged(batches)))


@carefully
@given(
    st.data(),
    messages(always_timed=True, anonymous=False),
    st.lists(st.integers(1, 5), min_size=1, max_size=3),
    st.lists(st.integers(0, 2), min_size=1, max_size=3),
)
def test_what_a_producer_sends_again_counts_once(
    data: st.DataObject, sent: list[dict[str, Any]], sizes: list[int], partitions: list[int]
) -> None:
    """A producer that repeats its messages in other entries, on other partitions, changes nothing."""
    raws = [json.dumps(message).encode() for message in sent]
    once = fold_stored(_merged([entries_of(raws, [len(raws)], [0])]))

    again = data.draw(st.lists(st.sampled_from(raws), max_size=10), label="sent again")
    resent = data.draw(st.permutations([*raws, *again]), label="in this order")

    _assert_same(once, fold_stored(_merged([[entry] for entry in entries_of(resent, sizes, partitions)])))


@carefully
@given(st.data(), entries())
def test_an_archived_part_and_a_live_part_are_the_run(data: st.DataObject, sent: list[Entry]) -> None:
    """However the set is divided between archive and live set, also with messages in both, the run is the same."""
    whole = _merged([sent])
    places = st.sampled_from([("archive",), ("live",), ("archive", "live")])
    where = {identity: data.draw(places, label=identity) for identity in whole}
    on_time = data.draw(st.none() | st.dictionaries(st.sampled_from(["p", "q"]), st.integers(0, 9)), label="on time")
    archive = Archive({name: raw for name, raw in whole.items() if "archive" in where[name]}, 3, on_time=on_time)
    live = {name.encode(): raw for name, raw in whole.items() if "live" in where[name]}

    divided = StoredRun.read(RUN_ID, live, archive.pack())

    _assert_same(_without_late(fold_stored(whole)), _without_late(divided.fold()))
    assert any(where[name] == ("live",) for name in whole) == divided.has_news


@carefully
@given(
    entries(),
    st.integers(1, 1000),
    st.booleans(),
    st.none() | st.dictionaries(st.sampled_from(["p", "q", ANONYMOUS]), st.integers(0, 10**7)),
)
def test_an_archive_survives_packing(
    sent: list[Entry],
    revision: int,
    stuck: bool,  # noqa: FBT001
    on_time: dict[str, int] | None,
) -> None:
    """Unpacking gives what was packed, and packing that gives the same bytes."""
    archive = Archive(_merged([sent]), revision, stuck, on_time)

    unpacked = Archive.unpack(archive.pack())

    assert archive == unpacked
    assert archive.pack() == unpacked.pack()


@carefully
@given(entries())
def test_metrics_agree_with_a_plain_count(sent: list[Entry]) -> None:
    """Metrics are what one gets by hearing the messages in order of time, the last word counting."""
    whole = _merged([sent])
    metrics = fold_stored(whole).metrics
    in_order = _in_order(whole)
    decisions = _last_decisions(in_order)
    outcomes = _last_outcomes(whole)
    counted = [outcomes[decision_id] for decision_id in decisions if decision_id in outcomes]

    assert len(decisions) == metrics.total_decisions
    assert sum(outcome.success for outcome in counted) == metrics.successful_decisions
    assert sum(not outcome.success for outcome in counted) == metrics.failed_decisions
    assert sum(outcome.tokens_used for outcome in counted) == metrics.total_tokens
    assert sum(outcome.latency_ms for outcome in counted) == metrics.total_latency_ms
    assert list(dict.fromkeys(decision.node_id for decision in decisions.values())) == metrics.nodes_executed
    edges = [f"{message.source}->{message.target}" for message in in_order if isinstance(message, EdgeMessage)]
    assert list(dict.fromkeys(edges)) == metrics.edges_traversed
    assert (
        metrics.successful_decisions + metrics.failed_decisions + metrics.pending_decisions == metrics.total_decisions
    )


def _in_order(whole: dict[str, bytes]) -> list[BaseMessage]:
    parsed: dict[str, BaseMessage] = {identity: parse_message(raw) for identity, raw in whole.items()}
    return [parsed[name] for name in sorted(parsed, key=lambda name: (parsed[name].time, order_of(name)))]


def _last_decisions(in_order: list[BaseMessage]) -> dict[str, Decision]:
    decisions: dict[str, Decision] = {}
    for message in in_order:
        if isinstance(message, DecisionMessage):
            # Taken out first: a later word also takes a later place.
            decisions.pop(message.decision.id, None)
            decisions[message.decision.id] = message.decision
    return decisions


def _last_outcomes(whole: dict[str, bytes]) -> dict[str, Outcome]:
    heard: list[tuple[Any, str, Outcome]] = []
    for identity, raw in whole.items():
        message = parse_message(raw)
        if isinstance(message, OutcomeMessage):
            heard.append(((message.outcome.timestamp, order_of(identity)), message.decision_id, message.outcome))
        elif isinstance(message, DecisionMessage) and message.decision.outcome is not None:
            outcome = message.decision.outcome
            heard.append(((outcome.timestamp, order_of(identity)), message.decision.id, outcome))
    return {decision_id: outcome for _, decision_id, outcome in sorted(heard, key=lambda item: item[0])}


@carefully
@given(st.data(), messages(always_timed=True, anonymous=False))
def test_missing_is_what_was_declared_and_left_out(data: st.DataObject, sent: list[dict[str, Any]]) -> None:
    """Whichever messages get lost, as many are missing as a producer that is still heard had declared."""
    lost = data.draw(st.sets(st.integers(0, len(sent) - 1), max_size=len(sent) - 1), label="lost")
    arrived = [message for index, message in enumerate(sent) if index not in lost]
    declared: Counter[str] = Counter()
    for message in arrived:
        declared[message["producer"]] = max(declared[message["producer"]], message.get("sent", 0))
    missing = sum(sent[index]["seq"] < declared[sent[index]["producer"]] for index in lost)

    raws = [json.dumps(message).encode() for message in arrived]
    completeness = fold_stored(_merged([entries_of(raws, [3], [0])])).completeness

    assert missing == completeness.missing
    assert len(arrived) == completeness.received
    assert declared.total() == completeness.declared


@carefully
@given(entries())
def test_a_run_survives_json(sent: list[Entry]) -> None:
    """A run that is read from its own JSON is the same run, and gives the same JSON."""
    run = fold_stored(_merged([sent]))

    _assert_same(run, Run.model_validate_json(run.model_dump_json()))


@carefully
@given(entries(), json_objects)
def test_a_summary_survives_json(sent: list[Entry], of_the_agent: dict[str, Any]) -> None:
    """Every run can be condensed; its summary, also with other fields, survives JSON."""
    run = fold_stored(_merged([sent]))
    summary = RunSummary.from_run(run, revision=2)
    summary = RunSummary.model_validate({**summary.model_dump(), "of_the_agent": of_the_agent})

    assert summary == RunSummary.model_validate_json(summary.model_dump_json())
    assert len(summary.key_decisions) <= 5
    assert len(summary.successes) <= 3
    assert 0 <= summary.duration_ms
    assert summary.decision_count == run.metrics.total_decisions


@carefully
@given(entries(), st.booleans())
def test_every_run_can_be_narrated(sent: list[Entry], stuck: bool) -> None:  # noqa: FBT001
    """The narrative begins with the seed's two sentences, and is the same every time."""
    run = fold_stored(_merged([sent]))
    if stuck:
        run = run.as_stuck()
    openings = {
        RunStatus.RUNNING: "Run is still going on.",
        RunStatus.COMPLETED: "Run completed successfully.",
        RunStatus.FAILED: "Run failed.",
        RunStatus.CANCELLED: "Run was cancelled.",
        RunStatus.STUCK: "Run got stuck.",
    }
    beginning = (
        f"{openings[run.status]} Made {run.metrics.total_decisions} decisions: "
        f"{run.metrics.successful_decisions} succeeded, {run.metrics.failed_decisions} failed."
    )

    story = PlainNarrator().narrate(run)

    assert beginning == story.text[: len(beginning)]
    assert story == PlainNarrator().narrate(Run.model_validate_json(run.model_dump_json()))
