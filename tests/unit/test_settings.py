"""Settings: read from the environment, held to their rules."""

import os
from typing import Any

import pytest
from pydantic import ValidationError

from runweaver.shared.attention import AttentionThresholds
from runweaver.shared.errors import SettingsError
from runweaver.shared.settings import (
    AttentionSettings,
    FinalizerSettings,
    JobSettings,
    ProducerSettings,
    ServerSettings,
    WebhookSettings,
    WorkerSettings,
)

ROLES = [ServerSettings, ProducerSettings, JobSettings, WorkerSettings, FinalizerSettings, WebhookSettings]


@pytest.fixture(autouse=True)
def clean_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """The settings of whoever runs the tests make no difference."""
    for name in list(os.environ):
        if name.startswith("RUNWEAVER_"):
            monkeypatch.delenv(name)


@pytest.mark.parametrize("role", ROLES)
def test_every_role_finds_the_data_at_the_same_place(role: type[ServerSettings]) -> None:
    """Namespace `rw` on the local server, unless told otherwise."""
    assert ("redis://localhost:6379/0", "rw") == (role.load().redis_url, role.load().namespace)


def test_the_defaults() -> None:
    """Those that the documentation names."""
    producer, worker, finalizer = ProducerSettings.load(), WorkerSettings.load(), FinalizerSettings.load()

    assert (1, 1_048_576, 100_000, 67_108_864) == (
        producer.partitions,
        producer.max_message_bytes,
        producer.buffer_messages,
        producer.buffer_bytes,
    )
    assert (1, 1_048_576, 5.0, 600.0, 10.0, 60.0) == (
        worker.partitions,
        worker.max_message_bytes,
        worker.settle_s,
        worker.stuck_after_s,
        worker.late_after_s,
        worker.claim_after_s,
    )
    assert (30 * 86_400, 7 * 86_400, None) == (
        finalizer.summary_ttl_s,
        finalizer.archive_ttl_s,
        finalizer.narrator,
    )


@pytest.mark.parametrize(
    ("role", "name", "value", "expected"),
    [
        (ServerSettings, "redis_url", "redis://example.test", "redis://example.test"),
        (ServerSettings, "namespace", "a.b_c-1", "a.b_c-1"),
        (ProducerSettings, "partitions", "4", 4),
        (ProducerSettings, "max_message_bytes", "2048", 2048),
        (ProducerSettings, "buffer_messages", "7", 7),
        (ProducerSettings, "buffer_bytes", "4096", 4096),
        (JobSettings, "jobs_url", "redis://jobs.test", "redis://jobs.test"),
        (WorkerSettings, "partitions", "1024", 1024),
        (WorkerSettings, "settle_s", "0.5", 0.5),
        (WorkerSettings, "stuck_after_s", "60", 60.0),
        (WorkerSettings, "late_after_s", "1", 1.0),
        (WorkerSettings, "claim_after_s", "30", 30.0),
        (FinalizerSettings, "summary_ttl_s", "60", 60),
        (FinalizerSettings, "archive_ttl_s", "60", 60),
        (FinalizerSettings, "narrator", "mine:Narrator", "mine:Narrator"),
        (FinalizerSettings, "attention_retries", "0", 0),
        (AttentionSettings, "attention_slow_s", "0.5", 0.5),
    ],
)
def test_variables_are_read(
    monkeypatch: pytest.MonkeyPatch, role: type[ServerSettings], name: str, value: str, expected: Any
) -> None:
    """Each setting has its variable, `RUNWEAVER_` and its name."""
    monkeypatch.setenv(f"RUNWEAVER_{name.upper()}", value)

    assert expected == getattr(role.load(), name)


