"""All that the model is told: measured figures with where they come from, our own settings, and what is assumed.

Measured on two shared cores (AMD EPYC, Python 3.11, Valkey 9.1). *shares* is `python -m benchmarks.shares`, *deaths*
`python -m benchmarks.deaths`; the other names are rows of docs/performance.md.
"""

from typing import Final

_US: Final = 1e-6
_MIB: Final = 1024 * 1024

# What a server's processor has to do, in seconds.

#: Shares: a message put onto a stream, by a batch of 200.
TAKE_IN_S: Final = 1.2 * _US
#: Shares: a message read, acknowledged and deleted; and its part of the marks, which lie with the partition.
READ_S: Final = (0.9 + 0.3) * _US
#: Shares: a message stored in its run.
MERGE_S: Final = 0.45 * _US
#: Shares: a run's own keys read and written by a finalizer, in runs of 20 messages. RQ's jobs are in it.
FINALIZE_S: Final = 109 * _US
#: Shares: a run added to one index; runs of the benchmark stand in ten.
INDEX_S: Final = 2.4 * _US
#: Shares: a summary announced.
ANNOUNCE_S: Final = 2.2 * _US

# What the others have to do, in seconds.

#: `deep`, all that waits: 167,848 messages a second.
WORKER_S: Final = 1 / 167_848
#: `finalizer`: 1,238 runs of 20 messages a second.
FINALIZER_S: Final = 1 / 1_238
#: How many messages the runs of `finalizer`, and of all else here, have.
MESSAGES_A_RUN: Final = 20
#: Deaths: from the stream until it is acknowledged, where workers keep up.
IN_HAND_S: Final = 0.0014
#: `latency`, at half of the peak: from the last message sent to the summary, without waiting for anything.
QUIET_P50_S: Final = 0.024
QUIET_P99_S: Final = 0.053

# How large things are, in bytes.

#: `memory`: the JSON of a message, in runs of 20.
JSON_BYTES: Final = 11_321 / 20
#: `memory`: a message of a live run.
LIVE_BYTES: Final = 12_474 / 20
#: `memory`: what is kept of a finished run.
ARCHIVE_BYTES: Final = 3_101
SUMMARY_BYTES: Final = 2_751 + 950
#: `memory`: 1,011 bytes in all indexes, of which there are ten.
INDEXES: Final = 10
INDEX_BYTES: Final = 1_011 / INDEXES

# Our own settings, and what is written in the code.

#: `producer.outbox`: a message waits so long for others at most.
LINGER_S: Final = 0.05
#: `RUNWEAVER_MAX_BACKLOG`: of each partition.
MAX_BACKLOG: Final = 1_000_000
#: `RUNWEAVER_CLAIM_AFTER_S`; a worker looks every quarter of it.
CLAIM_AFTER_S: Final = 60.0
#: `RUNWEAVER_SETTLE_S`: then a sweep asks for a run again whose job was lost.
SETTLE_S: Final = 5.0
#: `worker.sweep`.
SWEEP_EVERY_S: Final = 0.5
#: `worker.worker`, `worker.consume`: one batch is read, two wait, one is being merged.
MOST_IN_HAND: Final = 4 * 4_000
#: `worker.jobs`.
RUNS_A_JOB: Final = 500
#: `RUNWEAVER_ARCHIVE_TTL_S`, `RUNWEAVER_SUMMARY_TTL_S`.
ARCHIVE_TTL_S: Final = 7 * 24 * 3_600.0
SUMMARY_TTL_S: Final = 30 * 24 * 3_600.0

# The server's own: not measured here.

#: `cluster-node-timeout`, as it is by default: so long a primary is not missed.
NODE_TIMEOUT_S: Final = 15.0
#: Sentinel's `down-after-milliseconds`, as it is by default: where there is one primary.
SENTINEL_DOWN_AFTER_S: Final = 30.0
#: The election of a replica, and clients finding it: between.
ELECTION_S: Final = (0.5, 2.0)

# What is assumed.

#: A processor is to be busy for so much of its time, at peak.
TARGET_LOAD: Final = 0.7
#: Workers, or finalizers, on one machine: one a core.
PROCESSES_A_MACHINE: Final = 4
#: After which something starts them again elsewhere.
REPLACED_AFTER_S: Final = 60.0
#: How long a run lasts.
RUN_LASTS_S: Final = 60.0
#: Messages a second of one agent's process.
AGENT_RATE: Final = 10.0
#: Memory of a server that is for data.
SERVER_BYTES: Final = 64 * 1024 * _MIB
