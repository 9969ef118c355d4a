"""Commands as bytes."""

import importlib.util
import sys
from types import ModuleType
from typing import Final

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runweaver.shared import exchange
from runweaver.shared.cluster import key_of

_arguments: Final = st.one_of(st.text(), st.binary(), st.integers(), st.floats(allow_nan=False))


@pytest.fixture(scope="module")
def without_hiredis() -> ModuleType:
    """The module as it is where an agent has only the base install."""
    assert exchange.__file__ is not None
    spec = importlib.util.spec_from_file_location("exchange_without_hiredis", exchange.__file__)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(sys.modules, "hiredis", None)
        spec.loader.exec_module(module)
    return module


@given(st.lists(st.lists(_arguments, min_size=1).map(tuple), max_size=5))
def test_the_bytes_are_the_same_without_hiredis(without_hiredis: ModuleType, commands: list[exchange.Command]) -> None:
    """Texts, bytes, numbers: an agent sends what a worker would send."""
    assert exchange.pack(commands) == without_hiredis.pack(commands)


@pytest.mark.parametrize(
    ("command", "key"),
    [
        (("HSET", "run", "field", "value"), "run"),
        (("EVAL", "return 1", 2, "due", "active", "x"), "due"),
        (("MEMORY", "USAGE", "run"), "run"),
        (("XGROUP", "CREATE", "stream", "group", "0"), "stream"),
        (("XREADGROUP", "GROUP", "g", "name", "COUNT", 1, "STREAMS", "stream", ">"), "stream"),
        (("XREAD", "BLOCK", 5, b"STREAMS", b"stream", "0"), b"stream"),
        (("TIME",), None),
        (("info", "server"), None),
    ],
)
def test_the_key_of_a_command(command: exchange.Command, key: str | bytes | None) -> None:
    """It says which server of a cluster the command is for."""
    assert key == key_of(command)
