"""A worker never dies of input: thousands of entries of all that is no message, and good runs in between."""

import json
import random
from collections import Counter
from collections.abc import Iterator

from fuzz.examples import MESSAGES
from fuzz.source import Source
from runweaver.shared import InvalidMessageError, RunStatus, parse_message
from runweaver.worker import DeadLetters
from tests.support.messages import Script
from tests.support.processes import Pipeline
from tests.support.waiting import wait_until

_ENTRIES = 3_000
_RUNS = 40
_LARGE = 2 * 1024 * 1024


def _bytes(chance: random.Random) -> bytes:
    """What can be no message: bytes, pieces of JSON, messages that were damaged, and nothing at all."""
    kind = chance.randrange(5)
    if kind == 0:
        return chance.randbytes(chance.randrange(200))
    if kind == 1:
        return json.dumps(chance.choice(MESSAGES)).encode()[: chance.randrange(300)]
    if kind == 2:
        return chance.choice([b"", b"null", b"[]", b"{}", b"\xff" * 50, b"[" * 5_000, b"9" * 5_000, b'"\\ud800"'])
    return Source(chance.randbytes(80)).mutated(chance.choice(MESSAGES))


def _entry(chance: random.Random) -> list[tuple[bytes, bytes]]:
    """The fields of an entry. Their names mean nothing; some are equal, some no text."""
    names = [b"", b"m", b"\xff\xfe", b"0"]
    return [(chance.choice(names), _bytes(chance)) for _ in range(chance.randrange(1, 5))]


def _oddities(chance: random.Random) -> Iterator[list[tuple[bytes, bytes]]]:
    """Entries that are large in some way."""
    yield [(b"m", b"x" * _LARGE)]
    yield [(b"m", b'{"type":"heartbeat","run_id":"r","x":"' + b"x" * _LARGE + b'"}')]
    yield [(b"x" * _LARGE, b"{}")]
    yield [(b"%d" % number, _bytes(chance)) for number in range(1_000)]
    yield [(b"same", b"same") for _ in range(1_000)]


def _is_bad(raw: bytes) -> bool:
    try:
        parse_message(raw)
    except InvalidMessageError:
        return True
    return False


def test_a_worker_never_dies_of_input(own_pipeline: Pipeline) -> None:
    """Both processes live on; good runs among it are summarised whole; all that is bad is set aside as it came."""
    chance = random.Random(20260101)
    worker, finalizer = own_pipeline.start("worker"), own_pipeline.start("finalizer")
    entries = [_entry(chance) for _ in range(_ENTRIES)]
    entries += _oddities(chance)
    scripts = [Script(f"good-{number}") for number in range(_RUNS)]
    for script in scripts:
        for raw in (script.started(), script.decision("d"), script.outcome("d", success=False), script.ended()):
            chance.choice(entries[:_ENTRIES]).append((b"good", raw.encode()))
    bad = Counter(raw for entry in entries for _, raw in entry if _is_bad(raw))

    stream = own_pipeline.keys.messages(0)
    with own_pipeline.redis.pipeline(transaction=False) as pipeline:
        for entry in entries:
            pipeline.execute_command("XADD", stream, "*", *(part for field in entry for part in field))
        pipeline.execute()
    wait_until(lambda: own_pipeline.redis.xlen(stream) == 0, timeout_s=60, what="all entries are worked off")

    # The end of a run may have come long before the rest: then there is another revision.
    own_pipeline.wait_until_idle()
    for script in scripts:
        summary = own_pipeline.summary(script.run_id, timeout_s=60)
        assert (RunStatus.COMPLETED, 1, 4) == (
            summary.status,
            summary.failed_decisions,
            summary.completeness.received,
        )
    assert bad == Counter(letter.message for letter in DeadLetters(own_pipeline.redis, own_pipeline.keys))
    assert (None, None) == (worker.poll(), finalizer.poll())
    assert "failed" not in {letter.code for letter in DeadLetters(own_pipeline.redis, own_pipeline.keys)}
