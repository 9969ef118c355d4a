"""Runs as workers leave them, and summaries written and announced as finalizers do it, without either."""

from runweaver.shared import Keys, RunStatus, RunSummary, identity_of, parse_message
from runweaver.worker.index import announcing
from tests.support.messages import Script, summary_of
from tests.support.processes import Pipeline

KEPT = 100_000


def summary(run_id: str, *, goal: str = "goal", status: str = "completed", revision: int = 1) -> RunSummary:
    """The summary of a small run."""
    script = Script(run_id)
    messages = [script.started(goal), script.decision("d"), script.outcome("d"), script.ended()]
    return summary_of(messages).model_copy(update={"status": RunStatus(status), "revision": revision})


def write(pipeline: Pipeline, written: RunSummary) -> None:
    """Put a summary where readers look for it."""
    pipeline.redis.set(pipeline.keys.summary(written.run_id), written.model_dump_json(), ex=600)


def tell(pipeline: Pipeline, *written: RunSummary, kept: int = KEPT) -> None:
    """Write summaries, and announce each."""
    keys = Keys(pipeline.namespace)
    for each in written:
        write(pipeline, each)
        pipeline.redis.execute_command(*announcing(keys, each, kept=kept))


def store(pipeline: Pipeline, script: Script, *, at_s: float) -> None:
    """Store all messages of a run, which was heard of then."""
    for message in script.written:
        identity = identity_of(parse_message(message.encode()), partition=0, entry_id="0-0", position=0)
        pipeline.redis.hset(pipeline.keys.run(script.run_id), identity, message)
    pipeline.redis.zadd(pipeline.keys.active(0), {script.run_id: at_s * 1000})
