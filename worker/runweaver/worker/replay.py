"""Merges dead letters after all, once what made them unacceptable is mended."""

from typing import Final

from runweaver.shared.errors import InvalidMessageError
from runweaver.shared.messages import parse_message
from runweaver.worker.accept import Batch, Rejected, RunMessages, accept
from runweaver.worker.consume import Entry
from runweaver.worker.dead_letters import DeadLetter, DeadLetters
from runweaver.worker.merge import Merger

#: Divides the two parts of an identity; no entry id has it.
_IN_IDENTITIES: Final = "#"


class Replay:
    """Does with a dead letter what a worker would have done with its message, had it been acceptable.

    The message is not sent again: that would give it another identity and another time, where it has none of its own.
    It becomes the very message that it would have been.
    """

    def __init__(self, letters: DeadLetters, merger: Merger, *, max_message_bytes: int) -> None:
        self._letters = letters
        self._merger = merger
        self._max_message_bytes = max_message_bytes

    def __call__(self, letter: DeadLetter) -> str | None:
        """Merge a letter's message into its run, and forget the letter.

        Returns:
            None where it worked; otherwise why the message is still not acceptable. Then there still is a letter.

        Raises:
            RedisError: the server does not take it now; do it again.
        """
        batch = self._accept(letter)
        if batch.rejected:
            return batch.rejected[0].reason
        self._merger.merge(batch)
        self._merger.ask(at_once=True)
        self._letters.drop(letter.id)
        # What the merger refuses has become another letter.
        return batch.rejected[0].reason if batch.rejected else None

    def _accept(self, letter: DeadLetter) -> Batch:
        entry = Entry(letter.partition, letter.entry_id, (b"",) * letter.position + (letter.message,))
        if _IN_IDENTITIES in letter.entry_id:
            return self._accept_stored(entry)
        batch = accept([entry], max_message_bytes=self._max_message_bytes, only=letter.position)
        batch.entries.clear()  # it was acknowledged long ago
        return batch

    def _accept_stored(self, entry: Entry) -> Batch:
        """A message that had been stored before: it has its identity and its times."""
        raw = entry.messages[0]
        batch = Batch([])
        try:
            run_id = parse_message(raw, max_bytes=len(raw)).run_id
        except InvalidMessageError as error:
            batch.rejected.append(Rejected(entry.partition, entry.id, 0, raw, error.code, str(error)))
        else:
            batch.runs[run_id] = RunMessages([entry.id, raw], [(entry, 0)])
        return batch
