"""Every kind of input that enters, whatever it is: what must hold of it stands in `fuzz/properties.py`.

Here it is tried with some examples; `make fuzz` tries it for as long as one likes.
"""

import logging
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from fuzz import properties
from fuzz.objects import ODD_OBJECTS, odd_object
from fuzz.source import Source
from fuzz.targets import AS_CHOICES, TARGETS
from runweaver.shared.archive import Archive
from runweaver.worker.consume import Entry
from runweaver.worker.finalize_job import FINALIZE, FINALIZE_SILENT
from tests.unit.strategies import entries, json_values

#: All characters, also halves of them.
_any_text = st.text(st.characters(), max_size=60)

#: Some targets set up a server in memory, and take their time.
_SLOW = {"command-line", "summaries", "figures", "arguments"}


def _trying(examples: int) -> settings:
    return settings(
        max_examples=examples,
        deadline=None,
        suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
    )


@pytest.fixture(autouse=True)
def quiet() -> Iterator[None]:
    """What is found bad is logged as well: that is not the point here."""
    logging.disable(logging.CRITICAL)
    yield
    logging.disable(logging.NOTSET)


@pytest.mark.parametrize("name", TARGETS)
def test_examples_of_each_target_hold(name: str) -> None:
    """The valid input that the fuzzer begins with."""
    for seed in TARGETS[name].seeds:
        TARGETS[name].run(seed)


@pytest.mark.parametrize("name", sorted(TARGETS.keys() - _SLOW))
@_trying(150)
@given(st.binary(max_size=120))
def test_whatever_a_target_makes_of_bytes_holds(name: str, data: bytes) -> None:
    """What the fuzzer tries for hours, for a moment."""
    TARGETS[name].run(AS_CHOICES + data)


@pytest.mark.parametrize("name", sorted(_SLOW))
@_trying(30)
@given(st.binary(max_size=120))
@example(b"\x00\x01\xd6\x04\x01\x93")  # a summary whose tokens are less than none
def test_whatever_a_slow_target_makes_of_bytes_holds(name: str, data: bytes) -> None:
    """The same, fewer times."""
    TARGETS[name].run(AS_CHOICES + data)


@_trying(150)
@given(st.lists(st.binary(max_size=30), max_size=4), entries(max_size=6))
def test_every_message_of_an_entry_is_merged_or_set_aside_once(bad: list[bytes], good: list[Entry]) -> None:
    """Whatever stands beside it."""
    properties.entries_are_sorted_out([Entry(0, "1-0", tuple(bad)), *good])


@_trying(150)
@given(st.binary(max_size=200))
def test_bytes_in_place_of_an_archive_are_refused(packed: bytes) -> None:
    """With one error, and without taking memory."""
    properties.archive_is_read_or_refused(packed)


@_trying(80)
@given(st.data())
def test_a_damaged_archive_is_read_or_refused(data: st.DataObject) -> None:
    """A few bytes of a good one are others."""
    packed = bytearray(Archive({"p#0": b"{}", "p#1": b"[]"}, 1, on_time={"p": 2}).pack())
    for at in data.draw(st.lists(st.integers(0, len(packed) - 1), max_size=3)):
        packed[at] = data.draw(st.integers(0, 255))

    properties.archive_is_read_or_refused(bytes(packed))


@_trying(100)
@given(_any_text)
def test_any_text_as_a_cursor_is_refused_or_gives_a_page(cursor: str) -> None:
    """Never another error."""
    properties.cursor_is_refused_or_gives_a_page(cursor)


@_trying(200)
@given(_any_text)
def test_any_text_as_a_url_is_refused_or_makes_a_client(url: str) -> None:
    """Never another error, also not when the client makes its connection."""
    properties.url_is_refused_or_makes_a_client(url)


@_trying(40)
@given(
    st.sampled_from([(), ("runs", "--goal"), ("runs", "--status"), ("runs", "--node"), ("runs", "--limit")])
    | st.sampled_from([("runs", "--cursor"), ("show",), ("show", "--full"), ("--log-level",)])
    | st.sampled_from([("why",), ("trace",), ("compare", "run-2"), ("insights",), ("insights", "--since"), ("export",)])
    | st.sampled_from([("dead-letters", "replay"), ("dead-letters", "drop"), ("dead-letters", "list", "--limit")]),
    st.lists(_any_text, max_size=2),
)
def test_a_command_with_any_text_ends_well(begin: tuple[str, ...], rest: list[str]) -> None:
    """With 0, 1 or 2, and no traceback."""
    properties.command_line_ends_well([*begin, *rest])


@_trying(100)
@given(st.sampled_from([FINALIZE, FINALIZE_SILENT, "os.system"]), st.lists(json_values, max_size=3), json_values)
def test_a_job_with_any_arguments_is_refused_or_harmless(function: str, arguments: list[Any], option: Any) -> None:
    """Whoever can write to RQ can ask for anything."""
    properties.job_is_refused_or_harmless(function, arguments, {"settled": option} if option else {})


@pytest.mark.parametrize("number", range(ODD_OBJECTS))
def test_each_odd_object_is_refused_or_sent(number: int) -> None:
    """By itself, in every place of a message."""
    properties.argument_is_refused_or_sent(odd_object(Source(bytes([0, number])), depth=0))
