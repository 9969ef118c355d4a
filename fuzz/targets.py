"""What is fuzzed: for each kind of input, what it is made of, valid examples to begin with, and what must hold.

A new kind of input is a property in `properties`, and one more line in `TARGETS`.
"""

import json
from base64 import urlsafe_b64encode
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

import zstandard

from fuzz import properties
from fuzz.examples import ENTRY_ID, FIGURES, MESSAGES, RUN_ID, SUMMARY, archive, spool_file
from fuzz.model_answers import answer_is_believed_or_thrown_out
from fuzz.objects import odd_object
from fuzz.source import Source
from runweaver.query.places import Place, as_cursor
from runweaver.shared.settings import FinalizerSettings, WorkerSettings
from runweaver.worker.consume import Entry
from runweaver.worker.finalize_job import FINALIZE, FINALIZE_SILENT

#: The first byte of an input: the rest is taken as it stands, or as choices to make it from.
AS_IT_STANDS: Final = b"\x00"
AS_CHOICES: Final = b"\x01"


@dataclass(frozen=True)
class Target:
    """One kind of input."""

    #: Makes the input from the bytes, and holds it to its property.
    run: Callable[[bytes], None]
    #: Valid input.
    seeds: tuple[bytes, ...]
    #: How much of the time it gets, in proportion to the others.
    weight: int = 1


def _message(data: bytes) -> None:
    properties.message_is_refused_or_can_be_told(_json_like(Source(data), MESSAGES))


def _entries(data: bytes) -> None:
    source = Source(data)
    made = [
        Entry(
            source.below(3),
            f"{source.pick((0, 1, 1767226200000, 2**64 - 1)) if not source.below(8) else 1767226200000}-{number}",
            tuple(source.some(lambda: _one_of_an_entry(source), 4)),
        )
        for number in range(1 + source.below(3))
    ]
    properties.entries_are_sorted_out(made)


def _one_of_an_entry(source: Source) -> bytes:
    kind = source.below(4)
    if kind == 0:
        return source.take(source.below(64))
    if kind == 1:
        return json.dumps(source.pick(MESSAGES)).encode()
    return source.mutated(source.pick(MESSAGES))


def _archive(data: bytes) -> None:
    source = Source(data)
    if not source.flag():
        properties.archive_is_read_or_refused(source.rest())
        return
    header = source.mutated({"format": 1, "revision": 1, "stuck": False, "on_time": {"p": 9}})
    lines = [header.replace(b"\n", b" ")]
    for message in source.some(lambda: source.mutated(source.pick(MESSAGES)), 5):
        identity = f"p#{len(lines)}".encode() if source.below(4) else source.take(source.below(8))
        lines.append(identity + b"\t" + message.replace(b"\n", b" "))
    level = zstandard.ZstdCompressor(level=1, write_content_size=source.below(4) != 1)
    properties.archive_is_read_or_refused(level.compress(b"\n".join(lines)) + source.take(source.below(2)))


def _cursor(data: bytes) -> None:
    source = Source(data)
    if source.flag():
        properties.cursor_is_refused_or_gives_a_page(urlsafe_b64encode(source.mutated([1000.0, RUN_ID])).decode())
    else:
        properties.cursor_is_refused_or_gives_a_page(source.rest().decode(errors="surrogateescape"))


def _summary(data: bytes) -> None:
    properties.summary_is_read_or_refused(_json_like(Source(data), (json.loads(SUMMARY.model_dump_json()),)))


def _figures(data: bytes) -> None:
    raw = _json_like(Source(data), (json.loads(FIGURES.model_dump_json()),))
    properties.figures_are_told_or_left_out(zstandard.ZstdCompressor(level=1).compress(raw) if raw else raw)


_WORDS: Final = (
    *("why", "trace", "compare", "insights", "--nearest", "--evidence"),
    *("runs", "show", "status", "dead-letters", "list", "replay", "drop", "--goal", "--status", "--node", "--limit"),
    *("--cursor", "--json", "--full", "--all", "--log-level", "--log-format", "--help", "--", RUN_ID, "0:1-0", "-1"),
    *("export", "--tag", "--attention", "--severity", "--min-tokens", "--min-duration", "--since", "--until", "--grep"),
    *("--csv", "--resume", "loop", "critical", "2h", "7d", "2026-01-31"),
    *("failed", "running", "goal", "99999999999999999999", "debug", "json", "text", "run-2", "--limit=1", "0:1-1"),
)


def _command_line(data: bytes) -> None:
    source = Source(data)
    begin = source.pick(
        (
            (),
            ("runs",),
            ("show",),
            ("why",),
            ("compare",),
            ("insights",),
            ("dead-letters", "replay"),
            ("dead-letters", "drop"),
        )
    )
    rest = source.some(lambda: source.pick(_WORDS) if source.flag() else _long(source), 6)
    properties.command_line_ends_well([*begin, *rest])


def _long(source: Source) -> str:
    """Text, now and then a very long one."""
    text = source.text()
    return text * 2_000 if not source.below(16) else text


_VARIABLES: Final = tuple(
    sorted(f"RUNWEAVER_{name.upper()}" for role in (WorkerSettings, FinalizerSettings) for name in role.model_fields)
)
_SETTINGS: Final = ("1", "0", "-1", "1e308", "1e400", "nan", "inf", "9" * 20, "9" * 5000, "", " 5 ", "true", "[]", "５")


def _environment(data: bytes) -> None:
    source = Source(data)
    made: dict[str, str] = {}
    for name in source.some(lambda: source.pick(_VARIABLES), 4):
        text = source.pick(_SETTINGS) if source.flag() else source.text()
        made[name] = text.replace("\0", "")
    properties.environment_is_refused_or_makes_sense(made)


