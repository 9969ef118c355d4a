"""The file that says what is posted where."""

import os
import tomllib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, Final, Self
from urllib.parse import urlsplit

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, PrivateAttr, ValidationError, model_validator

from runweaver.console.webhooks.signature import read_secret
from runweaver.query.selection import Selection
from runweaver.shared.attention import AttentionFlag
from runweaver.shared.errors import SettingsError
from runweaver.shared.run import RunStatus


def _as_path(value: Any) -> Any:
    return Path(value) if isinstance(value, str) else value


_FileName = Annotated[Path, BeforeValidator(_as_path)]


class Hook(BaseModel):
    """Where to post summaries, and which. All that matches goes there once; an absent filter matches everything."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, hide_input_in_errors=True)

    #: Names its consumer group: under another name, it begins anew.
    name: Annotated[str, Field(pattern=r"^[A-Za-z0-9._-]{1,50}$")]
    #: `https://` or `http://`. It may hold a secret, and is not logged.
    url: str = Field(repr=False)
    #: `whsec_` and base64; or the variable, or the file, that holds that. One of the three.
    secret: str | None = Field(default=None, repr=False)
    secret_env: str | None = None
    secret_file: _FileName | None = None

    goals: list[str] = Field(default_factory=list)
    statuses: list[str] = Field(default_factory=list)
    attention: list[str] = Field(default_factory=list)

    #: How long to wait for a connection, and for each part of an answer (seconds).
    timeout_s: Annotated[float, Field(strict=False, gt=0, le=30)] = 10.0
    #: How often it is tried, before it becomes a dead letter.
    attempts: Annotated[int, Field(ge=1, le=30)] = 12
    #: The pause after the first failure (seconds); each further one is twice as long, up to the last.
    first_retry_s: Annotated[float, Field(strict=False, gt=0, le=3600)] = 1.0
    last_retry_s: Annotated[float, Field(strict=False, gt=0, le=86_400)] = 600.0
    #: How many are posted at the same time.
    parallel: Annotated[int, Field(ge=1, le=32)] = 1

    _key: bytes = PrivateAttr(default=b"")
    _wanted: Selection = PrivateAttr(default_factory=Selection)

    @model_validator(mode="after")
    def _check(self) -> Self:
        parts = urlsplit(self.url)
        if parts.scheme not in ("http", "https") or not parts.hostname or not _has_port(self.url):
            raise ValueError("url: is no URL that begins with https:// or http://")
        ended = [status.value for status in RunStatus if status is not RunStatus.RUNNING]
        for name, given, known in (("statuses", self.statuses, ended), ("attention", self.attention, AttentionFlag)):
            if unknown := [word for word in given if word not in list(known)]:
                raise ValueError(f"{name}: {unknown[0]!r:.100} is none of {', '.join(known)}")
        self._wanted = Selection.of(goals=self.goals, statuses=self.statuses, attention=self.attention)
        self._key = read_secret(self._secret())
        return self

    @property
    def key(self) -> bytes:
        """What it signs with."""
        return self._key

    @property
    def wanted(self) -> Selection:
        """What is posted."""
        return self._wanted

    @property
    def where(self) -> str:
        """The host, fit for logs: the rest of the URL may be a secret."""
        parts = urlsplit(self.url)
        return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}"

    def _secret(self) -> str:
        named = [name for name in ("secret", "secret_env", "secret_file") if getattr(self, name) is not None]
        if len(named) != 1:
            raise ValueError("needs one of secret, secret_env and secret_file")
        if self.secret_env is not None:
            if self.secret_env not in os.environ:
                raise ValueError(f"secret_env: the variable {self.secret_env} is not set")
            return os.environ[self.secret_env]
        if self.secret_file is not None:
            try:
                return self.secret_file.read_text(encoding="utf-8")
            except (OSError, ValueError) as error:
                reason = error.strerror if isinstance(error, OSError) else "it is no text"
                raise ValueError(f"secret_file: {self.secret_file} cannot be read ({reason})") from None
        return self.secret or ""


class _File(BaseModel):
    model_config = ConfigDict(extra="forbid", hide_input_in_errors=True)

    hooks: Annotated[list[Hook], Field(min_length=1)]


_NO_FILE: Final = (
    "which webhooks there are is not said: name the file with --config or RUNWEAVER_WEBHOOKS, see docs/listening.md"
)


def load_hooks(path: Path | None) -> list[Hook]:
    """Read the file.

    Raises:
        SettingsError: there is none, or something in it makes no sense; the text says where, and shows no secret.
    """
    if path is None:
        raise SettingsError(_NO_FILE)
    try:
        hooks = _File.model_validate(_read(path)).hooks
    except ValidationError as error:
        problems = [f"{_place(problem['loc'])}{_told(problem)}" for problem in error.errors(include_input=False)]
        raise SettingsError(f"{path}: {'; '.join(problems[:5])}") from None
    names = [hook.name for hook in hooks]
    if twice := [name for name in names if names.count(name) > 1]:
        raise SettingsError(f"{path}: two hooks are called {twice[0]!r}")
    return hooks


def _read(path: Path) -> Mapping[str, Any]:
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise SettingsError(f"{path}: cannot be read ({error.strerror})") from None
    except ValueError as error:
        # Of TOML that is none: where, and what was expected there.
        raise SettingsError(f"{path}: is no TOML ({error})") from None


def _place(location: Sequence[int | str]) -> str:
    """Where in the file, as one would write it: `hooks[1].url: `; counted from 1, as people do."""
    text = "".join(f"[{part + 1}]" if isinstance(part, int) else f".{part}" for part in location)
    return f"{text.removeprefix('.')}: " if text else ""


def _told(problem: Any) -> str:
    return str(problem["msg"]).removeprefix("Value error, ")


def _has_port(url: str) -> bool:
    try:
        return urlsplit(url).port != 0
    except ValueError:
        return False