@pytest.mark.parametrize(
    ("role", "variable", "value", "rule"),
    [
        (ServerSettings, "RUNWEAVER_NAMESPACE", "a b", "match pattern"),
        (ServerSettings, "RUNWEAVER_NAMESPACE", "a:b", "match pattern"),
        (ServerSettings, "RUNWEAVER_NAMESPACE", "", "match pattern"),
        (ServerSettings, "RUNWEAVER_NAMESPACE", "{a}", "match pattern"),
        (ProducerSettings, "RUNWEAVER_PARTITIONS", "0", "greater than or equal to 1"),
        (ProducerSettings, "RUNWEAVER_PARTITIONS", "1025", "less than or equal to 1024"),
        (ProducerSettings, "RUNWEAVER_PARTITIONS", "many", "valid integer"),
        (ProducerSettings, "RUNWEAVER_MAX_MESSAGE_BYTES", "1023", "greater than or equal to 1024"),
        (ProducerSettings, "RUNWEAVER_BUFFER_MESSAGES", "0", "greater than or equal to 1"),
        (WorkerSettings, "RUNWEAVER_SETTLE_S", "0", "greater than 0"),
        (WorkerSettings, "RUNWEAVER_STUCK_AFTER_S", "-1", "greater than 0"),
        (WorkerSettings, "RUNWEAVER_LATE_AFTER_S", "soon", "valid number"),
        (WorkerSettings, "RUNWEAVER_CLAIM_AFTER_S", "0", "greater than 0"),
        (WorkerSettings, "RUNWEAVER_CLAIM_AFTER_S", "1e308", "less than or equal to 3153600000"),
        (FinalizerSettings, "RUNWEAVER_SUMMARY_TTL_S", "99999999999", "less than or equal to 3153600000"),
        (FinalizerSettings, "RUNWEAVER_SUMMARY_TTL_S", "0", "greater than or equal to 1"),
        (FinalizerSettings, "RUNWEAVER_ARCHIVE_TTL_S", "1.5", "valid integer"),
        (FinalizerSettings, "RUNWEAVER_ATTENTION_LOOP", "-1", "greater than or equal to 0"),
        (AttentionSettings, "RUNWEAVER_ATTENTION_SLOW_S", "-1", "greater than or equal to 0"),
    ],
)
def test_a_wrong_variable_is_named(
    monkeypatch: pytest.MonkeyPatch, role: type[ServerSettings], variable: str, value: str, rule: str
) -> None:
    """The error says which variable, its value, and what is allowed."""
    monkeypatch.setenv(variable, value)

    with pytest.raises(SettingsError) as caught:
        role.load()

    assert f"{variable}={value!r}: " in str(caught.value)
    assert rule in str(caught.value)


def test_a_time_is_a_finite_number(monkeypatch: pytest.MonkeyPatch) -> None:
    """Infinity is no number of seconds."""
    monkeypatch.setenv("RUNWEAVER_CLAIM_AFTER_S", "inf")

    with pytest.raises(SettingsError):
        WorkerSettings.load()


def test_all_wrong_variables_are_named_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody has to correct them one by one."""
    monkeypatch.setenv("RUNWEAVER_NAMESPACE", "a b")
    monkeypatch.setenv("RUNWEAVER_SETTLE_S", "0")

    with pytest.raises(SettingsError, match=r"RUNWEAVER_NAMESPACE=.*; RUNWEAVER_SETTLE_S="):
        WorkerSettings.load()


def test_what_is_given_comes_before_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """And what is given as none does not count."""
    monkeypatch.setenv("RUNWEAVER_NAMESPACE", "environment")

    assert "given" == ServerSettings.load(namespace="given").namespace
    assert "environment" == ServerSettings.load(namespace=None).namespace


def test_whether_somebody_named_a_server(monkeypatch: pytest.MonkeyPatch) -> None:
    """By argument or variable; the default is nobody's word."""
    assert not ServerSettings.load().names_a_server
    assert ServerSettings.load(redis_url="redis://localhost:6379/0").names_a_server
    monkeypatch.setenv("RUNWEAVER_REDIS_URL", "redis://localhost:6379/0")
    assert ServerSettings.load().names_a_server


def test_jobs_lie_with_the_data_unless_told_otherwise() -> None:
    """RQ may have a server of its own."""
    assert "redis://a" == JobSettings.load(redis_url="redis://a").effective_jobs_url
    assert "redis://b" == JobSettings.load(redis_url="redis://a", jobs_url="redis://b").effective_jobs_url


def test_unknown_variables_are_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """One environment serves all roles: what one does not know may be another's."""
    monkeypatch.setenv("RUNWEAVER_SOMETHING", "else")

    assert WorkerSettings() == WorkerSettings.load()


def test_settings_do_not_change() -> None:
    """They are read once, and passed on."""
    settings = WorkerSettings.load()

    with pytest.raises(ValidationError, match="frozen"):
        settings.settle_s = 1  # type: ignore[misc]


def test_the_thresholds_of_attention_can_be_set(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each by its variable, seconds as milliseconds; without any, they are the defaults."""
    assert AttentionThresholds() == FinalizerSettings.load().thresholds == AttentionSettings.load().thresholds
    names = ["RETRIES", "SLOW_S", "TOKENS", "LOOP", "STEPS", "MISSING", "PENDING"]
    for number, name in enumerate(names, 1):
        monkeypatch.setenv(f"RUNWEAVER_ATTENTION_{name}", str(number))

    assert AttentionThresholds(1, 2_000, 3, 4, 5, 6, 7) == FinalizerSettings.load().thresholds
