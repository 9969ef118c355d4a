"""Makes a picture of every page of the console that is worth one: dark and light, on a laptop and on a phone.

    python -m tests.console.screenshots docs/images/console

The pages are those of a private server that is filled the same each time; only the times that they show are of the day.
"""

import argparse
import sys
import tempfile
from collections.abc import Sequence
from io import BytesIO
from itertools import product
from pathlib import Path
from typing import Final

from PIL import Image
from playwright.sync_api import Page

from tests.console.addresses import PLACES, Place
from tests.support.browsing import CHROMIUM, BrowserThread, visit
from tests.support.consoles import serve_console
from tests.support.filling import Filled, fill
from tests.support.processes import Pipeline
from tests.support.server import Server

#: A picture that has more bytes gets fewer colours.
_MOST_BYTES: Final = 150_000
_COLOURS: Final = (256, 128, 64, 32)
#: Charts are drawn, and what is live has come.
_SETTLING_MS: Final = 600


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description="Make pictures of the console's pages.")
    parser.add_argument("folder", type=Path, help="where they go: PAGE-dark.png, PAGE-light.png, PAGE-phone-dark.png …")
    folder: Path = parser.parse_args(arguments).folder
    if CHROMIUM is None:
        print("error: there is no Chromium here (Debian: chromium)", file=sys.stderr)
        return 2
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as logs, Server() as server, Pipeline(server.url, "rw") as pipeline:
        pipeline.start("worker")
        pipeline.start("finalizer")
        filled = fill(pipeline)
        address = serve_console(pipeline, Path(logs) / "log")
        thread = BrowserThread()
        try:
            thread.run(_make_all, thread, address, filled, folder)
        finally:
            thread.close()
    return 0


def _make_all(thread: BrowserThread, address: str, filled: Filled, folder: Path) -> None:
    shown = [place for place in PLACES if place.is_shown]
    for place, dark, phone in product(shown, [True, False], [False, True]):
        with visit(thread.browser, address, dark=dark, phone=phone, timezone_id="UTC") as visiting:
            page = visiting.open(place.of(filled), status=place.status)
            page.wait_for_timeout(_SETTLING_MS)
            path = folder / _name(place, dark=dark, phone=phone)
            path.write_bytes(_picture(page))
            print(f"{path}: {path.stat().st_size:,} bytes")


def _name(place: Place, *, dark: bool, phone: bool) -> str:
    return f"{place.name}{'-phone' if phone else ''}-{'dark' if dark else 'light'}.png"


def _picture(page: Page) -> bytes:
    """What is seen without scrolling, as a small PNG."""
    image = Image.open(BytesIO(page.screenshot(animations="disabled", caret="hide"))).convert("RGB")
    made = b""
    for colours in _COLOURS:
        packed = BytesIO()
        image.quantize(colours, dither=Image.Dither.NONE).save(packed, "PNG", optimize=True)
        made = packed.getvalue()
        if len(made) <= _MOST_BYTES:
            break
    return made


if __name__ == "__main__":
    sys.exit(main())
