"""Secrets stay in the agent: what stands under the key of one is masked before anything leaves the process."""

import re
from typing import Any

import pytest

from runweaver.producer import Producer, redact_secrets
from runweaver.shared import Run
from tests.support.processes import Pipeline

_PASSWORD = "hunter2"  # noqa: S105 - it is not one


def _report(producer: Producer) -> str:
    """A run with a password in every place that an agent can put one."""
    hidden = {"user": "u", "password": _PASSWORD}
    with producer.start_run("secrets", input_data={"deep": [hidden]}) as run:
        decision = run.decide(
            "Log in",
            [{"id": "a", "description": "A", "action_params": hidden, "headers": {"Authorization": _PASSWORD}}],
            "a",
            input_context={"env": {"API_KEY": _PASSWORD}},
        )
        run.record_outcome(decision, success=True, result=hidden, state_changes={"session": {"cookie": _PASSWORD}})
        run.end(output_data={"token": _PASSWORD, "tokens": 5})
    return run.run_id


def test_secrets_are_masked_everywhere(pipeline: Pipeline, producer: Producer) -> None:
    """In options, contexts, results, state changes, inputs and outputs; the rest stays."""
    run_id = _report(producer)
    pipeline.summary(run_id)

    run = pipeline.runs.get(run_id)

    assert isinstance(run, Run)
    told = run.model_dump_json()
    assert (0, 7) == (told.count(_PASSWORD), len(re.findall(r"\[redacted\]", told)))
    assert {"token": "[redacted]", "tokens": 5} == run.output_data
    assert {"user": "u", "password": "[redacted]"} == run.decisions[0].options[0].action_params


def test_another_redactor_can_take_its_place(pipeline: Pipeline) -> None:
    """It sees all fields of a message, and may call the usual one."""

    def and_names(fields: dict[str, Any]) -> dict[str, Any]:
        redacted = redact_secrets(fields)
        if "output_data" in redacted:
            redacted["output_data"]["name"] = "N."
        return redacted

    with Producer(settings=pipeline.producer_settings, redact=and_names) as producer:
        run = producer.start_run("names")
        run.end(output_data={"name": "Nobody", "password": _PASSWORD})
    pipeline.summary(run.run_id)

    found = pipeline.runs.get(run.run_id)

    assert found is not None
    assert {"name": "N.", "password": "[redacted]"} == found.output_data


def test_none_masks_nothing(pipeline: Pipeline) -> None:
    """It has to be asked for."""
    with Producer(settings=pipeline.producer_settings, redact=None) as producer:
        run_id = _report(producer)
    pipeline.summary(run_id)

    found = pipeline.runs.get(run_id)

    assert found is not None
    assert {"token": _PASSWORD, "tokens": 5} == found.output_data


def _raises(_fields: dict[str, Any]) -> dict[str, Any]:
    raise ValueError(_PASSWORD)


def _returns_nonsense(_fields: dict[str, Any]) -> dict[str, Any]:
    return {"decision": _PASSWORD, "status": _PASSWORD, "outcome": 1, "goal_id": ""}


@pytest.mark.parametrize("redact", [_raises, _returns_nonsense])
def test_a_redactor_that_fails_lets_nothing_out(
    pipeline: Pipeline, caplog: pytest.LogCaptureFixture, redact: Any
) -> None:
    """The agent goes on; of the run its beginning and its end remain, and the summary says what it lacks."""
    with Producer(settings=pipeline.producer_settings, redact=redact) as producer:
        run_id = _report(producer)
        assert 2 == producer.dropped

    summary = pipeline.summary(run_id)

    counts = summary.completeness
    assert (0, "secrets", "completed") == (summary.decision_count, summary.goal_id, summary.status)
    assert (2, 4, 2, 2, 2) == (counts.received, counts.declared, counts.missing, counts.dropped, counts.shed)
    found = pipeline.runs.get(run_id)
    assert found is not None
    assert ({}, {}) == (found.input_data, found.output_data)
    assert 4 == caplog.text.count("the redactor failed")
    assert _PASSWORD not in caplog.text
