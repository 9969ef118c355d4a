"""The file of webhooks: what may stand in it, and what is said of what may not."""

import re
from pathlib import Path
from typing import Any

import pytest

from runweaver.console.webhooks import load_hooks
from runweaver.shared import RunStatus, SettingsError
from runweaver.shared.attention import AttentionFlag
from tests.support.receiver import SECRET, write_hooks

_GOOD = {"name": "a", "url": "https://example.test/hook"}


def _problem(path: Path) -> str:
    with pytest.raises(SettingsError) as raised:
        load_hooks(path)
    return str(raised.value)


def test_a_hook_is_read(tmp_path: Path) -> None:
    """With its filters; what is not said has a default."""
    filters = {"goals": ["x"], "statuses": ["failed", "stuck"], "attention": ["loop"]}
    [hook] = load_hooks(write_hooks(tmp_path / "hooks.toml", {**_GOOD, **filters}))

    assert ("a", bytes(range(32)), 1) == (hook.name, hook.key, hook.parallel)
    assert {"x"} == hook.wanted.goals
    assert {RunStatus.FAILED, RunStatus.STUCK} == hook.wanted.statuses
    assert {AttentionFlag.LOOP} == hook.wanted.attention


def test_a_secret_may_lie_elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """In a variable, or in a file, with a line break at its end."""
    monkeypatch.setenv("HOOK_SECRET", SECRET)
    (tmp_path / "secret").write_text(f"{SECRET}\n")
    path = tmp_path / "hooks.toml"
    path.write_text(
        f'[[hooks]]\nname = "a"\nurl = "http://a.test"\nsecret_env = "HOOK_SECRET"\n'
        f'[[hooks]]\nname = "b"\nurl = "http://b.test"\nsecret_file = "{tmp_path / "secret"}"\n'
    )

    assert [bytes(range(32))] * 2 == [hook.key for hook in load_hooks(path)]


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"name": "a b"}, r"hooks\[2\]\.name: "),
        ({"url": "ftp://example.test"}, r"hooks\[2\]: url: is no URL that begins with https:// or http://"),
        ({"url": "https://"}, r"hooks\[2\]: url: "),
        ({"url": "https://example.test:x"}, r"hooks\[2\]: url: "),
        ({"secret": "whsec_hidden"}, r"hooks\[2\]: the secret has to be whsec_ and base64 of 24 to 64 bytes"),
        ({"secret": SECRET.removeprefix("whsec_")}, r"hooks\[2\]: the secret has to be whsec_"),
        ({"secret_env": "NO_SUCH"}, r"hooks\[2\]: needs one of secret, secret_env and secret_file"),
        ({"statuses": ["running"]}, r"hooks\[2\]: statuses: 'running' is none of completed, failed"),
        ({"attention": ["odd"]}, r"hooks\[2\]: attention: 'odd' is none of retried, slow"),
        ({"goals": "x"}, r"hooks\[2\]\.goals: "),
        ({"timeout_s": 31}, r"hooks\[2\]\.timeout_s: .*less than or equal to 30"),
        ({"timeout_s": -1}, r"hooks\[2\]\.timeout_s: "),
        ({"attempts": "many"}, r"hooks\[2\]\.attempts: "),
        ({"retries": 3}, r"hooks\[2\]\.retries: Extra inputs are not permitted"),
        ({"name": "first"}, "two hooks are called 'first'"),
    ],
    ids=str,
)
def test_what_makes_no_sense_is_told_with_its_place(tmp_path: Path, changes: dict[str, Any], said: str) -> None:
    """Which hook, which field, what is allowed; and never a secret."""
    path = write_hooks(tmp_path / "hooks.toml", {**_GOOD, "name": "first"}, {**_GOOD, **changes})

    problem = _problem(path)

    assert problem.startswith(f"{path}: ")
    assert re.search(said, problem), problem
    assert "hidden" not in problem
    assert SECRET.removeprefix("whsec_") not in problem


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "hooks: Field required"),
        ("hooks = []", "hooks: List should have at least 1 item"),
        ("[[hooks]", "is no TOML"),
        (f'[[hooks]]\nname = "a"\nsecret = "{SECRET}"', r"hooks\[1\]\.url: Field required"),
        ('[[hooks]]\nname = "a"\nurl = "http://a"\nsecret_env = "NO_SUCH"', "the variable NO_SUCH is not set"),
        ('[[hooks]]\nname = "a"\nurl = "http://a"\nsecret_file = "/no/such"', "/no/such cannot be read"),
        ('[[hooks]]\nname = "a"\nurl = "http://a"', "needs one of secret, secret_env and secret_file"),
    ],
)
def test_a_file_that_is_none_is_told(tmp_path: Path, text: str, said: str) -> None:
    """In one line."""
    path = tmp_path / "hooks.toml"
    path.write_text(text)

    problem = _problem(path)

    assert re.search(said, problem), problem
    assert 1 == len(problem.splitlines())


def test_there_has_to_be_a_file(tmp_path: Path) -> None:
    """One that is named, and can be read."""
    assert "cannot be read" in _problem(tmp_path / "no-such")
    assert "cannot be read" in _problem(tmp_path)
    with pytest.raises(SettingsError, match="RUNWEAVER_WEBHOOKS"):
        load_hooks(None)
