"""The archive, and the run that is stored in part there and in part in the live set."""

import json
import tracemalloc

import pytest
import zstandard

from runweaver.shared.archive import Archive, StoredRun
from runweaver.shared.errors import CorruptArchiveError
from runweaver.shared.run import Run, RunStatus
from tests.support.messages import Script
from tests.unit.making import RUN_ID, stored


@pytest.fixture
def script() -> Script:
    return Script(RUN_ID)


def _read(archive: Archive, *raws: str) -> StoredRun:
    """The stored run as the finalizer reads it: the archive, where there is one, and what came since."""
    live = {identity.encode(): raw for identity, raw in stored(*raws).items()} if raws else {}
    return StoredRun.read(RUN_ID, live, archive.pack() if archive.revision else None)


def _summarised(archive: Archive, *raws: str) -> tuple[Archive, Run]:
    """The archive and the run after these messages came and the finalizer looked."""
    read = _read(archive, *raws)
    run = read.fold()
    return read.archive_for(run), run


def _summarised_as_stuck(archive: Archive, *raws: str) -> Archive:
    """The archive after these messages came and the run fell silent."""
    read = _read(archive, *raws)
    return read.archive_for(read.fold().as_stuck())


def test_late_counts_from_the_first_summary_of_the_ended_run(script: Script) -> None:
    """Not from the last one: two late messages and then one more are three."""
    late = [script.decision("d"), script.outcome("d"), script.problem("x")]
    archive, run = _summarised(Archive(), script.started(), script.ended())
    assert (0, 1) == (run.completeness.late, archive.revision)

    archive, run = _summarised(archive, *late[:2])
    assert (2, 2) == (run.completeness.late, archive.revision)

    archive, run = _summarised(archive, late[2])
    assert (3, 3) == (run.completeness.late, archive.revision)
    assert {"p": 3} == {name: producer.late for name, producer in run.completeness.producers.items()}


def test_a_producer_that_was_not_there_is_late_altogether(script: Script) -> None:
    """All that it sent came after the summary."""
    other = Script(RUN_ID, "other")
    archive, _ = _summarised(Archive(), script.started(), script.ended())

    _, run = _summarised(archive, other.decision("d"), other.left())

    assert {"other": 2, "p": 0} == {name: producer.late for name, producer in run.completeness.producers.items()}


def test_a_stuck_run_that_comes_back_has_nothing_late(script: Script) -> None:
    """It had not ended when it was summarised as stuck."""
    stuck = _summarised_as_stuck(Archive(), script.started(), script.decision("d"))
    assert (1, True, None) == (stuck.revision, stuck.stuck, stuck.on_time)

    archive, run = _summarised(stuck, script.outcome("d"), script.ended())

    assert (RunStatus.COMPLETED, 0) == (run.status, run.completeness.late)
    assert (2, False, {"p": 4}) == (archive.revision, archive.stuck, archive.on_time)


def test_a_stuck_run_stays_stuck_until_something_comes(script: Script) -> None:
    """With news it is running again."""
    raws = [script.started(), script.decision("d")]
    stuck = _summarised_as_stuck(Archive(), *raws)

    assert RunStatus.STUCK == _read(stuck).fold().status
    assert RunStatus.STUCK == _read(stuck, *raws).fold().status
    assert RunStatus.RUNNING == _read(stuck, script.outcome("d")).fold().status


def test_a_stuck_run_can_fall_silent_again(script: Script) -> None:
    """That is the next revision."""
    stuck = _summarised_as_stuck(Archive(), script.started())

    again = _summarised_as_stuck(stuck, script.decision("d"))

    assert (2, True) == (again.revision, again.stuck)


def test_messages_that_come_again_are_no_news(script: Script) -> None:
    """They are the same messages; the summary stays what it was, under the same revision."""
    raws = [script.started(), script.decision("d"), script.ended()]
    archive, run = _summarised(Archive(), *raws)

    read = _read(archive, *raws[:2])

    assert not read.has_news
    assert run == read.fold()
    assert archive == read.archive_for(read.fold())


def test_a_new_message_is_news(script: Script) -> None:
    """One is enough, also among others that are known."""
    raws = [script.started(), script.ended()]
    archive, _ = _summarised(Archive(), *raws)

    read = _read(archive, *raws, script.decision("d"))

    assert read.has_news
    assert 3 == len(read.messages)
    assert 2 == read.archive_for(read.fold()).revision


