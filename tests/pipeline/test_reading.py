"""How much a worker reads at once."""

from runweaver.shared import connect
from runweaver.worker.consume import BLOCK_S, Consumer
from tests.support.messages import Script
from tests.support.processes import Pipeline


def test_a_read_takes_at_most_twice_what_the_last_one_brought(own_pipeline: Pipeline) -> None:
    """After a quiet hour nobody knows how large the entries are that come now."""
    client = connect(own_pipeline.url, name="test", blocks_for_s=BLOCK_S)
    consumer = Consumer(client, own_pipeline.keys, "test", partitions=1, claim_after_s=60)
    script = Script("run")
    own_pipeline.send(script.started())
    consumer.read()

    for message in script.steps(20):
        own_pipeline.send(message)
    counts = [len(consumer.read()) for _ in range(4)]

    assert [2, 4, 8, 6] == counts
    client.close()
