"""Every error that Runweaver raises on purpose.

    RunweaverError
    ├── SettingsError             a setting or an environment variable makes no sense
    ├── InvalidArgumentError      an agent's call was given something that cannot be sent (also a ValueError)
    ├── InvalidMessageError       bytes that are not a message of the protocol
    ├── ServerError               what Redis (or Valkey) does not do for us
    │   ├── ServerUnreachableError    nobody answers, or the connection broke
    │   ├── AccessRefusedError        wrong password, or a user that may not do this
    │   ├── WritesRefusedError        it takes no writes: out of memory, its disk is full, or it is a replica
    │   └── ServerTooOldError         it answers, but lacks commands that we need
    ├── ArchiveExpiredError       the summary is still there, the full run is not
    ├── CorruptDataError          a key of ours in Redis holds something that we did not write
    │   ├── CorruptArchiveError       where a finished run's messages should be
    │   ├── CorruptSummaryError       where a summary should be
    │   └── CorruptFiguresError       where a run's figures should be
    ├── InvalidCursorError        a cursor that no list call handed out
    ├── MissedSummariesError      a subscription was away for longer than announcements are kept
    └── MissingExtraError         an optional part is not installed

The errors of the redis driver do not leave this library: the edge that talks to the server translates them.
"""


class RunweaverError(Exception):
    """The root: `except RunweaverError` catches everything that this library raises on purpose."""


class SettingsError(RunweaverError):
    """A setting makes no sense. The text names the variable, its value and what is allowed."""


class InvalidArgumentError(RunweaverError, ValueError):
    """An agent's call was given something that cannot be sent. Nothing was recorded."""


class InvalidMessageError(RunweaverError):
    """Bytes that are not a message of the protocol.

    `code` is one short word for counting (`too-large`, `not-json`, `unknown-type`, `version`, `invalid`); the text says
    what is wrong, and where.
    """

    def __init__(self, code: str, detail: str) -> None:
        super().__init__(code, detail)
        self.code = code
        self._detail = detail

    def __str__(self) -> str:
        return self._detail


class ServerError(RunweaverError):
    """The server does not do what we need. The text says what to do about it.

    To wait for a server that is away:

        try:
            summaries.get(run_id)
        except ServerError:
            ...  # try again later
    """


class ServerUnreachableError(ServerError):
    """Nobody answers at the address, or the connection broke on the way."""


class AccessRefusedError(ServerError):
    """The server wants another user or password, or the user may not do this."""


class WritesRefusedError(ServerError):
    """The server answers but takes no writes now: out of memory, its disk is full, or it is a replica."""


class ServerTooOldError(ServerError):
    """The server answers but is older than Redis 6.2."""


class ArchiveExpiredError(RunweaverError):
    """The run's summary is still kept, its messages are not: there is no full `Run` to load any more."""


class CorruptDataError(RunweaverError):
    """A key of ours in Redis holds something that we did not write. Other runs are not concerned."""


class CorruptArchiveError(CorruptDataError):
    """What lies where a finished run's messages should be is no archive, or would take far too much memory."""


class CorruptSummaryError(CorruptDataError):
    """What lies where a run's summary should be is none."""


class CorruptFiguresError(CorruptDataError):
    """What lies where a run's figures should be is none."""


class InvalidCursorError(RunweaverError, ValueError):
    """A cursor that no list call handed out."""


class MissedSummariesError(RunweaverError):
    """A subscription was away for longer than announcements are kept: some may have gone by unheard.

    `place` is where what is kept begins. The summaries themselves are still there, for `Summaries.list` to find; the
    subscription goes on with what is kept when it is asked again:

        while True:
            try:
                for summary in subscription:
                    ...
            except MissedSummariesError:
                ...  # catch up with Summaries.list(since=...)
    """

    def __init__(self, detail: str, place: str) -> None:
        super().__init__(detail, place)
        self._detail = detail
        self.place = place

    def __str__(self) -> str:
        return self._detail


class MissingExtraError(RunweaverError):
    """An optional part is not installed. The text names the extra to install."""
