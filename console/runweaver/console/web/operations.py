"""What can be looked at and done about the pipeline itself."""

from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import islice

from runweaver.console.facts import Expected, Facts, Observer
from runweaver.console.replaying import replaying
from runweaver.shared.connection import connect, server_errors
from runweaver.shared.keys import Keys
from runweaver.shared.settings import JobSettings, ProducerSettings, WorkerSettings
from runweaver.worker import DeadLetter, DeadLetters, FailedJob, read_failed_jobs


@dataclass
class Done:
    """What became of dead letters that something was to be done with."""

    #: Those with which it was done.
    ids: list[str] = field(default_factory=list)
    #: Why the others still cannot be accepted.
    refused: dict[str, str] = field(default_factory=dict)
    #: Those that are not there any more.
    gone: list[str] = field(default_factory=list)


class Operations:
    """The pipeline of one namespace. May be used from several threads. Nothing is connected before something is asked.

    What is replayed here follows the settings of workers that this process has in its environment.
    """

    def __init__(self, settings: JobSettings) -> None:
        """Nothing is connected yet.

        Raises:
            SettingsError: a URL or a setting of workers makes no sense.
        """
        self._settings = WorkerSettings.load(
            redis_url=settings.redis_url, namespace=settings.namespace, jobs_url=settings.jobs_url
        )
        self._url, self._jobs_url = settings.redis_url, settings.effective_jobs_url
        self._keys = Keys(settings.namespace)
        self._observer = Observer(self._settings, Expected.of(self._settings, ProducerSettings.load()))
        self._client = connect(self._url, name="replay")
        self._jobs_client = connect(self._jobs_url, name="replay-jobs", retries=0)
        self._letters = DeadLetters(self._client, self._keys)

    def look(self) -> Facts:
        """How the pipeline is doing.

        Raises:
            ServerError: a server does not answer.
        """
        return self._observer.look()

    def failed_jobs(self, limit: int) -> list[FailedJob] | None:
        """Some of the jobs that failed, the newest first; none where the user of this process may not look into them.

        Raises:
            ServerError: RQ's server does not answer.
        """
        with server_errors(self._jobs_url):
            return read_failed_jobs(self._jobs_client, self._keys, limit=limit)

    def letters(self, after: str | None, limit: int) -> list[DeadLetter]:
        """Some dead letters, the oldest first, from the one after this one.

        Raises:
            InvalidArgumentError: no dead letter has such an id.
            ServerError: the server does not answer.
        """
        with server_errors(self._url):
            return list(islice(self._letters.after(after), limit))

    def letter(self, letter_id: str) -> DeadLetter | None:
        """A dead letter; none where it is not there (any more).

        Raises:
            InvalidArgumentError: no dead letter has such an id.
            ServerError: the server does not answer.
        """
        with server_errors(self._url):
            return self._letters.get(letter_id)

    def replay(self, ids: list[str]) -> Done:
        """Merge these messages into their runs after all.

        Raises:
            AccessRefusedError: the user of this process may not do what a worker may.
            InvalidArgumentError: no dead letter has such an id.
            ServerError: the server does not answer.
        """
        with server_errors(self._url):
            _, replay = replaying(self._client, self._jobs_client, self._settings)
            return self._do(ids, replay)

    def drop(self, ids: list[str]) -> Done:
        """Forget these messages for good.

        Raises:
            AccessRefusedError: the user of this process may not do what a worker may.
            InvalidArgumentError: no dead letter has such an id.
            ServerError: the server does not answer.
        """

        def drop(letter: DeadLetter) -> None:
            self._letters.drop(letter.id)

        with server_errors(self._url):
            return self._do(ids, drop)

    def _do(self, ids: list[str], act: Callable[[DeadLetter], str | None]) -> Done:
        done = Done()
        for letter_id in dict.fromkeys(ids):
            letter = self._letters.get(letter_id)
            if letter is None:
                done.gone.append(letter_id)
                continue
            reason = act(letter)
            if reason is None:
                done.ids.append(letter_id)
            else:
                done.refused[letter_id] = reason
        return done
