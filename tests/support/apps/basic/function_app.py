"""A small app with one function for each thing that the host does."""

from __future__ import annotations

import asyncio
import json
import os
import threading

import azure.functions as func

app = func.FunctionApp()
release = threading.Event()


@app.route("echo/{id:int}/{*rest}", auth_level=func.AuthLevel.ANONYMOUS)
def echo(req: func.HttpRequest, context: func.Context) -> func.HttpResponse:
    seen = {
        "method": req.method,
        "url": req.url,
        "headers": dict(req.headers),
        "params": dict(req.params),
        "route_params": dict(req.route_params),
        "body": req.get_body().decode("latin-1"),
        "context": {
            "function_name": context.function_name,
            "invocation_id": context.invocation_id,
            "trace_parent": context.trace_context.trace_parent,
        },
        "thread": threading.current_thread().name,
    }
    return func.HttpResponse(json.dumps(seen), mimetype="application/json")


@app.route("async/{name?}", methods=["GET"], auth_level=func.AuthLevel.ANONYMOUS)
async def awaited(req: func.HttpRequest) -> func.HttpResponse:
    await asyncio.sleep(0)
    return func.HttpResponse(f"{req.route_params.get('name')} {threading.current_thread().name}", status_code=201)


@app.route("text", auth_level=func.AuthLevel.ANONYMOUS)
def text(req: func.HttpRequest) -> str:
    return "plain é"


@app.route("made", auth_level=func.AuthLevel.ANONYMOUS)
def made(req: func.HttpRequest) -> func.HttpResponse:
    response = func.HttpResponse(b"\x00\x01", status_code=202, mimetype="image/png", headers={"X-One": "1"})
    response.headers.add("Set-Cookie", "a=1; Path=/; HttpOnly")
    response.headers.add("Set-Cookie", "b=2")
    return response


@app.route("nothing", auth_level=func.AuthLevel.ANONYMOUS)
def nothing(req: func.HttpRequest) -> func.HttpResponse:
    return None  # type: ignore[return-value]


@app.route("split", auth_level=func.AuthLevel.ANONYMOUS)
def split(req: func.HttpRequest) -> func.HttpResponse:
    return func.HttpResponse("x", headers={"X-Bad": "a\r\nInjected: yes"})


@app.route("cookie", auth_level=func.AuthLevel.ANONYMOUS)
def cookie(req: func.HttpRequest) -> func.HttpResponse:
    return func.HttpResponse("x", headers={"Set-Cookie": "a(b=1"})


@app.route("status", auth_level=func.AuthLevel.ANONYMOUS)
def status(req: func.HttpRequest) -> func.HttpResponse:
    return func.HttpResponse("x", status_code=1000)


@app.route("raises", auth_level=func.AuthLevel.ANONYMOUS)
def raises(req: func.HttpRequest) -> func.HttpResponse:
    raise RuntimeError("a secret of the implementation")


@app.route("slow", auth_level=func.AuthLevel.ANONYMOUS)
async def slow(req: func.HttpRequest) -> func.HttpResponse:
    await asyncio.Event().wait()
    raise AssertionError


@app.route("blocked", auth_level=func.AuthLevel.ANONYMOUS)
def blocked(req: func.HttpRequest) -> func.HttpResponse:
    print("blocked runs", flush=True)  # noqa: T201 - a test waits for this line
    release.wait(timeout=60)
    return func.HttpResponse("released")


@app.route("setting/{name}", auth_level=func.AuthLevel.ANONYMOUS)
def setting(req: func.HttpRequest) -> func.HttpResponse:
    return func.HttpResponse(os.environ.get(req.route_params["name"], "-"))


@app.route("locked")
def locked(req: func.HttpRequest) -> func.HttpResponse:
    return func.HttpResponse("open")


@app.route("other")
def other(req: func.HttpRequest) -> func.HttpResponse:
    return func.HttpResponse("open")


@app.route("master", auth_level=func.AuthLevel.ADMIN)
def master(req: func.HttpRequest) -> func.HttpResponse:
    return func.HttpResponse("open")


@app.timer_trigger(arg_name="timer", schedule="0 0 * * * *")
def nightly(timer: func.TimerRequest) -> None: ...
