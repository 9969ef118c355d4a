"""Who listens for summaries on a cluster hears of all of them, also after the server with the announcements dies."""

import json
import subprocess
import sys
from pathlib import Path

from runweaver.shared.round_trip import round_trip
from tests.cluster.failovers import kill_primary_of
from tests.support.announcing import summary, tell
from tests.support.cluster import Cluster
from tests.support.processes import Pipeline
from tests.support.receiver import Receiver, write_hooks
from tests.support.waiting import wait_until

_CONSOLE = [sys.executable, "-m", "runweaver.console"]
_LISTENING = {("runweaver-subscription", "xread"), ("runweaver-webhooks", "xreadgroup")}


def _listening(cluster: Cluster, pipeline: Pipeline) -> set[tuple[str, str]]:
    """Who waits for something to come, on the server with the announcements."""
    with cluster.primary_of(pipeline.keys.finished).client() as server:
        return {(client["name"], client["cmd"]) for client in server.client_list()}


def test_all_hear_of_summaries_before_and_after_a_failover(
    cluster: Cluster, cluster_pipeline: Pipeline, tmp_path: Path
) -> None:
    """A subscription, `runweaver watch` and `runweaver webhooks` go on by themselves."""
    output, finished = tmp_path / "out", cluster_pipeline.keys.finished

    def watched() -> list[str]:
        return [json.loads(line)["run_id"] for line in output.read_text().splitlines()]

    with (
        Receiver() as receiver,
        output.open("wb") as stdout,
        subprocess.Popen([*_CONSOLE, "watch", "--json"], env=cluster_pipeline.environment, stdout=stdout) as watch,
    ):
        cluster_pipeline.processes.append(watch)
        hooks = write_hooks(tmp_path / "hooks.toml", {"name": "a", "url": receiver.url})
        cluster_pipeline.spawn([*_CONSOLE, "webhooks", "--config", str(hooks)])
        wait_until(lambda: _listening(cluster, cluster_pipeline) >= _LISTENING, what="all listening")
        with cluster_pipeline.summaries.subscribe() as subscription:

            def hear(*expected: str) -> None:
                assert list(expected) == [next(subscription).run_id for _ in expected]
                # What was posted may be posted again.
                wait_until(lambda: set(expected) <= set(receiver.run_ids), what=f"posts of {expected}")
                wait_until(lambda: watched()[-len(expected) :] == list(expected), what=f"lines of {expected}")

            tell(cluster_pipeline, summary("a"), summary("b"))
            hear("a", "b")
            round_trip(cluster_pipeline.redis, [("XLEN", finished)], replicas=1)
            kill_primary_of(finished, cluster)
            tell(cluster_pipeline, summary("c"), summary("d"))
            hear("c", "d")
        watch.terminate()
    cluster.wait_until_complete()

    assert ["a", "b", "c", "d"] == watched()
