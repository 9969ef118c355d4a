"""What each release left behind, in Redis and on the disk, for later releases to read.

A folder is written when a release is made, by that release:

    python -m tests.releases 0.2.0

and never changed again. It holds

- `keys.json`: all keys in Redis at a moment when there was some of everything: messages that no worker had merged, a
  run that went on, one that had ended and whose job no finalizer had taken, summarised runs with their archives,
  summaries, indexes and figures, and a dead letter;
- `runs.json`: each of these runs, as that release told it in the end;
- `cursor.json`: a cursor that a list had handed out, and which runs came behind it;
- `spool`: what a producer had put on the disk because Redis was away, where the release had that.
"""
