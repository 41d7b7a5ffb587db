"""Annotations that the worker refuses, and the two kinds of HTTP functions in one app."""

from __future__ import annotations

from collections.abc import Callable

import azure.functions as func
import pytest
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse

from local.functions_host.functions import index_app
from local.functions_host.rules import validate

Define = Callable[[func.FunctionApp], object]


def codes(*definitions: Define, imported: bool | None = None) -> list[tuple[str, str]]:
    app = func.FunctionApp()
    for define in definitions:
        define(app)
    return [(problem.code, problem.function) for problem in validate(index_app(app), imported)]


def classic(app: func.FunctionApp) -> object:
    def classic(req: func.HttpRequest) -> func.HttpResponse:
        raise NotImplementedError

    return app.route()(classic)


def streaming(app: func.FunctionApp) -> object:
    async def streaming(req: Request) -> StreamingResponse:
        raise NotImplementedError

    return app.route()(streaming)


def unannotated(app: func.FunctionApp) -> object:
    def unannotated(req): ...  # type: ignore[no-untyped-def]

    return app.route()(unannotated)


@pytest.mark.parametrize("imported", [None, True])
def test_all_of_one_kind(imported: bool | None) -> None:
    assert codes(streaming, unannotated, imported=imported) == []
    assert codes(classic, unannotated, imported=False) == []


def test_streams_and_http_request_do_not_go_together() -> None:
    assert codes(classic, streaming, unannotated) == [("HTTP_KINDS_MIXED", "classic")]


def test_an_app_that_imports_the_extension_has_no_http_request() -> None:
    assert codes(classic, imported=True) == [("HTTP_KINDS_MIXED", "classic")]


def test_streams_want_the_extension() -> None:
    assert codes(streaming, imported=False) == [("HTTP_STREAMS_OFF", "streaming")]


def test_the_message_names_the_function_that_switched_streams_on() -> None:
    app = func.FunctionApp()
    classic(app)
    streaming(app)
    (problem,) = validate(index_app(app))
    assert "'streaming' takes their Request, and this function takes azure.functions" in str(problem)


@pytest.mark.parametrize("returned", [None, func.HttpResponse, Response | None, bytes])
def test_a_stream_function_returns_a_response(returned: object) -> None:
    def define(app: func.FunctionApp) -> object:
        async def named(req: Request) -> Response:
            raise NotImplementedError

        named.__annotations__["return"] = returned
        return app.route()(named)

    assert codes(define) == [("RETURN_ANNOTATION_INVALID", "named")]


def test_a_classic_function_returns_a_response_or_a_text() -> None:
    def define(app: func.FunctionApp) -> object:
        def named(req: func.HttpRequest) -> None: ...

        return app.route()(named)

    assert codes(define) == [("RETURN_ANNOTATION_INVALID", "named")]


def test_other_triggers_want_their_own_type() -> None:
    def queue(app: func.FunctionApp) -> object:
        def queue(message: func.TimerRequest) -> None: ...

        return app.service_bus_queue_trigger("message", "C", "q")(queue)

    def timer(app: func.FunctionApp) -> object:
        def timer(timer: str) -> None: ...

        return app.timer_trigger("timer", "0 * * * * *")(timer)

    assert codes(queue, timer) == [("TRIGGER_ANNOTATION_INVALID", "queue"), ("TRIGGER_ANNOTATION_INVALID", "timer")]


def test_annotations_have_to_be_there_at_run_time() -> None:
    def define(app: func.FunctionApp) -> object:
        def named(req: NotImported) -> str:  # type: ignore[name-defined]  # noqa: F821
            raise NotImplementedError

        return app.route()(named)

    assert codes(define) == [("ANNOTATION_NOT_EVALUATED", "named")]
