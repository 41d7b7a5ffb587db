"""A small app with a trigger of each kind; the HTTP function tells what the others were given."""

from __future__ import annotations

from typing import Any

import azure.functions as func
from azurefunctions.extensions.http.fastapi import JSONResponse, Request, Response  # type: ignore[import-untyped]

app = func.FunctionApp(http_auth_level=func.AuthLevel.ANONYMOUS)
seen: list[dict[str, Any]] = []


@app.route("seen")
async def tell(req: Request) -> Response:
    return JSONResponse(seen)


@app.service_bus_queue_trigger("message", "BUS", "%QUEUE%")
def consume(message: func.ServiceBusMessage) -> None:
    seen.append(
        {
            "body": message.get_body().decode("latin-1"),
            "id": message.message_id,
            "label": message.label,
            "count": message.delivery_count,
            "sequence": message.sequence_number,
            "enqueued": str(message.enqueued_time_utc),
            "locked_until": str(message.locked_until),
            "properties": message.application_properties,
        }
    )
    if message.get_body() == b"raise":
        raise RuntimeError("it breaks")


@app.timer_trigger("timer", "0 0 3 * * *", run_on_startup=True)
def tick(timer: func.TimerRequest) -> None:
    given: Any = timer
    seen.append({"past_due": given.past_due, "status": given.schedule_status, "schedule": given.schedule})
