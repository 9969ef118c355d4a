"""What each part offers: what it lists is there, and what is there is listed."""

import importlib
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest

PARTS = ["runweaver.shared", "runweaver.producer", "runweaver.worker", "runweaver.query", "runweaver.console"]


def _offered(module: ModuleType) -> set[str]:
    """Public names of a package, but for its own modules."""
    return {
        name for name, value in vars(module).items() if not name.startswith("_") and not isinstance(value, ModuleType)
    }


@pytest.mark.parametrize("part", PARTS)
def test_a_part_lists_what_it_offers(part: str) -> None:
    """`__all__` holds exactly what can be imported, each name once and in order."""
    module = importlib.import_module(part)

    assert sorted(set(module.__all__)) == list(module.__all__)
    # A module of the same name may hide a name: `fold` is a function, and a module.
    assert set(module.__all__) == _offered(module)


@pytest.mark.parametrize("part", PARTS)
def test_what_a_part_offers_is_documented(part: str) -> None:
    """The part by itself, and each class and function in it."""
    module = importlib.import_module(part)
    assert module.__doc__

    undocumented = [
        name for name in module.__all__ if callable(getattr(module, name)) and not getattr(module, name).__doc__
    ]

    assert [] == undocumented


@pytest.mark.parametrize("part", PARTS)
def test_a_part_is_typed_and_the_namespace_is_open(part: str) -> None:
    """Each part has its `py.typed`; nothing claims the name `runweaver` for itself."""
    [directory] = importlib.import_module(part).__path__

    assert (Path(directory) / "py.typed").exists()
    assert not (Path(directory).parent / "__init__.py").exists()
    assert not hasattr(importlib.import_module("runweaver"), "__file__") or (
        importlib.import_module("runweaver").__file__ is None
    )


def test_an_agent_needs_little() -> None:
    """The producer works where only the base install is: none of the extras, and no other part."""
    absent = ["rq", "typer", "rich", "zstandard", "hiredis", *(f"runweaver.{part}" for part in ("worker", "query"))]
    # A module that is None cannot be imported.
    program = f"""
import sys
sys.modules.update(dict.fromkeys({absent}))
from runweaver.producer import Producer
from runweaver.shared.settings import ProducerSettings
producer = Producer(settings=ProducerSettings(redis_url="redis://127.0.0.1:1/0"))
with producer.start_run("goal") as run:
    run.record_outcome(run.quick_decision("Look", "Go there"), success=True)
producer.close(0)
print(producer.dropped)
"""

    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)

    # Four messages were recorded, and nobody was there to take them.
    assert ("4\n", 0) == (done.stdout, done.returncode), done.stderr
