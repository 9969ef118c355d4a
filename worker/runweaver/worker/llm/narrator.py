"""Lets a language model tell the runs that deserve it, and tells all others, and whatever fails, plainly."""

import hashlib
import time
from collections import OrderedDict
from collections.abc import Hashable, Sequence
from typing import Final, Generic, TypeVar

from runweaver.shared.attention import Attention, attention_of
from runweaver.shared.evidence import Evidence
from runweaver.shared.log import get_logger
from runweaver.shared.run import Run, RunStatus
from runweaver.shared.settings import FinalizerSettings
from runweaver.worker.llm.answer import founded
from runweaver.worker.llm.budget import MinuteBudget, Pause
from runweaver.worker.llm.checks import check_settings, lacks_key
from runweaver.worker.llm.client import ModelClient
from runweaver.worker.llm.no_answer import NoAnswerError
from runweaver.worker.llm.prompt import Prompt, write_prompt
from runweaver.worker.narrate import PlainNarrator, headline
from runweaver.worker.story import Story
from runweaver.worker.totals import NarrationTotals

#: Of the tokens of a request, what the answer may take.
_ANSWER_SHARE: Final = 0.25
#: How often a finalizer asks for one run, revisions included: each message that comes late may make another one.
_MOST_REQUESTS: Final = 3
_RUNS_REMEMBERED: Final = 4_096
_ANSWERS_REMEMBERED: Final = 256

_log = get_logger(__name__)

_Key = TypeVar("_Key", bound=Hashable)
_Value = TypeVar("_Value")


class LlmNarrator:
    """Begins with the line that the narrator that comes along begins with. What follows is the model's."""

    def __init__(self, settings: FinalizerSettings, totals: NarrationTotals) -> None:
        """Nothing is asked yet.

        Raises:
            SettingsError: no model is named, or the settings do not fit together.
        """
        check_settings(settings)
        model = settings.llm_model or ""
        self._name = f"llm:{model}"
        self._settings = settings
        self._totals = totals
        self._client = ModelClient(settings, model)
        self._budget = MinuteBudget(tokens=settings.llm_minute_tokens, seconds=settings.llm_minute_s)
        self._pause = Pause()
        self._answer_tokens = int(settings.llm_run_tokens * _ANSWER_SHARE)
        #: How often was asked for each run.
        self._requests: _Recent[str, int] = _Recent(_RUNS_REMEMBERED)
        #: What came of each prompt: the same one may be written again, when messages come while a summary is stored.
        self._answers: _Recent[bytes, list[Evidence] | NoAnswerError] = _Recent(_ANSWERS_REMEMBERED)

    def narrate(self, run: Run) -> Story:
        """What happened, told by the model if it can be, and else as the narrator that comes along does."""
        plain = PlainNarrator().narrate(run)
        attention = attention_of(run, self._settings.thresholds)
        if self._settings.llm_runs != "all" and not deserves(run, attention):
            self._totals.results["skipped"] += 1
            return plain
        try:
            told = self._told(run, plain, attention)
        except NoAnswerError:
            return plain
        return Story.of_lines([list(headline(run)), *([sentence] for sentence in told)], narrator=self._name)

    def close(self) -> None:
        """Ask no more. A process that ends need not call it."""
        self._client.close()

    def _told(self, run: Run, plain: Story, attention: Sequence[Attention]) -> list[Evidence]:
        """The sentences of the model; those that it told before, where the prompt is the same."""
        most_tokens = self._settings.llm_run_tokens - self._answer_tokens
        prompt = write_prompt(run, plain.evidence, attention, most_tokens=most_tokens)
        # Another run may read the same, and has other ids.
        digest = hashlib.sha256(f"{run.id}\n{prompt.text}".encode()).digest()
        known = self._answers.get(digest)
        if known is None:
            known = self._asked_within_bounds(run, prompt, digest)
        if isinstance(known, NoAnswerError):
            raise known
        return known

    def _asked_within_bounds(self, run: Run, prompt: Prompt, digest: bytes) -> list[Evidence] | NoAnswerError:
        requests = self._requests.get(run.id) or 0
        if (reason := self._reason_against(requests, prompt)) is not None:
            self._totals.results[reason] += 1
            return NoAnswerError(reason)
        self._requests.put(run.id, requests + 1)
        answer = self._asked(run, prompt)
        self._totals.results[answer.reason if isinstance(answer, NoAnswerError) else "written"] += 1
        self._answers.put(digest, answer)
        return answer

    def _reason_against(self, requests: int, prompt: Prompt) -> str | None:
        """Why not to ask at all, if so."""
        if lacks_key(self._settings):
            return "unauthorized"
        if self._pause.is_on:
            return "paused"
        if requests >= _MOST_REQUESTS or not self._budget.allows(prompt.tokens + self._answer_tokens):
            return "budget"
        return None

    def _asked(self, run: Run, prompt: Prompt) -> list[Evidence] | NoAnswerError:
        began_at = time.monotonic()
        # Until the server says what it was, and where it never does.
        spent = {"input": prompt.tokens, "output": self._answer_tokens}
        try:
            reply = self._client.ask(prompt.text, most_tokens=self._answer_tokens)
        except NoAnswerError as error:
            self._note(error)
            return error
        else:
            if reply.input_tokens or reply.output_tokens:
                spent = {"input": reply.input_tokens, "output": reply.output_tokens}
            self._pause.answered()
            return founded(reply.answer, prompt, run.status) or self._unfounded()
        finally:
            self._budget.spend(sum(spent.values()), time.monotonic() - began_at)
            for kind, tokens in spent.items():
                self._totals.tokens[kind] += tokens

    def _unfounded(self) -> NoAnswerError:
        error = NoAnswerError("no-evidence")
        self._note(error)
        return error

    def _note(self, error: NoAnswerError) -> None:
        _log.info("the model told nothing of use, telling the run plainly", reason=error.reason, detail=error.detail)
        if not error.is_trouble:
            self._pause.answered()
            return
        pause_s = self._pause.failed(lasting=error.lasting, retry_after_s=error.retry_after_s)
        if pause_s is not None:
            _log.warning(
                "the model is not asked for a while", reason=error.reason, detail=error.detail, pause_s=round(pause_s)
            )


def deserves(run: Run, attention: Sequence[Attention]) -> bool:
    """Whether a run is worth what a model costs: it failed, got stuck, or needs attention."""
    return run.status in (RunStatus.FAILED, RunStatus.STUCK) or bool(attention)


class _Recent(Generic[_Key, _Value]):
    """What was put there last, up to a number."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._kept: OrderedDict[_Key, _Value] = OrderedDict()

    def get(self, key: _Key) -> _Value | None:
        return self._kept.get(key)

    def put(self, key: _Key, value: _Value) -> None:
        self._kept[key] = value
        self._kept.move_to_end(key)
        if len(self._kept) > self._most:
            self._kept.popitem(last=False)
