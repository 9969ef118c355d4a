"""What pages and tools read from."""

from runweaver.console.live import live_summary
from runweaver.query import Fleet, Insights, PipelineStatus, Runs, Summaries, read_status
from runweaver.shared.connection import connect, server_errors
from runweaver.shared.errors import ArchiveExpiredError, InvalidArgumentError
from runweaver.shared.keys import Keys
from runweaver.shared.run import Run, RunStatus
from runweaver.shared.settings import JobSettings
from runweaver.shared.summary import RunSummary


class UnknownRunError(InvalidArgumentError):
    """Nothing is known of a run, or nothing any more."""


class Sources:
    """One namespace on one server. May be used from several threads.

    Nothing is connected before something is asked, and where the server goes away and comes back, so do the answers.
    """

    def __init__(self, settings: JobSettings, *, to_find_runs: str = "", to_get_summary: str = "") -> None:
        """Nothing is connected yet.

        Args:
            settings: where.
            to_find_runs: what to do where a run is not known, for the text of the error.
            to_get_summary: what to do where only the summary of a run is kept.

        Raises:
            SettingsError: a URL makes no sense.
        """
        self._to_find_runs = f": {to_find_runs}" if to_find_runs else ""
        self._to_get_summary = f": {to_get_summary}" if to_get_summary else ""
        self.settings = settings
        self.keys = Keys(settings.namespace)
        self.client = connect(settings.redis_url, name="query")
        self.jobs_client = connect(settings.effective_jobs_url, name="query")
        self.summaries = Summaries(settings.redis_url, namespace=settings.namespace)
        self.runs = Runs(settings.redis_url, namespace=settings.namespace)
        self.insights = Insights(settings.redis_url, namespace=settings.namespace)
        self.fleet = Fleet(settings.redis_url, namespace=settings.namespace)

    def status(self) -> PipelineStatus:
        """How the pipeline is doing."""
        with server_errors(self.settings.redis_url):
            return read_status(self.client, self.keys)

    def summary(self, run_id: str) -> RunSummary:
        """The summary of a run; of one that goes on, or was not summarised yet, as it stands (revision 0).

        Raises:
            UnknownRunError: nothing is known of it.
        """
        summary = self.summaries.get(run_id)
        if summary is None:
            return live_summary(self.run(run_id))
        if summary.status is RunStatus.STUCK:
            # It may have come back to life: then what it does now counts.
            run = self._run_if_kept(run_id)
            if run is not None and run.status is RunStatus.RUNNING:
                return live_summary(run)
        return summary

    def run(self, run_id: str) -> Run:
        """A run with all its decisions.

        Raises:
            ArchiveExpiredError: only its summary is still kept.
            UnknownRunError: nothing is known of it.
        """
        try:
            run = self.runs.get(run_id)
        except ArchiveExpiredError:
            raise ArchiveExpiredError(
                f"the decisions of {run_id} are kept no more, its summary still is{self._to_get_summary}"
            ) from None
        if run is None:
            raise UnknownRunError(f"no run {run_id!r:.220} is known (any more){self._to_find_runs}")
        return run

    def _run_if_kept(self, run_id: str) -> Run | None:
        try:
            return self.runs.get(run_id)
        except ArchiveExpiredError:
            return None
