"""Servers die, slots move, replicas fall behind, all under load: every summary is what was acknowledged."""

import pytest

from tests.cluster.failovers import ON_CLUSTERS, kill_named_primary, load_on, outcome_of
from tests.support.cluster import Cluster, Sentinels
from tests.support.processes import Pipeline


@pytest.mark.parametrize("event", ON_CLUSTERS)
def test_what_a_replica_has_is_in_the_summaries(cluster: Cluster, cluster_pipeline: Pipeline, event: str) -> None:
    """Nothing is lost, nothing counted twice, and it goes on."""
    with load_on(cluster_pipeline, replicas=1) as load:
        assert ON_CLUSTERS[event](cluster, cluster_pipeline)

    outcome = outcome_of(load)
    cluster.wait_until_complete()
    assert (0, 0) == (outcome.lost, outcome.doubled)
    assert outcome.acknowledged > 100


def test_sentinels_name_another_primary(sentinels: Sentinels, sentinel_pipeline: Pipeline) -> None:
    """Everybody goes on with that one, without being told."""
    with load_on(sentinel_pipeline, replicas=1) as load:
        kill_named_primary(sentinels, sentinel_pipeline)

    outcome = outcome_of(load)
    assert (0, 0) == (outcome.lost, outcome.doubled)
    assert outcome.acknowledged > 100
