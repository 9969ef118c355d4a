"""The errors: one root, and a tree in the documentation that is the real one."""

import inspect
import pickle
import re

import pytest

from runweaver.shared import errors
from runweaver.shared.errors import (
    InvalidArgumentError,
    InvalidCursorError,
    InvalidMessageError,
    RunweaverError,
    ServerError,
    ServerUnreachableError,
)

ALL = [each for _, each in inspect.getmembers(errors, inspect.isclass) if each.__module__ == errors.__name__]


def _drawn() -> dict[str, str | None]:
    """Each class that the module's docstring draws, with its parent."""
    assert errors.__doc__ is not None
    parents: dict[str, str | None] = {}
    path: list[str] = []
    for line in errors.__doc__.splitlines():
        match = re.match(r"    (?P<branches>[│├└─ ]*)(?P<name>\w+Error)\b", line)
        if match:
            depth = len(match["branches"]) // 4
            path[depth:] = [match["name"]]
            parents[match["name"]] = path[depth - 1] if depth else None
    return parents


def test_the_tree_in_the_documentation_is_the_real_one() -> None:
    """Exactly the classes that exist, under their real parents."""
    real = {each.__name__: next((base.__name__ for base in each.__bases__ if base in ALL), None) for each in ALL}

    assert real == _drawn()


@pytest.mark.parametrize("error", ALL, ids=lambda error: error.__name__)
def test_every_error_has_the_root(error: type[Exception]) -> None:
    """`except RunweaverError` catches all; the name ends in Error; the docstring says what it means."""
    assert issubclass(error, RunweaverError)
    assert error.__name__.endswith("Error")
    assert error.__doc__


@pytest.mark.parametrize("error", [InvalidArgumentError, InvalidCursorError])
def test_bad_arguments_are_value_errors_too(error: type[Exception]) -> None:
    """Whoever knows nothing of us catches what Python raises for bad arguments."""
    assert issubclass(error, ValueError)


def test_an_invalid_message_has_a_code_and_a_text() -> None:
    """One for counting, one for reading."""
    error = InvalidMessageError("not-json", "no JSON here")

    assert ("not-json", "no JSON here") == (error.code, str(error))


def test_a_server_error_can_be_caught_as_the_docstring_shows() -> None:
    """Whatever the server does not do for us."""
    with pytest.raises(ServerError):
        raise ServerUnreachableError("away")


@pytest.mark.parametrize(
    "error",
    [
        pytest.param(InvalidArgumentError("bad"), id="InvalidArgumentError"),
        pytest.param(ServerUnreachableError("away"), id="ServerUnreachableError"),
        pytest.param(InvalidMessageError("not-json", "no JSON here"), id="InvalidMessageError"),
    ],
)
def test_errors_travel_between_processes(error: RunweaverError) -> None:
    """Process pools pickle what was raised."""
    copy = pickle.loads(pickle.dumps(error))  # noqa: S301

    assert (type(error), str(error), vars(error)) == (type(copy), str(copy), vars(copy))
