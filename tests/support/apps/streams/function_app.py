"""A small app of HTTP streams, with one function for each thing that the host does for them."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import AsyncIterator

import azure.functions as func
from azurefunctions.extensions.http.fastapi import JSONResponse, Request, Response, StreamingResponse  # type: ignore[import-untyped]
from pydantic import BaseModel
from starlette.background import BackgroundTask
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect

app = func.FunctionApp(http_auth_level=func.AuthLevel.ANONYMOUS)
arrived, released = asyncio.Event(), asyncio.Event()


class Point(BaseModel):
    x: int
    y: int


@app.route("seen/{id:int}/{*rest}")
async def seen(req: Request, context: func.Context) -> Response:
    return JSONResponse(
        {
            "method": req.method,
            "path": req.url.path,
            "query": dict(req.query_params),
            "path_params": req.path_params,
            "header": req.headers.get("x-one"),
            "own_id": req.headers["x-ms-invocation-id"] == context.invocation_id,
            "body": (await req.body()).decode("latin-1"),
        },
        headers={"X-Two": "2"},
    )


@app.route("digest", methods=["POST"])
async def digest(req: Request) -> Response:
    digest = hashlib.sha256()
    async for chunk in req.stream():
        arrived.set()
        digest.update(chunk)
    return JSONResponse({"sha256": digest.hexdigest()})


@app.route("arrived")
async def has_arrived(req: Request) -> Response:
    await arrived.wait()
    return Response(status_code=204)


@app.route("patient", methods=["POST"])
async def patient(req: Request) -> Response:
    try:
        await req.body()
    except ClientDisconnect:
        return Response("I was told that the client had gone")
    return Response("read")


@app.route("upload", methods=["POST"])
async def upload(req: Request) -> Response:
    async with req.form() as form:
        file = form["file"]
        assert not isinstance(file, str)
        return JSONResponse({"name": file.filename, "size": len(await file.read())})


@app.route("parts")
async def parts(req: Request) -> StreamingResponse:
    async def chunks() -> AsyncIterator[bytes]:
        yield b"first"
        await released.wait()
        yield b"second"

    return StreamingResponse(chunks())


@app.route("release", methods=["POST"])
async def release(req: Request) -> Response:
    released.set()
    return Response(status_code=204)


@app.route("broken")
async def broken(req: Request) -> StreamingResponse:
    async def chunks() -> AsyncIterator[bytes]:
        yield b"first"
        raise RuntimeError("a secret of the implementation")

    return StreamingResponse(chunks())


@app.route("after")
async def after(req: Request) -> Response:
    def fail() -> None:
        raise RuntimeError("after the answer")

    return Response("answered", background=BackgroundTask(fail))


@app.route("sync")
def sync(req: Request) -> Response:
    return Response(req.path_params.get("none", "sync"), status_code=201)


@app.route("unannotated")
async def unannotated(req):  # type: ignore[no-untyped-def]
    return {"method": req.method}


@app.route("model")
async def model(req: Request) -> Point:
    return Point(x=1, y=2)


@app.route("text")
async def text(req: Request) -> str:
    return "é"


@app.route("nothing")
async def nothing(req: Request) -> Response:
    return None


@app.route("classic_answer")
async def classic_answer(req: Request) -> Response:
    return func.HttpResponse("x")


@app.route("split")
async def split(req: Request) -> Response:
    return Response("x", headers={"X-Bad": "a\r\nInjected: yes"})


@app.route("status")
async def status(req: Request) -> Response:
    return Response("x", status_code=199)


@app.route("teapot")
async def teapot(req: Request) -> Response:
    raise HTTPException(418, "short and stout", headers={"X-Tea": "yes"})


@app.route("raises")
async def raises(req: Request) -> Response:
    raise RuntimeError("a secret of the implementation")


@app.route("slow")
async def slow(req: Request) -> Response:
    await asyncio.Event().wait()
    raise AssertionError


@app.route("locked", auth_level=func.AuthLevel.FUNCTION)
async def locked(req: Request) -> Response:
    return Response("open")
