"""What Prometheus and Grafana are told, as tests read it."""

import json
import re
import shutil
import subprocess
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, Final

import pytest
import yaml

from tests.support.pages import ROOT

FOLDER: Final = ROOT / "deploy" / "monitoring"
DASHBOARD: Final = FOLDER / "grafana" / "dashboards" / "runweaver.json"

#: All metrics that we serve, as they are named in what Prometheus scrapes; histograms without their suffixes.
METRICS: Final = {
    "runweaver_up",
    "runweaver_backlog_entries",
    "runweaver_lag_seconds",
    "runweaver_open_runs",
    "runweaver_due_runs",
    "runweaver_due_seconds",
    "runweaver_dead_letters",
    "runweaver_quietest_run_seconds",
    "runweaver_summaries",
    "runweaver_jobs_waiting",
    "runweaver_jobs_failed",
    "runweaver_finalizers",
    "runweaver_workers",
    "runweaver_entries_in_hand",
    "runweaver_webhook_waiting",
    "runweaver_server_memory_bytes",
    "runweaver_server_memory_limit_bytes",
    "runweaver_server_clients",
    "runweaver_server_replicas",
    "runweaver_trouble",
    "runweaver_worker_messages_total",
    "runweaver_worker_message_bytes_total",
    "runweaver_worker_entries_total",
    "runweaver_worker_dead_letters_total",
    "runweaver_worker_claimed_entries_total",
    "runweaver_worker_retries_total",
    "runweaver_worker_batch_seconds",
    "runweaver_finalizer_jobs_total",
    "runweaver_finalizer_job_seconds",
    "runweaver_finalizer_summaries_total",
    "runweaver_finalizer_summary_latency_seconds",
    "runweaver_finalizer_failures_total",
    "runweaver_finalizer_dead_letters_total",
    "runweaver_finalizer_narrations_total",
    "runweaver_finalizer_narration_tokens_total",
    "runweaver_producer_messages_total",
    "runweaver_producer_sent_messages_total",
    "runweaver_producer_dropped_messages_total",
    "runweaver_producer_buffered_messages",
    "runweaver_producer_buffered_bytes",
    "runweaver_producer_spooled_messages",
    "runweaver_producer_spool_bytes",
}
#: Those of Prometheus itself and of its client that are used here.
_USUAL: Final = {
    "ALERTS",
    "up",
    "process_cpu_seconds_total",
    "process_resident_memory_bytes",
    "process_start_time_seconds",
}
_PROMTOOL: Final = shutil.which("promtool")
_OPERATORS: Final = {"and", "or", "unless", "bool", "offset"}

needs_promtool: Final = pytest.mark.skipif(_PROMTOOL is None, reason="promtool is not installed (Debian: prometheus)")


def promtool(*arguments: str | Path) -> None:
    """Let promtool check something, and fail with what it says."""
    assert _PROMTOOL is not None, "promtool is not installed"
    done = subprocess.run([_PROMTOOL, *arguments], capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def check_expressions(expressions: Iterable[str], folder: Path) -> None:
    """Fail where one of them is none of Prometheus'. It parses only what stands in a rule."""
    rules = [{"record": f"checked:{number}", "expr": expression} for number, expression in enumerate(expressions)]
    path = folder / "expressions.yml"
    path.write_text(json.dumps({"groups": [{"name": "checked", "rules": rules}]}), encoding="utf-8")
    promtool("check", "rules", "--lint=none", path)


def alert_rules() -> list[dict[str, Any]]:
    """The rules of alerts.yml."""
    groups = yaml.safe_load((FOLDER / "alerts.yml").read_text(encoding="utf-8"))["groups"]
    return [rule for group in groups for rule in group["rules"]]


def panels() -> Iterator[dict[str, Any]]:
    """The panels of the dashboard, rows among them."""
    for panel in json.loads(DASHBOARD.read_text(encoding="utf-8"))["panels"]:
        yield panel
        yield from panel.get("panels", [])


def unknown_metrics(expression: str) -> set[str]:
    """What an expression asks for that nobody serves."""
    text = re.sub(r'"[^"]*"', "", expression)
    text = re.sub(r"\{[^}]*\}|\[[^]]*\]", "", text)
    text = re.sub(r"\b(by|without|on|ignoring|group_left|group_right)\s*\([^)]*\)", "", text)
    names = set(re.findall(r"(?<![\w.])[a-zA-Z_:][\w:]*\b(?!\s*\()", text)) - _OPERATORS
    return {name for name in names if re.sub(r"_(bucket|sum|count)$", "", name) not in METRICS | _USUAL}
