"""What the SDK calls when a trace or a span starts or ends."""

import sys
import threading
from collections import OrderedDict
from typing import Any, Final

from agents.tracing import Span, Trace, TracingProcessor

from runweaver.producer.active_run import ActiveRun
from runweaver.producer.current import current_run
from runweaver.producer.integrations.agent_steps import as_identifier
from runweaver.producer.integrations.any_data import start_run
from runweaver.producer.integrations.openai_agents.trace import TracedRun
from runweaver.producer.integrations.quietly import quietly
from runweaver.producer.producer import Producer

_FLUSH_S: Final = 5.0


class RunweaverTracingProcessor(TracingProcessor):
    """Reports each trace as a run, named by the trace's id. For any thread; raises nothing, and never waits.

    Where the agents' caller works for a run already (`runweaver.producer.current_run`), they are a part of that one.
    """

    def __init__(self, producer: Producer | None = None, *, max_open_runs: int = 1000) -> None:
        """Nothing is connected before there is something to send.

        Args:
            producer: takes what is reported; the agent closes it. Absent: one is made, from the environment, which
                `shutdown` closes.
            max_open_runs: so many are held at once. Of more, the one that began first is left: it stays open until
                what comes of it later ends it.
        """
        self._producer = producer if producer is not None else Producer()
        self._is_own = producer is None
        self._max_open_runs = max_open_runs
        self._lock = threading.Lock()
        self._runs: OrderedDict[str, TracedRun] = OrderedDict()
        # What was being handled when a trace started: it is not what ends the trace.
        self._handled: dict[str, BaseException | None] = {}

    @quietly
    def on_trace_start(self, trace: Trace) -> None:
        """A workflow begins."""
        with self._lock:
            self._handled[trace.trace_id] = sys.exception()
            waiting = self._runs.get(trace.trace_id)
        if waiting is not None:
            waiting.is_part = False
            return
        current = current_run()
        if current is not None:
            self._hold(trace.trace_id, TracedRun(current, is_guest=True))
            return
        self._hold(trace.trace_id, TracedRun(self._begun(trace)))

    def _begun(self, trace: Trace) -> ActiveRun:
        name, group = trace.name or "", getattr(trace, "group_id", None)
        metadata = getattr(trace, "metadata", None)
        return start_run(
            self._producer,
            as_identifier(name, "workflow"),
            name,
            run_id=as_identifier(trace.trace_id, "trace"),
            input_data={**({"group_id": group} if group else {}), **({"metadata": metadata} if metadata else {})},
            tags=[f"group:{group}"] if group else [],
        )

    @quietly
    def on_trace_end(self, trace: Trace) -> None:
        """It ended: as failed, if an agent did not get over an error or an exception ends it."""
        with self._lock:
            handled, run = self._handled.pop(trace.trace_id, None), self._runs.get(trace.trace_id)
        error = sys.exception()
        if run is not None and run.end(error if error is not handled else None):
            self._forget(trace.trace_id)

    @quietly
    def on_span_start(self, span: Span[Any]) -> None:
        """A step begins."""
        self._run_of(span).span_started(span)

    @quietly
    def on_span_end(self, span: Span[Any]) -> None:
        """A step ended: it knows now what came of it."""
        run = self._run_of(span)
        run.span_ended(span)
        if run.is_part and span.parent_id is None and run.end():
            self._forget(span.trace_id)

    @quietly
    def force_flush(self) -> None:
        """Wait, at most five seconds, until everything is on the server."""
        self._producer.flush(_FLUSH_S)

    @quietly
    def shutdown(self, timeout: float | None = None) -> None:
        """Let go: the process ends.

        Args:
            timeout: in seconds; absent: five.
        """
        timeout_s = _FLUSH_S if timeout is None else timeout
        if self._is_own:
            self._producer.close(timeout_s)
        else:
            self._producer.flush(timeout_s)

    def _run_of(self, span: Span[Any]) -> TracedRun:
        """The run of a span's trace. It may be new to us: others began it, or it goes on after an approval."""
        with self._lock:
            run = self._runs.get(span.trace_id)
        if run is None:
            joined = self._producer.join_run(as_identifier(span.trace_id, "trace"))
            run = self._hold(span.trace_id, TracedRun(joined, is_joined=True))
        return run

    def _hold(self, trace_id: str, run: TracedRun) -> TracedRun:
        with self._lock:
            held = self._runs.setdefault(trace_id, run)
            evicted = None
            if len(self._runs) > self._max_open_runs:
                oldest, evicted = self._runs.popitem(last=False)
                self._handled.pop(oldest, None)
        if evicted is not None:
            evicted.let_go()
        return held

    def _forget(self, trace_id: str) -> None:
        with self._lock:
            self._runs.pop(trace_id, None)
