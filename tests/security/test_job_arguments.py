"""What a job may ask for: runs that can be, and nothing else."""

from typing import Any
from unittest.mock import Mock, patch

import pytest
from fakeredis import FakeRedis

from runweaver.worker.finalize_job import FinalizeJob, ForbiddenJobError


@pytest.mark.parametrize(
    ("function", "arguments", "options"),
    [
        ("runweaver.finalize", [["{}"]], {}),
        ("runweaver.finalize", [["a b", "run"]], {}),
        ("runweaver.finalize", [[5]], {}),
        ("runweaver.finalize", ["run"], {}),
        ("runweaver.finalize", [], {}),
        ("runweaver.finalize", [["run"], True], {}),
        ("runweaver.finalize", [["run"]], {"else": 1}),
        ("runweaver.finalize", [["run"] * 20_000], {}),
        ("runweaver.finalize_silent", [["run"]], {}),
        ("runweaver.finalize_silent", [{"run": "long ago"}], {}),
        ("runweaver.finalize_silent", [{"\ud800": 1.0}], {}),
    ],
)
def test_a_job_with_arguments_that_make_no_sense_is_refused(
    function: str, arguments: list[Any], options: dict[str, Any]
) -> None:
    """Before anything is read: what is no run id must not become part of a key. The error says what is wrong."""
    job = FinalizeJob.create(function, args=arguments, kwargs=options, connection=FakeRedis())

    with patch.object(FinalizeJob, "finalizer", Mock()), pytest.raises(ForbiddenJobError, match="is refused") as e:
        _ = job.func

    assert len(str(e.value)) < 600
