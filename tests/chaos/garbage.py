"""What no worker may take for a message: each kind that has ever been seen on a wire, and some that have not."""

import json
import random
from collections.abc import Callable
from typing import Any, Final


def garbage(dice: random.Random, like: bytes) -> bytes:
    """Some bytes, nearly always other ones; `like` is a good message, from which some kinds are made."""
    return dice.choice(_KINDS)(dice, like)


def _random_bytes(dice: random.Random, _like: bytes) -> bytes:
    # The first one makes sure that it is no JSON by accident.
    return b"\xff" + dice.randbytes(dice.randint(0, 200))


def _torn(dice: random.Random, like: bytes) -> bytes:
    return like[: dice.randrange(len(like))]


def _doubled(_dice: random.Random, like: bytes) -> bytes:
    return like + like


def _changed(field: str, value: Any) -> Callable[[random.Random, bytes], bytes]:
    def change(dice: random.Random, like: bytes) -> bytes:
        return json.dumps({**json.loads(like), field: value, "token": dice.random()}).encode()

    return change


def _without(field: str) -> Callable[[random.Random, bytes], bytes]:
    def remove(dice: random.Random, like: bytes) -> bytes:
        fields = {name: value for name, value in json.loads(like).items() if name != field}
        return json.dumps({**fields, "token": dice.random()}).encode()

    return remove


def _no_object(dice: random.Random, _like: bytes) -> bytes:
    return json.dumps([dice.random(), None, "message"]).encode()


def _deep(dice: random.Random, _like: bytes) -> bytes:
    return b"[" * dice.randint(1_000, 20_000)


_KINDS: Final = (
    _random_bytes,
    _torn,
    _doubled,
    _no_object,
    _deep,
    _without("type"),
    _without("run_id"),
    _without("producer"),
    _without("seq"),
    _changed("type", "desicion"),
    _changed("type", 7),
    _changed("run_id", "no blanks, {no} braces"),
    _changed("run_id", ["run"]),
    _changed("producer", ""),
    _changed("seq", -1),
    _changed("seq", 10**400),
    _changed("seq", "first"),
    _changed("sent_at", "yesterday"),
    _changed("sent_at", "2026-01-01T00:00:00"),
)
