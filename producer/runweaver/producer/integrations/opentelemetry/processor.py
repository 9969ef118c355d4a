"""What the SDK calls when a span starts or ends."""

import os
import threading
import time
import weakref
from typing import Any, Final

from opentelemetry import baggage, trace
from opentelemetry.context import Context
from opentelemetry.sdk.trace import ReadableSpan, Span, SpanProcessor
from opentelemetry.trace import SpanContext

from runweaver.producer.active_run import ActiveRun
from runweaver.producer.carrier import HEADER
from runweaver.producer.current import current_run
from runweaver.producer.integrations.opentelemetry.attributes import kind_of
from runweaver.producer.integrations.opentelemetry.spans import SCOPES, OpenSpan
from runweaver.producer.integrations.opentelemetry.traced_run import TracedRun, begin_run
from runweaver.producer.producer import Producer
from runweaver.shared.errors import InvalidArgumentError
from runweaver.shared.log import get_logger

_log = get_logger(__name__)

_COMPLAIN_EVERY_S: Final = 60.0
_CLOSE_S: Final = 5.0

#: Names a span in this process: of the trace, and of the span in it.
_Key = tuple[int, int]


class RunweaverSpanProcessor(SpanProcessor):
    """Turns the spans of agents into runs: the topmost `invoke_agent` or `invoke_workflow` span is a run.

        provider = TracerProvider()
        provider.add_span_processor(RunweaverSpanProcessor())

    The run begins when that span begins, so it can be watched while it goes on, and is found to be stuck when its
    process dies. Its id is the trace's, where the span is the root of the trace, or else `<trace id>-<span id>`. Where
    the agent's caller works for a run already (`runweaver.producer.current_run`), it is a part of that one. Spans
    outside of agents cost a look at their names and leave nothing behind. No error of ours reaches the agent.
    """

    #: Spans of runs that were let go, and when they began; of more than there is room for, only the latest such time.
    _let_go_of: dict[_Key, int]
    _let_go_before_ns: int

    def __init__(self, producer: Producer | None = None, *, join: bool = False, max_open_spans: int = 10_000) -> None:
        """For one provider, or for several.

        Args:
            producer: reports the runs; absent: one of its own, with settings from the environment, which `shutdown`
                closes.
            join: whether agents that another process calls take part in its run instead of having one each. The
                baggage has what `ActiveRun.carrier` gives. It comes with requests: leave this off where anybody can
                send some.
            max_open_spans: so many spans of agents are followed at once. When there are more, the run that began first
                is let go: no more is told of it, and it will be found to be stuck.

        Raises:
            SettingsError: there is no producer given, and a variable of the environment makes no sense.
        """
        self._owns_producer = producer is None
        self._producer = producer if producer is not None else Producer()
        self._join = join
        self._max_open_spans = max_open_spans
        self._is_closed = False
        # What was complained about: how often, and when it may be said again.
        self._complaints: dict[str, tuple[int, float]] = {}
        self._forget()
        _living.add(self)

    def on_start(self, span: Span, parent_context: Context | None = None) -> None:
        """A span began. Called by the SDK."""
        try:
            with self._lock:
                self._started(span, parent_context)
        except Exception:  # noqa: BLE001 - whatever a span holds, its agent goes on
            self._complain("a span cannot be told", exc_info=True)

    def on_end(self, span: ReadableSpan) -> None:
        """A span ended. Called by the SDK."""
        try:
            with self._lock:
                self._ended(span)
        except Exception:  # noqa: BLE001 - as above
            self._complain("a span cannot be told", exc_info=True)

    def current_run(self) -> ActiveRun | None:
        """The run that the current span is part of, to report to directly, or for its id; none outside of agents."""
        with self._lock:
            place = self._places.get(_key(trace.get_current_span().get_span_context()))
            return place.run.run if place is not None else None

    def shutdown(self) -> None:
        """Let go of runs that still go on, and of the producer, if it is the processor's own. Called by the SDK."""
        with self._lock:
            self._is_closed = True
            for run in list(self._runs):
                self._let_go(run)
        if self._owns_producer:
            self._producer.close(_CLOSE_S)

    def force_flush(self, timeout_millis: int = 30_000) -> bool:
        """Wait until everything told so far is on the server. Called by the SDK.

        Returns:
            Whether it is.
        """
        return self._producer.flush(timeout_millis / 1000)

    def _started(self, span: Span, parent_context: Context | None) -> None:
        if self._is_closed:
            return
        parent = self._place_around(span, parent_context)
        if parent is not None:
            self._make_room()
            if parent.run in self._runs:
                place = OpenSpan(span, parent.run, parent)
                self._keep(place)
                place.run.began(place)
        elif kind_of(span) in SCOPES:
            self._begin(span, parent_context)

    def _ended(self, span: ReadableSpan) -> None:
        key = _key(span.context)
        place = self._places.pop(key, None)
        if place is None:
            # Some say only afterwards what a span is about.
            if self._is_closed or self._was_let_go(key, span) or kind_of(span) not in SCOPES:
                return
            place = self._begin(span, None)
            del self._places[key]
        run = place.run
        run.keys.discard(key)
        if place is run.root:
            # What is still open in it is not told any more.
            self._drop(run)
            run.end(span)
        else:
            run.ended(place, span)

    def _place_around(self, span: ReadableSpan, parent_context: Context | None) -> OpenSpan | None:
        parent = span.parent
        if parent is None:
            return None
        place = self._places.get(_key(parent))
        if place is not None or _key(parent) in self._let_go_of:
            return place
        # Some say what a span is about just after it has begun.
        around = trace.get_current_span(parent_context)
        if isinstance(around, Span) and around.is_recording() and _key(around.context) == _key(parent):
            return self._begin(around, None) if kind_of(around) in SCOPES else None
        return None

    def _begin(self, span: ReadableSpan, parent_context: Context | None) -> OpenSpan:
        self._make_room()
        run = self._run_at_hand(span, parent_context) or begin_run(self._producer, span)
        self._runs[run] = None
        self._keep(run.root)
        return run.root

    def _run_at_hand(self, span: ReadableSpan, context: Context | None) -> TracedRun | None:
        """What goes on already: the run that the agent's caller works for, here or in another process."""
        current = current_run()
        if current is not None:
            return TracedRun(current, span)
        carried = baggage.get_baggage(HEADER, context) if self._join else None
        try:
            return TracedRun(self._producer.join_run(carried), span, leaves=True) if isinstance(carried, str) else None
        except InvalidArgumentError:
            return None

    def _keep(self, place: OpenSpan) -> None:
        key = _key(place.span.context)
        self._places[key] = place
        place.run.keys.add(key)

    def _make_room(self) -> None:
        while len(self._places) >= self._max_open_spans:
            eldest = next(iter(self._runs))
            self._complain("a run is let go: too many spans are open", run_id=eldest.run.run_id)
            self._let_go(eldest)

    def _let_go(self, run: TracedRun) -> None:
        self._drop(run)
        run.let_go()

    def _was_let_go(self, key: _Key, span: ReadableSpan) -> bool:
        return self._let_go_of.pop(key, None) is not None or (span.start_time or 0) <= self._let_go_before_ns

    def _drop(self, run: TracedRun) -> None:
        self._runs.pop(run, None)
        for key in run.keys:
            self._let_go_of[key] = self._places.pop(key).span.start_time or 0
        run.keys.clear()
        while len(self._let_go_of) > self._max_open_spans:
            self._let_go_before_ns = max(self._let_go_before_ns, self._let_go_of.pop(next(iter(self._let_go_of))))

    def _complain(self, what: str, **details: Any) -> None:
        times, again_at = self._complaints.get(what, (0, 0.0))
        now = time.monotonic()
        if now >= again_at:
            again_at = now + _COMPLAIN_EVERY_S
            _log.warning(what, times=times + 1, **details)
        self._complaints[what] = times + 1, again_at

    def _forget(self) -> None:
        # Spans may end while another is told in the same thread, when memory is collected.
        self._lock = threading.RLock()
        self._runs: dict[TracedRun, None] = {}
        self._places: dict[_Key, OpenSpan] = {}
        self._let_go_of = {}
        self._let_go_before_ns = -1

    def _after_fork_in_child(self) -> None:
        # Runs that go on are the parent's to tell.
        others = {key: place.span.start_time or 0 for key, place in self._places.items()}
        self._forget()
        self._let_go_of = others


#: All processors of this process, for the children that it may fork.
_living: weakref.WeakSet[RunweaverSpanProcessor] = weakref.WeakSet()


def _after_fork_in_child() -> None:
    for processor in list(_living):
        processor._after_fork_in_child()  # noqa: SLF001


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork_in_child)


def _key(context: SpanContext | None) -> _Key:
    return (context.trace_id, context.span_id) if context is not None else (0, 0)
