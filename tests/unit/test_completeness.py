"""Completeness: what is here against what the producers say they sent."""

import json

import pytest

from runweaver.shared.completeness import ANONYMOUS
from runweaver.shared.fields import is_identifier
from runweaver.shared.run import Completeness, ProducerCompleteness
from tests.support.messages import Script
from tests.unit.making import RUN_ID, fold_of


@pytest.fixture
def script() -> Script:
    return Script(RUN_ID)


def _of(*raws: str) -> Completeness:
    return fold_of(*raws).completeness


def _counts(completeness: ProducerCompleteness) -> tuple[int, int, int]:
    return completeness.received, completeness.declared, completeness.missing


def _anonymous(kind: str, **fields: object) -> str:
    return json.dumps({"type": kind, "run_id": RUN_ID, **fields})


def test_all_that_was_declared_is_here(script: Script) -> None:
    """The end declares itself and everything before it."""
    completeness = _of(script.started(), script.decision("d"), script.ended())

    assert (3, 3, 0) == _counts(completeness)
    assert completeness.is_known_complete


@pytest.mark.parametrize("kind", ["run_ended", "producer_left"])
@pytest.mark.parametrize("lost", [[0], [1, 2], [0, 1, 2, 3]])
def test_what_was_declared_and_is_not_here_is_missing(script: Script, kind: str, lost: list[int]) -> None:
    """Both kinds of declaration count, even where nothing but the declaration came."""
    raws = [script.started(), script.decision("d"), script.outcome("d"), script.heartbeat()]
    declaration = script.ended() if kind == "run_ended" else script.left()

    completeness = _of(*(raw for index, raw in enumerate(raws) if index not in lost), declaration)

    assert (5 - len(lost), 5, len(lost)) == _counts(completeness)
    assert not completeness.is_known_complete


def test_what_nobody_declared_is_not_missing(script: Script) -> None:
    """Without a declaration, a gap is only not known to be none."""
    raws = [script.started(), script.heartbeat(), script.ended(declare=False)]

    completeness = _of(raws[0], raws[2])

    assert (2, 0, 0) == _counts(completeness)
    assert not completeness.is_known_complete


def test_of_several_declarations_the_greatest_counts(script: Script) -> None:
    """Whoever left and came back says more the second time."""
    raws = [script.started(), script.left(), script.decision("d"), script.heartbeat(), script.left()]

    assert (4, 5, 1) == _counts(_of(raws[4], raws[1], raws[0], raws[2]))


def test_what_came_after_a_declaration_fills_no_gap(script: Script) -> None:
    """Two lost and two sent later are two missing."""
    raws = [script.started(), script.heartbeat(), script.heartbeat(), script.ended()]
    after = [script.decision("d"), script.outcome("d")]

    completeness = _of(raws[0], raws[3], *after)

    assert (4, 4, 2) == _counts(completeness)


def test_each_producer_is_counted_by_itself(script: Script) -> None:
    """What one lost, another cannot make up for; the whole is the sum."""
    other = Script(RUN_ID, "other")
    raws = [script.started(), script.heartbeat(), script.ended()]
    others = [other.decision("d"), other.outcome("d"), other.left(), other.heartbeat()]

    completeness = _of(raws[0], raws[2], *others)

    assert {"other": (4, 3, 0), "p": (2, 3, 1)} == {
        name: _counts(producer) for name, producer in completeness.producers.items()
    }
    assert (6, 6, 1) == _counts(completeness)


def test_one_producer_that_has_not_declared_leaves_it_open(script: Script) -> None:
    """It may have sent more than is here."""
    other = Script(RUN_ID, "other")

    raws = [script.ended(), other.heartbeat()]

    assert not _of(*raws).is_known_complete
    assert _of(*raws, other.left()).is_known_complete


def test_messages_without_a_producer_are_counted_together() -> None:
    """Under a name that no producer can have; they may declare their number as well."""
    messages = [_anonymous("heartbeat"), _anonymous("heartbeat")]

    assert not is_identifier(ANONYMOUS)
    undeclared = _of(*messages)
    assert {ANONYMOUS: (2, 0, 0)} == {name: _counts(each) for name, each in undeclared.producers.items()}
    assert (3, 4, 1) == _counts(_of(*messages, _anonymous("run_ended", status="failed", sent=4)))
    assert _of(*messages, _anonymous("producer_left", sent=3)).is_known_complete


def test_nothing_is_late_before_the_first_summary(script: Script) -> None:
    """Late is what comes after it."""
    assert 0 == _of(script.ended(), script.heartbeat()).late