def test_json_with_line_breaks_survives(script: Script) -> None:
    """The archive has a message a line: pretty-printed JSON keeps its meaning there, and coming again is no news."""
    text = "a\nb\t\u2028c"
    raws = [json.dumps(json.loads(raw), indent=2) for raw in (script.decision("d", text), script.ended())]

    archive, run = _summarised(Archive(), *raws)
    read = _read(archive, *raws)

    assert text == run.decisions[0].intent
    assert run == _read(archive).fold()
    assert not read.has_news


def test_a_packed_archive_is_readable_text(script: Script) -> None:
    """`zstd -d` shows what it holds: a header, then identities and messages in order."""
    raws = stored(script.started(), script.ended())
    packed = Archive(dict(reversed(raws.items())), 2, on_time={"p": 2}).pack()

    header, *lines = zstandard.ZstdDecompressor().decompress(packed).split(b"\n")

    assert {"format": 1, "revision": 2, "stuck": False, "on_time": {"p": 2}} == json.loads(header)
    assert [identity.encode() + b"\t" + raw for identity, raw in raws.items()] == lines


def test_the_same_archive_gives_the_same_bytes(script: Script) -> None:
    """In whichever order its messages came."""
    raws = stored(script.started(), script.decision("d"), script.ended())

    assert Archive(raws, 1).pack() == Archive(dict(reversed(raws.items())), 1).pack()


def test_an_empty_place_holds_no_run() -> None:
    """Neither a live set nor an archive: there is nothing to fold."""
    assert not StoredRun.read(RUN_ID, {}, None).exists
    assert StoredRun.read(RUN_ID, {b"p#0": b"{}"}, None).exists
    assert StoredRun.read(RUN_ID, {}, Archive({"p#0": b"{}"}, 1).pack()).exists


def test_a_message_over_the_limit_that_was_stored_stays(script: Script) -> None:
    """A limit that was lowered since applies to new messages only."""
    raw = script.decision("d", "x" * (2 * 1024 * 1024)).encode()

    run = StoredRun.read(RUN_ID, {b"p#0": raw}, None).fold()

    assert 1 == run.metrics.total_decisions


def _frame(text: bytes) -> bytes:
    return zstandard.ZstdCompressor().compress(text)


_HEADER = b'{"format":1,"revision":1,"stuck":false,"on_time":null}'


@pytest.mark.parametrize(
    ("packed", "told"),
    [
        pytest.param(b"", "no zstandard frame", id="nothing"),
        pytest.param(b"{}", "no zstandard frame", id="no frame"),
        pytest.param(_frame(_HEADER)[:-3], "no zstandard frame", id="cut off"),
        pytest.param(_frame(_HEADER) + b"more", "no zstandard frame", id="followed by something"),
        pytest.param(
            zstandard.ZstdCompressor(write_content_size=False).compress(_HEADER), "an unknown size", id="no size"
        ),
        pytest.param(_frame(b""), "no header", id="an empty frame"),
        pytest.param(_frame(b"[" * 5_000), "no header", id="deep nesting"),
        pytest.param(_frame(_HEADER.replace(b"1", b"2", 1)), "no header of format 1", id="another format"),
        pytest.param(_frame(_HEADER.replace(b'n":1', b'n":-1')), "no header", id="a negative revision"),
        pytest.param(_frame(_HEADER.replace(b"null", b"[]")), "no header", id="on time is a list"),
        pytest.param(_frame(_HEADER + b"\n\xff\t{}"), "identity is no text", id="an identity that is no text"),
    ],
)
def test_what_is_no_archive_is_refused(packed: bytes, told: str) -> None:
    """With one error, that names the run and what is wrong."""
    with pytest.raises(CorruptArchiveError, match=f"the archive of {RUN_ID} cannot be read: .*{told}"):
        StoredRun.read(RUN_ID, {}, packed)


def test_an_archive_that_would_fill_our_memory_is_refused() -> None:
    """Whether it only claims to be so large, or really is: it is not unpacked."""
    claim = b"\x28\xb5\x2f\xfd\xe0" + (2**40).to_bytes(8, "little") + b"\x01\x00\x00"
    bomb = _frame(bytes(300 * 1024 * 1024))
    assert len(bomb) < 20_000

    tracemalloc.start()
    for packed in (claim, bomb):
        with pytest.raises(CorruptArchiveError, match="more than a run comes to"):
            Archive.unpack(packed)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()

    assert peak < 1024 * 1024


def test_a_large_archive_of_messages_that_are_alike_is_read(script: Script) -> None:
    """What agents really send packs well, and may."""
    raw = script.decision("d", "x" * 500_000).encode()
    archive = Archive({f"p#{number}": raw for number in range(60)}, 1)

    assert 60 == len(Archive.unpack(archive.pack()).messages)