_URL_PARTS: Final = (
    *("redis://", "rediss://", "unix://", "http://", "//", ":", "@", "/", "?", "#", "[", "]", "%", "&", "=", ".."),
    *("localhost", "example.test", "6379", "0", "[::1]", "user", "%00", "db", "decode_responses", "protocol", "foo"),
    *("ssl_cert_reqs", "none", "host", "port", "retry", "true", "max_connections", "99999", "encoding", "utf-16"),
)


def _url(data: bytes) -> None:
    source = Source(data)
    if not source.flag():
        properties.url_is_refused_or_makes_a_client(source.rest().decode(errors="surrogateescape").replace("Pa55", ""))
        return
    parts = [source.pick(_URL_PARTS) if source.below(4) else source.text() for _ in range(source.below(9))]
    url = "".join(parts)
    if source.flag():
        # Where a user and a password are, however odd, they come before the last @, or among the options.
        url = f"redis://user:{properties.HIDDEN_MARK}{source.text()}@{url.replace('@', '')}"
    properties.url_is_refused_or_makes_a_client(url)


def _job(data: bytes) -> None:
    source = Source(data)
    run_ids = [RUN_ID, "foreign", "", "{}", "}{", "a b", "\ud800", "x" * 300, 5, None]
    arguments: Any
    shape = source.below(4)
    if shape == 0:
        arguments = [source.some(lambda: source.pick(run_ids), 30)]
    elif shape == 1:
        arguments = [{str(source.pick(run_ids)): source.value(1) for _ in range(source.below(4))}]
    else:
        arguments = source.some(source.value, 3)
    options: Mapping[str, Any] = (
        {"settled": source.value(1)}
        if source.flag()
        else dict(source.some(lambda: (source.text(), source.value(1)), 2))
    )
    properties.job_is_refused_or_harmless(source.pick((FINALIZE, FINALIZE_SILENT, "os.system")), arguments, options)


def _argument(data: bytes) -> None:
    properties.argument_is_refused_or_sent(odd_object(Source(data)))


def _spool(data: bytes) -> None:
    """A spool file as it stands, or a good one with some bytes changed: of the file, or of the log beside it."""
    source = Source(data)
    if not source.flag():
        properties.spool_is_sent_or_set_aside(source.text(), source.rest(), b"")
        return
    file, log = (bytearray(each) for each in spool_file())
    for _ in range(source.below(8)):
        changed = source.pick((file, log))
        at = source.below(len(changed))
        # Most of a page is empty: what counts stands at its beginning and at its end.
        at = at % 120 + source.pick((0, len(changed) - 120)) if source.flag() else at
        changed[at] = source.below(256)
    if source.flag():
        del log[source.below(len(log)) :]
    properties.spool_is_sent_or_set_aside("x", bytes(file), bytes(log))


_SAID: Final = (
    *("The run succeeded", "failed", "all is fine", "https://example.test/x", "www.", "](", "<b>", "\x1b[2J", "\u202e"),
    *("x" * 500, "No seat was left", ".", "Ignore the above", "\ud800"),
)
_NAMED: Final = ("d1", "d2", "p1", " d1", "d01", "d-1", "d999", "run", "", "dec-1")


def _model_answer(data: bytes) -> None:
    source = Source(data)
    raws = source.some(lambda: source.mutated(source.pick(MESSAGES)), 6)
    said = source.some(
        lambda: (
            " ".join(source.some(lambda: source.pick(_SAID) if source.flag() else source.text(), 3)),
            source.some(lambda: source.pick(_NAMED), 3),
        ),
        12,
    )
    answer_is_believed_or_thrown_out([*map(_written, MESSAGES), *raws], said)


def _written(message: Mapping[str, Any]) -> bytes:
    return json.dumps(message).encode()


def _json_like(source: Source, examples: tuple[dict[str, Any], ...]) -> bytes:
    return source.mutated(source.pick(examples)) if source.flag() else source.rest()


_SOME_CHOICES: Final = tuple(AS_CHOICES + bytes((n * factor) % 256 for n in range(60)) for factor in (1, 7, 31, 101))
_RAW_MESSAGES: Final = tuple(json.dumps(message).encode() for message in MESSAGES)

TARGETS: Final[dict[str, Target]] = {
    "messages": Target(_message, tuple(AS_IT_STANDS + raw for raw in _RAW_MESSAGES) + _SOME_CHOICES, weight=3),
    "entries": Target(_entries, _SOME_CHOICES, weight=3),
    "archives": Target(
        _archive,
        (AS_IT_STANDS + archive({"p#0": _RAW_MESSAGES[0], f"{ENTRY_ID}|0#0": _RAW_MESSAGES[8]}).pack(), *_SOME_CHOICES),
        weight=3,
    ),
    "cursors": Target(_cursor, (AS_IT_STANDS + as_cursor(Place(1000.0, RUN_ID)).encode(), *_SOME_CHOICES)),
    "summaries": Target(_summary, (AS_IT_STANDS + SUMMARY.model_dump_json().encode(), *_SOME_CHOICES)),
    "figures": Target(_figures, (AS_IT_STANDS + FIGURES.model_dump_json().encode(), *_SOME_CHOICES)),
    "command-line": Target(_command_line, _SOME_CHOICES),
    "environment": Target(_environment, _SOME_CHOICES),
    "urls": Target(_url, (AS_IT_STANDS + b"redis://user:word@localhost:6379/0?db=1", *_SOME_CHOICES)),
    "jobs": Target(_job, _SOME_CHOICES),
    "arguments": Target(_argument, _SOME_CHOICES),
    "model-answers": Target(_model_answer, _SOME_CHOICES),
    "spools": Target(_spool, (AS_IT_STANDS + spool_file()[0], *_SOME_CHOICES)),
}
