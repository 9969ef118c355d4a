"""Sets of messages as they come in real life: several producers, equal times, repeats, and words about the unknown."""

import json
from collections import Counter
from typing import Any, TypeAlias

from hypothesis import strategies as st

from runweaver.shared.run import Run
from runweaver.worker.consume import Entry
from tests.support.messages import Script
from tests.unit.making import ENTRY_MS, RUN_ID, at, fold_of

_Strategy: TypeAlias = st.SearchStrategy[Any]

#: Any JSON, but for the numbers that JSON has no way to write.
json_values: _Strategy = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
    max_leaves=4,
)
json_objects: _Strategy = st.dictionaries(st.text(max_size=4), json_values, max_size=2)

# Few of each, so that many messages speak of the same thing, at the same time.
_TIMES = st.integers(0, 6).map(at)
_DECISION_IDS = st.sampled_from(["d1", "d2", "d3", "d4"])
_NODES = st.sampled_from(["first", "second", "third"])
_EDGE_ENDS = st.sampled_from(["first", "second"])
_PRODUCERS = ["p", "q", "r"]
_OPTIONS = [{"id": "a", "description": "One way"}, {"id": "b", "description": "Another\nway", "of_the_agent": 1}]


def _timed(time: str, required: dict[str, _Strategy], *, always: bool, **optional: _Strategy) -> _Strategy:
    """An object with a timestamp of this name: always, or now and then."""
    if always:
        return st.fixed_dictionaries({**required, time: _TIMES}, optional=optional)
    return st.fixed_dictionaries(required, optional={**optional, time: _TIMES})


def drafts(*, always_timed: bool) -> _Strategy:
    """Messages without an envelope.

    Without a time, a message gets that of its entry. So what a producer sends again in another entry needs one.
    """
    outcome = _timed(
        "timestamp",
        {"success": st.booleans()},
        always=always_timed,
        result=json_values,
        error=st.text(max_size=8),
        summary=st.text(max_size=8),
        tokens_used=st.integers(0, 10_000),
        latency_ms=st.integers(0, 100_000) | st.floats(0, 1e6),
    )
    evaluation = st.fixed_dictionaries({}, optional={"outcome_quality": st.floats(0, 1), "explanation": st.text()})
    decision = _timed(
        "timestamp",
        {"id": _DECISION_IDS, "node_id": _NODES, "intent": st.sampled_from(["Look", "Act"])},
        always=always_timed,
        options=st.just(_OPTIONS),
        chosen_option_id=st.sampled_from(["a", "b", "c"]),
        input_context=json_objects,
        outcome=outcome,
        evaluation=evaluation,
        of_the_agent=json_values,
    )
    problem = _timed(
        "timestamp",
        {
            "id": st.sampled_from(["x", "y"]),
            "severity": st.sampled_from(["critical", "warning", "minor"]),
            "description": st.text(max_size=8),
        },
        always=always_timed,
    )
    goals = st.sampled_from(["g", "h"])
    traces = st.sampled_from(["a" * 32, "b" * 32, None])
    statuses = st.sampled_from(["completed", "failed", "cancelled"])
    return st.one_of(
        _message("decision", decision=decision),
        _message("outcome", decision_id=_DECISION_IDS, outcome=outcome),
        _message("problem", problem=problem),
        _message("evaluation", "sent_at", always=always_timed, decision_id=_DECISION_IDS, evaluation=evaluation),
        _message("edge", "at", always=always_timed, source=_EDGE_ENDS, target=_EDGE_ENDS),
        _message("heartbeat", "sent_at", always=always_timed),
        _message(
            "run_started", "started_at", always=always_timed, goal_id=goals, input_data=json_objects, trace_id=traces
        ),
        _message("run_ended", "ended_at", always=always_timed, status=statuses, output_data=json_objects),
    )


def _message(kind: str, time: str | None = None, *, always: bool = False, **fields: _Strategy) -> _Strategy:
    required = {"type": st.just(kind), **fields}
    return st.fixed_dictionaries(required) if time is None else _timed(time, required, always=always)


