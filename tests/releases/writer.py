"""What a release does to write its folder. It is run with the code of that release, whichever that is.

So it may use only what all releases have, and asks before it uses more.
"""

import base64
import inspect
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from redis import Redis

from runweaver.producer import Producer
from runweaver.query import Runs, Summaries

_URL = os.environ["RUNWEAVER_REDIS_URL"]
_STREAM = "rw:messages:{0}"


def main(folder: Path) -> None:
    """Write everything."""
    client = Redis.from_url(_URL)
    with _process("worker"):
        with _process("finalizer"):
            _everything("summarised")
            _report("another", "completed")
            _wait_for_summaries("summarised", "another")
        # Nobody takes its job.
        _report("ended", "failed")
        _begin("going-on")
        client.xadd(_STREAM, {"m": '{"type":"telepathy","run_id":"refused"}'})
        _wait(lambda: client.xlen(_STREAM) == 0 and client.zscore("rw:due:{0}", "ended") is not None)
    # Nobody merges it.
    _report("waiting", "cancelled")
    _write(folder / "keys.json", dict(sorted(_keys(client))))
    page = Summaries().list(limit=1)
    behind = [summary.run_id for summary in Summaries().list(cursor=page.next_cursor).items]
    _write(folder / "cursor.json", {"cursor": page.next_cursor, "behind": behind})
    run_ids = ["summarised", "another", "ended", "going-on", "waiting"]
    spools = "spool" in inspect.signature(Producer).parameters
    if spools:
        _spool(folder / "spool")
    with _process("worker"), _process("finalizer"):
        if spools:
            run_ids.append("spooled")
            _send_spooled(folder / "spool")
        _wait_for_summaries(*(run_id for run_id in run_ids if run_id != "going-on"))
        _write(folder / "runs.json", {run_id: _told(run_id) for run_id in run_ids})


def _everything(run_id: str) -> None:
    """A run with a message of each type, with all that it can have."""
    trace = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
    traced: dict[str, Any] = (
        {"trace_context": trace} if "trace_context" in inspect.signature(Producer.start_run).parameters else {}
    )
    with Producer(_URL, name="first") as first, Producer(_URL, name="second") as second:
        run = first.start_run(
            "goal", "A goal", input_data={"lead": "L-1", "ü": [1, None]}, run_id=run_id, tags=["a", "b"], **traced
        )
        options = [{"id": "ask", "description": "Ask", "confidence": 0.9, "pros": ["sure"], "cons": ["slow"]}]
        options.append({"id": "infer", "description": "Infer", "action_type": "tool", "action_params": {"x": 1}})
        decision = run.decide(
            "Is there a budget?",
            options,
            "infer",
            "Data is at hand",
            node_id="qualifier",
            decision_type="tool_selection",
            active_constraints=["be polite"],
            input_context={"size": 7},
        )
        run.record_outcome(decision, success=False, error="No such table", tokens_used=512, latency_ms=840)
        run.traverse("qualifier", "writer")
        run.heartbeat()
        run.report_problem(
            "critical", "No budget", root_cause="An old table", decision_id=decision, suggested_fix="Look it up"
        )
        joined = second.join_run(run_id)
        late = joined.decide("Write?", [{"id": "yes", "description": "Write"}], "yes", node_id="writer")
        joined.record_outcome(late, success=True, summary="Written", result={"words": 3}, state_changes={"sent": True})
        joined.evaluate(late, outcome_quality=0.9, explanation="Well done", better_option_existed=True)
        joined.leave()
        second.flush()
        run.end("failed", output_data={"written": True})


def _report(run_id: str, status: Any) -> None:
    """A small run."""
    with Producer(_URL, name="agent") as producer:
        _begin_with(producer, run_id).end(status)


def _begin(run_id: str) -> None:
    with Producer(_URL, name="agent") as producer:
        _begin_with(producer, run_id)


def _begin_with(producer: Producer, run_id: str) -> Any:
    run = producer.start_run("goal", run_id=run_id)
    decision = run.quick_decision("Look", "Go there", node_id="walker")
    run.record_outcome(decision, success=True, summary="Seen", tokens_used=3)
    return run


def _spool(directory: Path) -> None:
    # Nobody listens there.
    with Producer("redis://127.0.0.1:1/0", name="agent", spool=directory) as producer:
        _begin_with(producer, "spooled").end("completed")


def _send_spooled(spool: Path) -> None:
    """Send a copy: the files are to stay as they are."""
    with tempfile.TemporaryDirectory() as name:
        copy = shutil.copytree(spool, Path(name) / "spool")
        with Producer(_URL, spool=copy):
            _wait(lambda: not list(copy.iterdir()))


def _told(run_id: str) -> Any:
    run = Runs().get(run_id)
    assert run is not None
    return json.loads(run.model_dump_json())


def _keys(client: Any) -> Iterator[tuple[str, dict[str, Any]]]:
    """All that the server holds; of RQ's keys, those of jobs that wait."""
    for key in client.scan_iter():
        name, kind = key.decode(), client.type(key).decode()
        if name.startswith(("rw:", "rq:job:", "rq:queue:")):
            yield name, {"type": kind, "value": _value(client, key, kind)}


def _value(client: Any, key: bytes, kind: str) -> Any:
    match kind:
        case "string":
            return _text(client.get(key))
        case "list":
            return [_text(item) for item in client.lrange(key, 0, -1)]
        case "zset":
            return [[_text(member), score] for member, score in client.zrange(key, 0, -1, withscores=True)]
        case "hash":
            return [[_text(field), _text(value)] for field, value in sorted(client.hgetall(key).items())]
        case "stream":
            return [
                [entry_id.decode(), [[_text(field), _text(value)] for field, value in fields.items()]]
                for entry_id, fields in client.xrange(key)
            ]
    raise AssertionError(f"{key!r} is a {kind}")


def _text(raw: bytes) -> Any:
    """Text as it is, and other bytes in base64."""
    try:
        return raw.decode()
    except UnicodeDecodeError:
        return {"base64": base64.b64encode(raw).decode()}


@contextmanager
def _process(role: str) -> Iterator[None]:
    process = subprocess.Popen([sys.executable, "-m", "runweaver.console", "--log-level", "warning", role])
    try:
        yield
    finally:
        process.terminate()
        process.wait(20)


def _wait_for_summaries(*run_ids: str) -> None:
    _wait(lambda: all(Summaries().get(run_id) for run_id in run_ids))


def _wait(condition: Callable[[], Any]) -> None:
    deadline = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < deadline, "it takes too long"
        time.sleep(0.05)


def _write(path: Path, document: Any) -> None:
    path.write_text(json.dumps(document, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
