"""RQ: its fastest worker, which does not fork; JSON; no results kept, no log of each job.

python -m benchmarks.peer_rq [JOBS]: put so many into the queue; without a number, do them.
"""

import sys

from rq import Queue, SimpleWorker
from rq.serializers import JSONSerializer

from benchmarks.peer_work import URL, jobs, store
from runweaver.shared import connect

_IDLE_S = 60.0
_JOBS_AT_ONCE = 500


def main() -> None:
    """Either end of the queue."""
    queue = Queue("peer", connection=connect(URL, name="rq", blocks_for_s=_IDLE_S), serializer=JSONSerializer)
    if sys.argv[1:]:
        waiting = [Queue.prepare_data(store, args, result_ttl=0) for args in jobs(int(sys.argv[1]))]
        for start in range(0, len(waiting), _JOBS_AT_ONCE):
            queue.enqueue_many(waiting[start : start + _JOBS_AT_ONCE])
        return
    worker = SimpleWorker([queue], connection=queue.connection, serializer=JSONSerializer, log_job_description=False)
    worker.work(logging_level="WARNING")


if __name__ == "__main__":
    main()
