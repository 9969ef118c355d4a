"""Webhooks without a network: what is signed, what an answer means, and how long to wait."""

import base64
import sys
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runweaver.console.webhooks import Hook
from runweaver.console.webhooks.post import Outcome, Poster, judge, retry_pause_s
from runweaver.console.webhooks.signature import read_secret, sign
from runweaver.shared import MissingExtraError
from tests.support.receiver import SECRET

_NOW = datetime(2026, 1, 1, tzinfo=UTC)


def test_the_signature_is_that_of_the_specification() -> None:
    """The example that the reference libraries of Standard Webhooks test themselves with."""
    signature = sign(
        read_secret("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"),
        webhook_id="msg_p5jXN8AQM9LWM0D4loKWxJek",
        timestamp=1614265330,
        body=b'{"test": 2432232314}',
    )

    assert "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=" == signature


@given(st.binary(min_size=24, max_size=64), st.sampled_from(["", "\n", " "]))
def test_a_secret_is_read_as_it_was_written(key: bytes, end: str) -> None:
    """Any of 24 to 64 bytes."""
    assert key == read_secret(f"whsec_{base64.b64encode(key).decode()}{end}")


@given(st.one_of(st.text(), st.text().map("whsec_{}".format), st.binary(max_size=23).map(lambda key: f"whsec_{key!r}")))
def test_what_is_no_secret_is_refused(text: str) -> None:
    """Without showing it; nothing else is raised."""
    with pytest.raises(ValueError, match="the secret has to be") as raised:
        read_secret(text)
    assert len(text) < 10 or text not in str(raised.value)


@pytest.mark.parametrize(
    ("status", "retry_after", "expected"),
    [
        (200, "", Outcome()),
        (204, "9", Outcome()),
        (302, "", Outcome("answered 302", is_final=True)),
        (404, "9", Outcome("answered 404", is_final=True)),
        (408, "9", Outcome("answered 408")),
        (429, "9", Outcome("answered 429", pause_s=9)),
        (500, "9", Outcome("answered 500")),
        (503, "Thu, 01 Jan 2026 00:00:30 GMT", Outcome("answered 503", pause_s=30)),
        (503, "Thu, 01 Jan 2025 00:00:30 GMT", Outcome("answered 503")),
        (503, "99999999999", Outcome("answered 503", pause_s=3600)),
        (503, "soon", Outcome("answered 503")),
    ],
)
def test_what_an_answer_means(status: int, retry_after: str, expected: Outcome) -> None:
    """Taken, not now, or never; and how long to leave the receiver alone."""
    assert expected == judge(status, retry_after, _NOW)


@given(st.integers(100, 999), st.text())
def test_no_answer_breaks_it(status: int, retry_after: str) -> None:
    """Whatever it says, the pause is bounded."""
    assert 0 <= judge(status, retry_after, _NOW).pause_s <= 3600


@given(st.integers(1, 1_000))
def test_pauses_grow_up_to_a_bound(failures: int) -> None:
    """Twice as long each time, and by chance up to a half less."""
    hook = Hook(name="a", url="https://example.test", secret=SECRET)

    assert 0.5 * min(600, 2 ** (failures - 1)) <= retry_pause_s(hook, failures) <= min(600, 2 ** (failures - 1))


def test_the_client_is_an_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where it is not installed, a sentence names the extra."""
    hook = Hook(name="a", url="https://example.test", secret=SECRET)
    monkeypatch.setitem(sys.modules, "httpx", None)

    with pytest.raises(MissingExtraError, match=r"runweaver\[webhooks\]"):
        Poster(hook)
