"""How pages are made: templates, and how they write times, durations and numbers."""

from collections.abc import Mapping
from datetime import datetime
from hashlib import sha256
from importlib.metadata import version
from pathlib import Path
from typing import Annotated, Any, Final
from urllib.parse import quote, urlencode

from fastapi import Depends, Request
from jinja2 import Environment, FileSystemLoader, StrictUndefined, select_autoescape
from markupsafe import Markup
from starlette.responses import HTMLResponse, JSONResponse, Response

from runweaver.console.amounts import spell_bytes, spell_seconds
from runweaver.console.sources import Sources
from runweaver.console.web.kept_runs import KeptRuns
from runweaver.console.web.operations import Operations
from runweaver.console.web.run_view import pretty, prose
from runweaver.console.web.visit import Visit
from runweaver.console.web.waiting import Waiting
from runweaver.shared.summary import RunSummary
from runweaver.shared.wording import spell_duration

_HERE: Final = Path(__file__).parent
STATIC: Final = _HERE / "static"

#: Of what happened in a run, so many characters stand in lists.
_GIST: Final = 160

_THOUSAND: Final = 1_000

#: The places of the navigation: path, name, and the key that goes there after `g`.
PLACES: Final = (
    ("/", "Fleet", "f"),
    ("/runs", "Runs", "r"),
    ("/goals", "Goals", "o"),
    ("/operations", "Operations", "p"),
)


def sources_of(request: Request) -> Sources:
    """What a request reads from."""
    sources: Sources = request.app.state.sources
    return sources


def kept_runs_of(request: Request) -> KeptRuns:
    """The runs that were looked at last."""
    kept: KeptRuns = request.app.state.kept_runs
    return kept


def waiting_of(request: Request) -> Waiting:
    """What waited so far."""
    waiting: Waiting = request.app.state.waiting
    return waiting


Reading = Annotated[Sources, Depends(sources_of)]
Keeping = Annotated[KeptRuns, Depends(kept_runs_of)]
Looking = Annotated[Waiting, Depends(waiting_of)]


def operations_of(request: Request) -> Operations:
    """The pipeline behind a request."""
    operations: Operations = request.app.state.operations
    return operations


Operating = Annotated[Operations, Depends(operations_of)]


def page(
    request: Request, template: str, context: Mapping[str, Any] | None = None, *, status: int = 200
) -> HTMLResponse:
    """A page. Whatever agents wrote is escaped: templates say nothing else is safe."""
    known = {
        "path": request.url.path,
        "places": PLACES,
        "query": request.url.query,
        "visit": getattr(request.state, "visit", Visit()),
    }
    return HTMLResponse(_templates.get_template(template).render({**known, **(context or {})}), status)


def trouble(request: Request, status: int, detail: str) -> Response:
    """What went wrong: a page for people, JSON for programs."""
    if request.url.path.startswith("/api/"):
        return JSONResponse({"detail": detail}, status)
    return page(request, "trouble.html", {"status": status, "detail": detail}, status=status)


def link(path: str, **parameters: object) -> str:
    """An address of ours. Run ids and goals may have slashes and question marks in them; none is left out."""
    given = {name: value for name, value in parameters.items() if value not in (None, "", 0)}
    return quote(path, safe="/") + (f"?{urlencode(given)}" if given else "")


def _moment(moment: datetime) -> Markup:
    """A time. The browser shows it in the zone of its reader; the exact one is there to hover over."""
    exact = f"{moment:%Y-%m-%d %H:%M:%S}.{moment.microsecond // 1000:03d} UTC"
    return Markup('<time datetime="{}" title="{}">{}</time>').format(
        moment.isoformat(), exact, f"{moment:%Y-%m-%d %H:%M:%S}"
    )


def _asset(name: str) -> str:
    """The address of an asset, which changes with what is in them: what a script imports has the same prefix."""
    return f"{ASSETS}/{name}"


def _assets_address() -> str:
    digest = sha256()
    for path in sorted(STATIC.rglob("*")):
        if path.is_file():
            digest.update(path.read_bytes())
    return f"/static/{digest.hexdigest()[:12]}"


def _many(number: float) -> str:
    return f"{number:,.0f}"


def _compact(number: float) -> str:
    """A number that need not be exact: `840`, `12.4k`, `3.1M`."""
    for unit in ("", "k", "M"):
        if number < _THOUSAND:
            return f"{number:.1f}{unit}" if unit else f"{number:.0f}"
        number /= _THOUSAND
    return f"{number:,.1f}G"


def _share(share: float) -> str:
    return f"{share:.0%}"


def _visible(text: str) -> str:
    """The same with what is not seen, or turns around what is, told in escapes."""
    return "".join(
        each if each.isprintable() or each in "\t\n" else each.encode("unicode_escape").decode() for each in text
    )


def _gist(summary: RunSummary) -> str:
    """What went wrong in a run, or how it is told, in a line."""
    text = next(iter(summary.critical_problems), "") or summary.narrative.rpartition("\n")[2]
    return text if len(text) <= _GIST else f"{text[: _GIST - 1]}…"


def _environment() -> Environment:
    environment = Environment(
        loader=FileSystemLoader(_HERE / "templates"),
        autoescape=select_autoescape(default=True, default_for_string=True),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters.update(
        moment=_moment,
        many=_many,
        compact=_compact,
        share=_share,
        gist=_gist,
        pretty=pretty,
        prose=prose,
        duration=spell_duration,
    )
    environment.filters.update(seconds=spell_seconds, size=spell_bytes, visible=_visible)
    environment.globals.update(link=link, asset=_asset, version=version("runweaver"))
    return environment


#: Where the assets are.
ASSETS: Final = _assets_address()
_templates: Final = _environment()
