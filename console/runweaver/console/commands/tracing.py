"""The option that says where traces are shown."""

from typing import Annotated

import typer

from runweaver.shared.errors import SettingsError


def _checked(trace_url: str | None) -> str | None:
    if trace_url is not None and "{trace_id}" not in trace_url:
        raise SettingsError(
            f"RUNWEAVER_TRACE_URL={trace_url!r}: it needs {{trace_id}} where the id of the trace belongs"
        )
    return trace_url


TraceUrl = Annotated[
    str | None,
    typer.Option(
        envvar="RUNWEAVER_TRACE_URL",
        help="Where traces are shown, with {trace_id} in its place.",
        callback=_checked,
    ),
]
