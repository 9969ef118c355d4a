"""docs/listening.md: its programs and its file of hooks are tried as they stand."""

import re
import socket
import subprocess
import sys
from pathlib import Path

from runweaver.console.webhooks import Hook, load_hooks
from tests.support.announcing import summary, tell
from tests.support.processes import Pipeline
from tests.support.receiver import SECRET
from tests.support.waiting import wait_until

_PAGE = (Path(__file__).parents[2] / "docs" / "listening.md").read_text()
_SUBSCRIBER, _RECEIVER = re.findall(r"^```python\n(.*?)^```", _PAGE, re.MULTILINE | re.DOTALL)
[_HOOKS] = re.findall(r"^```toml\n(.*?)^```", _PAGE, re.MULTILINE | re.DOTALL)


def test_the_receiver_takes_what_the_hook_of_the_page_posts(own_pipeline: Pipeline, tmp_path: Path) -> None:
    """It verifies the signature, and refuses what is not signed with its secret."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    hooks, output = tmp_path / "webhooks.toml", tmp_path / "output"
    [alerts, _] = re.findall(r"\[\[hooks\]\]\n(?:.+\n)+", _HOOKS)
    hooks.write_text(alerts.replace("https://example.com/", f"http://127.0.0.1:{port}/"))
    with output.open("wb") as stdout:
        receiver = subprocess.Popen(
            [sys.executable, "-c", _RECEIVER],
            env={**own_pipeline.environment, "ALERTS_SECRET": SECRET, "PORT": str(port)},
            stdout=stdout,
            stderr=subprocess.DEVNULL,
        )
    own_pipeline.processes.append(receiver)
    command = [sys.executable, "-m", "runweaver.console", "webhooks"]
    sender = own_pipeline.spawn(command, RUNWEAVER_WEBHOOKS=str(hooks), ALERTS_SECRET=SECRET)
    wait_until(lambda: own_pipeline.redis.exists(own_pipeline.keys.finished), what="the group")
    tell(own_pipeline, summary("good"), summary("bad", status="failed"))
    wait_until(lambda: "bad failed\n" == output.read_text(), what="what was posted")
    assert 0 == own_pipeline.stop(sender)

    other = f"whsec_{SECRET[6:30][::-1]}{SECRET[30:-1]}="
    own_pipeline.spawn(command, RUNWEAVER_WEBHOOKS=str(hooks), ALERTS_SECRET=other)
    tell(own_pipeline, summary("forged", status="failed"))
    wait_until(lambda: own_pipeline.redis.xlen(own_pipeline.keys.webhook_dead_letters), what="a dead letter")
    assert "bad failed\n" == output.read_text()


def test_the_subscriber_goes_on_where_it_stopped(own_pipeline: Pipeline, tmp_path: Path) -> None:
    """Killed and started again, it tells what it has missed, and nothing twice."""
    output = tmp_path / "output"
    tell(own_pipeline, summary("before", status="failed"))

    def start() -> subprocess.Popen[bytes]:
        with output.open("ab") as stdout:
            process = subprocess.Popen(
                [sys.executable, "-u", "-c", _SUBSCRIBER], env=own_pipeline.environment, cwd=tmp_path, stdout=stdout
            )
        own_pipeline.processes.append(process)
        return process

    process = start()
    wait_until(
        lambda: any(client["name"] == "runweaver-subscription" for client in own_pipeline.redis.client_list()),
        what="the subscriber listening",
    )
    wait_until(
        lambda: any(client["cmd"] == "xread" for client in own_pipeline.redis.client_list()), what="it has its place"
    )
    tell(own_pipeline, summary("first", status="failed"))
    place = tmp_path / "place"
    wait_until(lambda: place.exists() and place.read_text(), what="the first")
    own_pipeline.kill(process)
    tell(own_pipeline, summary("fine"), summary("second", status="failed"))
    start()
    wait_until(lambda: "second" in output.read_text(), what="the second")

    assert ["first", "second"] == [line.split()[0] for line in output.read_text().splitlines() if " Run " in line]


def test_the_hooks_of_the_page_are_hooks(tmp_path: Path) -> None:
    """But for the secrets, which are elsewhere; and the table has all that can be said of one."""
    path = tmp_path / "webhooks.toml"
    path.write_text(re.sub(r"secret_\w+ = .*", f'secret = "{SECRET}"', _HOOKS))

    assert ["alerts", "loops"] == [hook.name for hook in load_hooks(path)]
    _, _, table = _PAGE.partition("| field | default |")
    rows = [row.split(" | ") for row in table.partition("\n\n")[0].splitlines()[2:]]
    defaults = {name: row[1] for row in rows for name in re.findall(r"`(\w+)`", row[0])}
    assert set(Hook.model_fields) == set(defaults)
    assert {name: Hook.model_fields[name].default for name, text in defaults.items() if text.startswith("`")} == {
        name: float(text.strip("`")) for name, text in defaults.items() if text.startswith("`")
    }
