"""What the figures were measured on, and with."""

import os
import platform
from collections.abc import Mapping
from importlib import metadata
from pathlib import Path
from typing import Final

from benchmarks.processes import fresh_site

_PACKAGES: Final = ("redis", "hiredis", "pydantic", "rq", "zstandard")
_PEERS: Final = ("dramatiq", "taskiq", "taskiq-redis", "opentelemetry-sdk")


def machine() -> Mapping[str, str]:
    """Cores, memory, versions."""
    with fresh_site() as site:
        server = site.client.info("server")
    is_valkey = "valkey_version" in server
    versions = {name: version(name) for name in (*_PACKAGES, *_PEERS)}
    return {
        "processor": f"{os.cpu_count()} cores, {_line('/proc/cpuinfo', 'model name') or platform.machine()}",
        "memory": f"{int(_line('/proc/meminfo', 'MemTotal').split()[0]) / 1024**2:.0f} GiB",
        "load before": f"{os.getloadavg()[0]:.2f}",
        "Python": platform.python_version(),
        "server": f"Valkey {server['valkey_version']}" if is_valkey else f"Redis {server['redis_version']}",
        **{name: found for name, found in versions.items() if found},
    }


def version(package: str) -> str:
    """The installed version; empty where there is none."""
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return ""


def _line(file: str, name: str) -> str:
    lines = Path(file).read_text().splitlines()
    return next((line.partition(":")[2].strip() for line in lines if line.startswith(name)), "")
