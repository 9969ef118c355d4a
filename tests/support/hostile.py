"""Runs that hold, in every field that takes any text, what should never be more than text."""

from typing import Any, Final

from tests.support.messages import Script
from tests.support.processes import Pipeline

#: What scripts that run set, and what elements that get in are named.
MARK: Final = "planted"
_SCRIPT: Final = f"window.{MARK}=1;alert(1)"

#: What templates make of it that take it for one of theirs.
COMPUTED: Final = str(7919 * 7907)

TEXTS: Final = {
    "script": f"<script class={MARK}>{_SCRIPT}</script>",
    "image": f'<img class={MARK} src=x onerror="{_SCRIPT}">',
    "closing": f"</title></textarea></style></script></dialog></td></table><script class={MARK}>{_SCRIPT}</script>",
    "double-quote": f'" autofocus class="{MARK}" onfocus="{_SCRIPT}" onmouseover="{_SCRIPT}" x="',
    "single-quote": f"' autofocus class='{MARK}' onfocus='{_SCRIPT}' onmouseover='{_SCRIPT}' x='",
    "vector": f"'\"><svg class={MARK} onload={_SCRIPT}><style>*{{display:none}}</style>",
    "address": f"javascript:{_SCRIPT}//",
    "template": "{{ 7919*7907 }} ${7919*7907} {% include 'base.html' %} <%= 7919*7907 %> #{7919*7907}",
    "json": f'</script>"}}]}};{_SCRIPT};//\\u0022\u2028\u2029',
    "markdown": f"[click](javascript:{_SCRIPT}) ![x](https://example.invalid/x.png) `code` <!-- --!> ]]>",
    "right-to-left": "\u202e\u2067\u202btxet desrever \u202d\u2066",
    "invisible": "a\u200bb\u200c\u200d\ufeff\u2060\u00ad\u034f\x00\x1b[31m\x07\r\n\t\x85",
    "emoji": "👩‍👩‍👧‍👦🏳️‍🌈👍🏽" + "Z" + "\u0301\u0323" * 40 + "﷽",
    # What a producer makes of half of a surrogate pair, which is no text.
    "half": "\ud83d".encode("utf-8", "replace").decode(),
    "unbroken": "W" * 5_000,
    "lines": "line\n" * 3_000,
}

#: The run whose fields have about a megabyte, each in a message of its own.
LARGE: Final = "large"
_LARGE_TEXT: Final = "<b>1 MB</b>" * 90_000


def plant(pipeline: Pipeline) -> dict[str, str]:
    """Send such runs, and wait until they are summarised.

    Returns:
        The text in each, by the run's id.
    """
    for run_id, text in TEXTS.items():
        pipeline.send(*_run(run_id, text, "failed"))
        pipeline.send(*_run(f"{run_id}-completed", text, "completed"))
    for message in _large_run():
        pipeline.send(message)
    pipeline.summary(LARGE, timeout_s=60)
    pipeline.wait_until_idle()
    planted = {run_id: pipeline.summary(run_id).goal_description for run_id in TEXTS}
    assert planted == TEXTS, "something was not taken as it is"
    return planted


def _run(run_id: str, text: str, status: str) -> list[str]:
    """A run with this text in all fields, keys of objects among them."""
    script, anything = Script(run_id), {text: text, "nested": [{text: [text]}]}
    script.started("hostile", goal_description=text, input_data=anything, tags=[text])
    for number, success in enumerate([True, False]):
        option: dict[str, Any] = {"id": text, "description": text, "action_type": text, "action_params": anything}
        option |= {"pros": [text], "cons": [text]}
        script.decision(
            f"{text}{number}",
            text,
            text,
            options=[option],
            chosen_option_id=text,
            reasoning=text,
            active_constraints=[text],
            input_context=anything,
        )
        outcome = {"result": anything, "state_changes": anything, "summary": text, "tokens_used": 10}
        script.outcome(f"{text}{number}", success=success, error=None if success else text, **outcome)
        script.evaluation(
            f"{text}{number}", better_option_existed=True, better_option_id=text, why_better=text, explanation=text
        )
    script.edge(text, text)
    script.problem(text, "critical", text, root_cause=text, suggested_fix=text, decision_id=f"{text}1")
    script.ended(status, output_data=anything)
    return script.written


def _large_run() -> list[str]:
    script = Script(LARGE)
    script.started("hostile", goal_description=_LARGE_TEXT)
    script.decision("intent", _LARGE_TEXT)
    script.outcome("intent", success=False, error=_LARGE_TEXT)
    script.decision("reasoning", reasoning=_LARGE_TEXT)
    script.outcome("reasoning", success=False, result=_LARGE_TEXT)
    script.problem("problem", "critical", _LARGE_TEXT)
    script.ended("failed", output_data={"text": _LARGE_TEXT})
    return script.written