@st.composite
def messages(
    draw: st.DrawFn, *, always_timed: bool = False, anonymous: bool = True, max_size: int = 20
) -> list[dict[str, Any]]:
    """What several producers sent for one run, some of whom said how much that was."""
    counted: Counter[str] = Counter()
    sent: list[dict[str, Any]] = []

    def send(producer: str | None, message: dict[str, Any]) -> None:
        if producer is None:
            sent.append({"run_id": RUN_ID, **message})
            return
        sent.append({"run_id": RUN_ID, "producer": producer, "seq": counted[producer], **message})
        counted[producer] += 1

    producers = st.sampled_from([*_PRODUCERS, None] if anonymous else _PRODUCERS)
    for producer, draft in draw(
        st.lists(st.tuples(producers, drafts(always_timed=always_timed)), min_size=1, max_size=max_size)
    ):
        says_how_many = draft["type"] == "run_ended" and producer is not None and draw(st.booleans())
        send(producer, {**draft, "sent": counted[producer] + 1} if says_how_many and producer else draft)
    for producer in draw(st.lists(st.sampled_from(_PRODUCERS), unique=True)):
        send(producer, {"type": "producer_left", "sent": counted[producer] + 1, "sent_at": draw(_TIMES)})
    return sent


def entries_of(raws: list[bytes], sizes: list[int], partitions: list[int]) -> list[Entry]:
    """Cut messages into entries of these sizes, on these partitions, each over and over.

    Each partition counts its entries by itself: two of them hand out the same id.
    """
    entries: list[Entry] = []
    counted: Counter[int] = Counter()
    begin = 0
    while begin < len(raws):
        size = sizes[len(entries) % len(sizes)]
        partition = partitions[len(entries) % len(partitions)]
        # Some follow within one millisecond, so that only the counter tells them apart.
        entry_id = f"{ENTRY_MS + counted[partition] // 2}-{counted[partition] % 2}"
        entries.append(Entry(partition, entry_id, tuple(raws[begin : begin + size])))
        counted[partition] += 1
        begin += size
    return entries


@st.composite
def entries(draw: st.DrawFn, *, max_size: int = 20) -> list[Entry]:
    """The same messages as they lie in the streams."""
    raws = [json.dumps(message).encode() for message in draw(messages(max_size=max_size))]
    return entries_of(
        raws,
        draw(st.lists(st.integers(1, 5), min_size=1, max_size=4)),
        draw(st.lists(st.integers(0, 2), min_size=1, max_size=4)),
    )


# Of both: some that go either way, and some that fail nearly always.
_RESULTS: list[list[bool | None]] = [[None, True, False, False], [*[False] * 20, True], [*[False] * 20, None]]
_SPENT = st.sampled_from([0, 1, 5, 20_000, 70_000])


@st.composite
def runs(draw: st.DrawFn) -> Run:
    """Runs with retries, repeats, loops and long waits: many decisions about few things, with few ways to do each."""
    script = Script(RUN_ID)
    raws = [script.started()] if draw(st.booleans()) else []
    # How much of a kind there is: with one node, one intent and one option, all are alike.
    nodes, intents = draw(st.integers(1, 3)), draw(st.integers(1, 4))
    options = st.sampled_from(draw(st.sampled_from(["a", "ab", "abc", "aaaaaaaaaaaaaaab"])))
    results = st.sampled_from(draw(st.sampled_from(_RESULTS)))
    step = st.tuples(st.integers(1, nodes), st.integers(1, intents), options, results, _SPENT, _SPENT)
    for number, (node, intent, option, success, latency_ms, tokens) in enumerate(
        draw(st.lists(step, min_size=draw(st.sampled_from([0, 0, 25])), max_size=50))
    ):
        name = f"d{number}"
        raws.append(script.decision(name, f"Intent {intent}", f"node-{node}", chosen_option_id=option))
        if success is not None:
            told = {} if success or number % 2 else {"error": "Not\nfound"}
            raws.append(script.outcome(name, success=success, latency_ms=latency_ms, tokens_used=tokens, **told))
    severities = st.sampled_from(["critical", "warning", "minor"])
    for number, severity in enumerate(draw(st.lists(severities, max_size=draw(st.sampled_from([3, 60]))))):
        raws.append(script.problem(f"p{number}", severity, f"Odd {number}"))
    for _ in range(draw(st.integers(0, 2))):
        script.heartbeat()  # written, and lost
    raws += [script.outcome(f"unheard-of-{number}") for number in range(draw(st.integers(0, 2)))]
    raws += [script.write("heartbeat", sent_at=at(0), shed_bytes=9) for _ in range(draw(st.integers(0, 2)))]
    end = draw(st.sampled_from(["completed", "failed", "cancelled", "stuck", None]))
    if end is None or end == "stuck":
        run = fold_of(*raws, script.left())
        return run.as_stuck() if end else run
    return fold_of(*raws, script.ended(end))
