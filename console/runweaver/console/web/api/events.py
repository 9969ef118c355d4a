"""What happens, as it happens."""

from typing import Annotated, Any, Final

from fastapi import APIRouter, Header, Request
from starlette.responses import StreamingResponse

from runweaver.console.web.events import Events, Finished

router = APIRouter(tags=["events"])

_HEADERS: Final = {"X-Accel-Buffering": "no"}
_RESPONSES: Final[dict[int | str, dict[str, Any]]] = {
    200: {
        "description": "Server-sent events, until the client hangs up. The data of an event `finished` is this JSON; "
        "`listening` comes first; `missed` says that there were more than are told.",
        "content": {"text/event-stream": {"itemSchema": Finished.model_json_schema()}},
    }
}


@router.get("/events", response_class=StreamingResponse, responses=_RESPONSES)
async def listen(
    request: Request, after: str | None = None, last_event_id: Annotated[str | None, Header()] = None
) -> StreamingResponse:
    """Runs as they are summarised: from now on, or after the event with this id."""
    events: Events = request.app.state.events
    # A browser that was cut off says where in the header; the address is that of its first try.
    return StreamingResponse(events.listen(last_event_id or after), media_type="text/event-stream", headers=_HEADERS)
