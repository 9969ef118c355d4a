"""Runs begin and end with whatever a framework has for input and output; where that cannot be sent, without it."""

from collections.abc import Mapping
from typing import Any

from runweaver.producer.active_run import ActiveRun, EndStatus
from runweaver.producer.producer import Producer
from runweaver.shared.errors import InvalidArgumentError


def start_run(
    producer: Producer, goal_id: str, name: str, *, input_data: Mapping[str, Any], **details: Any
) -> ActiveRun:
    """Begin a run. The details are those of `Producer.start_run`."""
    try:
        return producer.start_run(goal_id, name, input_data=input_data, **details)
    except InvalidArgumentError:  # it refers to itself, say
        return producer.start_run(goal_id, name, **details)


def end_run(run: ActiveRun, status: EndStatus, output_data: Mapping[str, Any]) -> None:
    """End it."""
    try:
        run.end(status, output_data=output_data)
    except InvalidArgumentError:  # as above
        run.end(status)
