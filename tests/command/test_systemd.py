"""deploy/systemd: units that systemd takes, closed as far as they can be, with commands and settings that there are."""

import re
import shutil
import subprocess
from pathlib import Path
from typing import Final

import pytest
from typer.core import TyperGroup
from typer.main import get_command

from runweaver.console.cli import app
from runweaver.shared import FinalizerSettings, ServerSettings, WorkerSettings
from tests.support.deployed import SCRIPTS, VARIABLES_OF_ALL
from tests.support.secured import DEPLOY

_UNITS: Final = sorted((DEPLOY / "systemd").glob("*.service"))
_PROGRAM: Final = "/opt/runweaver/bin/runweaver"
_SETTINGS: Final[tuple[type[ServerSettings], ...]] = (WorkerSettings, FinalizerSettings)

_each_unit = pytest.mark.parametrize("unit", _UNITS, ids=lambda unit: unit.stem)
_needs_systemd = pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="needs systemd-analyze")


def _values(unit: Path, name: str) -> list[str]:
    return re.findall(rf"^{name}=(.*)$", unit.read_text(), re.MULTILINE)


def _analyze(command: str, unit: Path, directory: Path, *options: str) -> subprocess.CompletedProcess[str]:
    """Let systemd look at the unit, with the program of this installation in the place of that of a real machine."""
    copy = directory / unit.name
    copy.write_text(unit.read_text().replace(_PROGRAM, str(SCRIPTS / "runweaver")))
    return subprocess.run(
        ["systemd-analyze", "--no-pager", *options, command, str(copy)],  # noqa: S607
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


@_needs_systemd
@_each_unit
def test_systemd_takes_the_unit(unit: Path, tmp_path: Path) -> None:
    """Without an error, and without a warning: a name that it does not know would only be one."""
    done = _analyze("verify", unit, tmp_path)

    # Units of the machine on which this runs may have faults of their own.
    assert [] == [line for line in done.stderr.splitlines() if "runweaver" in line]
    assert 0 == done.returncode, done.stderr


@_needs_systemd
@_each_unit
def test_the_unit_may_do_little(unit: Path, tmp_path: Path) -> None:
    """Systemd's own measure of what a service could do, from 0.0 to 10.0, is no higher than 2.0."""
    done = _analyze("security", unit, tmp_path, "--offline=yes", "--threshold=20")

    assert 0 == done.returncode, done.stdout.splitlines()[-1]


@_each_unit
def test_it_runs_a_command_that_there_is(unit: Path) -> None:
    """Each unit is named after the command that it runs."""
    commands = get_command(app)
    assert isinstance(commands, TyperGroup)
    (line,) = _values(unit, "ExecStart")
    name = unit.stem.removeprefix("runweaver-").removesuffix("@")

    assert f"{_PROGRAM} {name}" == line
    assert name in commands.commands


@_each_unit
def test_it_comes_back_and_has_time_to_stop(unit: Path) -> None:
    """A process needs up to five seconds to stop in order; one that ended is started again, however often."""
    assert ["always"] == _values(unit, "Restart")
    assert ["0"] == _values(unit, "StartLimitIntervalSec")
    assert ["SIGTERM"] == _values(unit, "KillSignal")
    assert int(_values(unit, "TimeoutStopSec")[0]) >= 10


@_each_unit
def test_its_files_of_settings_are_there_to_be_copied(unit: Path) -> None:
    """Each that it names has an example beside it, and says of itself where it belongs."""
    named = [Path(value) for value in _values(unit, "EnvironmentFile")]

    assert ["runweaver.env", f"{unit.stem.removeprefix('runweaver-').removesuffix('@')}.env"] == [
        path.name for path in named
    ]
    for path in named:
        assert (DEPLOY / "systemd" / path.name).read_text().startswith(f"# {path}")


@pytest.mark.parametrize("file", sorted((DEPLOY / "systemd").glob("*.env")), ids=lambda file: file.name)
def test_every_variable_is_a_setting(file: Path) -> None:
    """Also those of the lines that are left out, and those that units set."""
    fields = {f"RUNWEAVER_{field.upper()}" for settings in _SETTINGS for field in settings.model_fields}
    set_there = set(re.findall(r"^(?:# )?(RUNWEAVER_\w+)=", file.read_text(), re.MULTILINE))
    set_by_units = {value.partition("=")[0] for unit in _UNITS for value in _values(unit, "Environment")}

    assert set_there
    assert set() == (set_there | set_by_units) - fields - VARIABLES_OF_ALL


def test_there_is_no_password_in_the_files() -> None:
    """They have a place for it; and what holds one is said to be for root alone."""
    for file in (DEPLOY / "systemd").glob("*.env"):
        passwords = re.findall(r"://\w+:([^@]*)@", file.read_text())
        assert {"<password>"} >= set(passwords)
        assert bool(passwords) == ("mode 600" in file.read_text())
