"""Let servers die and slots move under load, again and again, and print what was lost: `make failovers`."""

import argparse
import itertools
import sys

from rich.console import Console
from rich.table import Table

from tests.cluster.failovers import ON_CLUSTERS, Outcome, kill_named_primary, load_on, outcome_of
from tests.support.cluster import running_cluster, running_sentinels
from tests.support.processes import Pipeline
from tests.support.server import Server

_namespaces = (f"failover{number}" for number in itertools.count())


def main() -> int:
    """Run all of it as often as asked.

    Returns:
        0 where nothing was lost that a replica had, and nothing counted twice.
    """
    parser = argparse.ArgumentParser(prog="python -m tests.cluster", description=__doc__)
    parser.add_argument("--rounds", type=int, default=3, help="how often each (%(default)s)")
    rounds = parser.parse_args().rounds
    table = Table(
        *("under load", "replicas to wait for", "times", "acknowledged", "lost", "counted twice", "stood still for, s"),
        box=None,
    )
    has_passed = True
    with Server(appendonly="yes") as jobs:
        for replicas in (0, 1):
            environment = {"RUNWEAVER_JOBS_URL": jobs.url, "RUNWEAVER_PARTITIONS": "6"}
            for name, event in ON_CLUSTERS.items():
                outcomes, times = [], 0
                for _ in range(rounds):
                    with (
                        running_cluster() as cluster,
                        Pipeline(cluster.url, next(_namespaces), environment) as pipeline,
                    ):
                        with load_on(pipeline, replicas=replicas) as load:
                            times += event(cluster, pipeline)
                        outcomes.append(outcome_of(load))
                has_passed &= _add(table, name, replicas, times, outcomes)
            outcomes = []
            for _ in range(rounds):
                with running_sentinels() as sentinels, Pipeline(sentinels.url, next(_namespaces)) as pipeline:
                    with load_on(pipeline, replicas=replicas) as load:
                        kill_named_primary(sentinels, pipeline)
                    outcomes.append(outcome_of(load))
            has_passed &= _add(table, "sentinels name another primary", replicas, rounds, outcomes)
    Console(width=140).print(table)
    return 0 if has_passed else 1


def _add(table: Table, name: str, replicas: int, times: int, outcomes: list[Outcome]) -> bool:
    lost, doubled = (sum(getattr(each, what) for each in outcomes) for what in ("lost", "doubled"))
    still = sorted(each.stood_still_s for each in outcomes)
    table.add_row(
        *(name, str(replicas), str(times), f"{sum(each.acknowledged for each in outcomes):,}", str(lost), str(doubled)),
        f"{still[0]:.1f} – {still[-1]:.1f}",
    )
    Console(stderr=True).print(f"{name}, {replicas} replicas: {lost} lost, {doubled} counted twice, {still}")
    return not doubled and (not lost or not replicas)


if __name__ == "__main__":
    sys.exit(main())
