"""The wheel that users install holds all parts, and puts nothing else into their site-packages."""

import shutil
import subprocess
import sys
from email import message_from_bytes
from email.message import Message
from importlib.util import find_spec
from pathlib import Path, PurePosixPath
from typing import Final
from zipfile import ZipFile

import pytest

_REPOSITORY: Final = Path(__file__).parents[2]
_PARTS: Final = ("shared", "producer", "worker", "query", "console")


def _image_context() -> list[str]:
    """What the image is built from: .dockerignore lets nothing else through."""
    lines = (_REPOSITORY / ".dockerignore").read_text().splitlines()
    assert "*" in lines
    return [line.removeprefix("!") for line in lines if line.startswith("!")]


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Built as the Dockerfile builds it, from the same files and no others."""
    source = tmp_path_factory.mktemp("source")
    for name in _image_context():
        path = _REPOSITORY / name
        if path.is_dir():
            shutil.copytree(path, source / name, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(path, source / name)
    target = tmp_path_factory.mktemp("wheel")
    # Without the build backend at hand, pip fetches it.
    isolation = [] if find_spec("hatchling") is None else ["--no-build-isolation"]
    subprocess.run(
        [sys.executable, "-m", "pip", "wheel", str(source), "--no-deps", "--quiet", *isolation, "-w", str(target)],
        check=True,
    )
    (built,) = target.glob("*.whl")
    return built


@pytest.fixture(scope="module")
def names(wheel: Path) -> set[str]:
    """The files in the wheel."""
    with ZipFile(wheel) as archive:
        return set(archive.namelist())


@pytest.fixture(scope="module")
def metadata(wheel: Path) -> Message:
    """What the wheel says of itself."""
    with ZipFile(wheel) as archive:
        (name,) = (name for name in archive.namelist() if name.endswith(".dist-info/METADATA"))
        return message_from_bytes(archive.read(name))


def test_it_holds_every_module_of_every_part(names: set[str]) -> None:
    """What lies in five folders of the repository is one package for the user."""
    expected = {
        path.relative_to(_REPOSITORY / part).as_posix()
        for part in _PARTS
        for path in (_REPOSITORY / part).rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }

    assert expected == {name for name in names if name.startswith("runweaver/")}
    assert set(_PARTS) == {PurePosixPath(name).parts[1] for name in expected}


@pytest.mark.parametrize("part", _PARTS)
def test_each_part_is_a_typed_package(names: set[str], part: str) -> None:
    """Type checkers look at a package only if it says that it is typed."""
    assert {f"runweaver/{part}/__init__.py", f"runweaver/{part}/py.typed"} <= names


def test_the_namespace_belongs_to_nobody(names: set[str]) -> None:
    """Other distributions can add parts: an `__init__.py` above them would hide those."""
    assert "runweaver/__init__.py" not in names


def test_it_brings_no_other_package(names: set[str]) -> None:
    """Nothing called `shared` or `tests` lands beside the packages of others."""
    top_level = {PurePosixPath(name).parts[0] for name in names}

    assert {"runweaver"} == {name for name in top_level if not name.endswith(".dist-info")}


def test_it_brings_the_command_and_its_extra(wheel: Path, metadata: Message) -> None:
    """The image installs the extras `console` and `webhooks` of the wheel, and runs the command `runweaver`."""
    with ZipFile(wheel) as archive:
        (name,) = (name for name in archive.namelist() if name.endswith(".dist-info/entry_points.txt"))
        assert "runweaver = runweaver.console.__main__:main" in archive.read(name).decode()
    assert {"console", "webhooks"} <= set(metadata.get_all("Provides-Extra", []))
