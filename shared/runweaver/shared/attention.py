"""What about a run should catch a Builder's eye."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from pydantic import Field

from runweaver.shared.decision import Decision, action_of
from runweaver.shared.evidence import name
from runweaver.shared.fields import Schema
from runweaver.shared.run import Run, RunStatus
from runweaver.shared.wording import spell_choice, spell_count, spell_duration, spell_place


class AttentionFlag(StrEnum):
    """Why to look at a run."""

    #: One thing was tried again more often than that after it had failed.
    RETRIED = "retried"
    #: One outcome took longer than that (ms).
    SLOW = "slow"
    #: It used more tokens than that.
    COSTLY = "costly"
    #: The same choice failed more often than that in a row.
    LOOP = "loop"
    #: It took more decisions than that.
    LONG = "long"
    #: It is over, and more messages than that did not arrive.
    MISSING = "missing"
    #: It is over, and more decisions than that have no outcome.
    PENDING = "pending"


class Attention(Schema):
    """A reason to look at a run."""

    flag: AttentionFlag
    #: A sentence, with what was found.
    reason: str
    #: What was found, and the most that goes unnoticed; in the flag's unit.
    value: int
    threshold: int
    #: Where to look, in order of time, at most 20; none where it is about the whole run.
    decision_ids: list[str] = Field(default_factory=list)


@dataclass(frozen=True)
class AttentionThresholds:
    """The most that goes unnoticed. What is more than that is flagged."""

    #: Attempts at one thing (what is wanted at a node) after it failed, up to the one that worked, if any. When it
    #: fails again after that, they are counted anew.
    retries: int = 3
    slow_ms: int = 60_000
    tokens: int = 100_000
    #: Failures in a row of the same choice: node, intent, option and its parameters. In a row means that it never
    #: worked in between. Other decisions may lie in between: of nodes that go on at the same time, and of agents that
    #: turn from one useless thing to another and back. An attempt without outcome neither counts nor ends the row.
    loop: int = 2
    #: Decisions.
    steps: int = 20
    missing: int = 0
    pending: int = 0


DEFAULT_THRESHOLDS: Final = AttentionThresholds()


def attention_of(run: Run, thresholds: AttentionThresholds = DEFAULT_THRESHOLDS) -> list[Attention]:
    """Why to look at this run: each flag at most once, in the order of `AttentionFlag`. Pure, and linear."""
    looks = (_retried, _slow, _costly, _loop, _long, _missing, _pending)
    return [attention for look in looks if (attention := look(run, thresholds)) is not None]


def _retried(run: Run, thresholds: AttentionThresholds) -> Attention | None:
    things = {(decision.node_id, decision.intent) for decision in run.decisions if decision.has_failed}
    pursuits: dict[tuple[str, str], list[Decision]] = {}
    most: list[Decision] = []
    for decision in run.decisions if things else ():
        if (thing := (decision.node_id, decision.intent)) not in things:
            continue
        pursuit = pursuits.setdefault(thing, [])
        if pursuit or decision.has_failed:
            pursuit.append(decision)
            most = max(most, pursuit, key=len)
        if decision.was_successful:
            del pursuits[thing]
    retries = len(most) - 1
    if retries <= thresholds.retries:
        return None
    told = f"{spell_place(most[0])} was tried again {spell_count(retries, 'time')} after it had failed."
    return _flag(AttentionFlag.RETRIED, told, retries, thresholds.retries, most)


def _slow(run: Run, thresholds: AttentionThresholds) -> Attention | None:
    slow = [each for each in run.decisions if each.outcome and each.outcome.latency_ms > thresholds.slow_ms]
    if not slow:
        return None
    slowest = max(slow, key=_latency_ms)
    told = f"{spell_place(slowest)} took {spell_duration(_latency_ms(slowest))}"
    if others := len(slow) - 1:
        told += f", and {spell_count(others, 'more decision')} took longer than {spell_duration(thresholds.slow_ms)}"
    return _flag(AttentionFlag.SLOW, f"{told}.", _latency_ms(slowest), thresholds.slow_ms, slow, deciding=[slowest])


def _costly(run: Run, thresholds: AttentionThresholds) -> Attention | None:
    tokens = run.metrics.total_tokens
    if tokens <= thresholds.tokens:
        return None
    told, greatest = f"It used {spell_count(tokens, 'token')}", max(run.decisions, key=_tokens, default=None)
    if greatest is None:
        return _flag(AttentionFlag.COSTLY, f"{told}.", tokens, thresholds.tokens)
    told += f", most for one decision: {_tokens(greatest):,} for {spell_place(greatest)}."
    return _flag(AttentionFlag.COSTLY, told, tokens, thresholds.tokens, [greatest])


def _loop(run: Run, thresholds: AttentionThresholds) -> Attention | None:
    failures = Counter((decision.node_id, decision.intent) for decision in run.decisions if decision.has_failed)
    often = {thing for thing, count in failures.items() if count > thresholds.loop}
    rows: dict[tuple[str, ...], list[Decision]] = {}
    most: list[Decision] = []
    for decision in run.decisions if often else ():
        # What was done is looked at only where it can matter: parameters may be long.
        if (decision.node_id, decision.intent) not in often or not (action := action_of(decision)):
            continue
        choice = (decision.node_id, decision.intent, *action)
        if decision.has_failed:
            rows.setdefault(choice, []).append(decision)
            most = max(most, rows[choice], key=len)
        elif decision.was_successful:
            rows.pop(choice, None)
    if len(most) <= thresholds.loop:
        return None
    times = spell_count(len(most), "time")
    told = f"{spell_place(most[0])} with {spell_choice(most[0])} failed {times} in a row."
    return _flag(AttentionFlag.LOOP, told, len(most), thresholds.loop, most)


def _long(run: Run, thresholds: AttentionThresholds) -> Attention | None:
    steps = len(run.decisions)
    if steps <= thresholds.steps:
        return None
    return _flag(AttentionFlag.LONG, f"It took {spell_count(steps, 'decision')}.", steps, thresholds.steps)


def _missing(run: Run, thresholds: AttentionThresholds) -> Attention | None:
    missing = run.completeness.missing
    # While a run goes on, what is not there may still come.
    if missing <= thresholds.missing or run.status is RunStatus.RUNNING:
        return None
    told = f"{spell_count(missing, 'message')} of it did not arrive."
    return _flag(AttentionFlag.MISSING, told, missing, thresholds.missing)


def _pending(run: Run, thresholds: AttentionThresholds) -> Attention | None:
    pending = [decision for decision in run.decisions if decision.outcome is None]
    if len(pending) <= thresholds.pending or run.status is RunStatus.RUNNING:
        return None
    first = spell_place(pending[0])
    told = f"{spell_count(len(pending), 'decision')} had no outcome at the end: "
    told += f"{first}." if len(pending) == 1 else f"{first} was the first."
    return _flag(AttentionFlag.PENDING, told, len(pending), thresholds.pending, pending)


def _flag(
    flag: AttentionFlag,
    reason: str,
    value: int,
    threshold: int,
    decisions: Sequence[Decision] = (),
    *,
    deciding: Sequence[Decision] = (),
) -> Attention:
    ids = [decision.id for decision in name(decisions, deciding)]
    return Attention(flag=flag, reason=reason, value=value, threshold=threshold, decision_ids=ids)


def _latency_ms(decision: Decision) -> int:
    return decision.outcome.latency_ms if decision.outcome is not None else 0


def _tokens(decision: Decision) -> int:
    return decision.outcome.tokens_used if decision.outcome is not None else 0
