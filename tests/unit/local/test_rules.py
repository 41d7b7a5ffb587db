"""Each rule on an app that breaks it; the app itself is built by the library, which lets all of them pass."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import azure.functions as func
import pytest

from local.errors import AppNotLoadable
from local.functions_host.functions import index_app
from local.functions_host.loading import load_app
from local.functions_host.rules import validate
from tests.support.fixture_apps import BASIC, ROOT, indexed_app, own_app_module

Define = Callable[[func.FunctionApp], object]


def answer(req: func.HttpRequest) -> func.HttpResponse:
    return func.HttpResponse()


def codes(*definitions: Define) -> list[tuple[str, str, str]]:
    app = func.FunctionApp()
    for define in definitions:
        define(app)
    return [(problem.code, problem.function, problem.culprit) for problem in validate(index_app(app))]


def routed(name: str, route: str | None = None, **options: object) -> Define:
    def define(app: func.FunctionApp) -> object:
        return app.function_name(name)(app.route(route=route, **options)(answer))  # type: ignore[arg-type]

    return define


def test_a_right_app_has_no_problems() -> None:
    assert codes(routed("one", "items/{id:int}"), routed("two", "items/all"), routed("three")) == []


@pytest.mark.parametrize("name", ["Upper", "1st", "_x", "a.b", "a" * 129, "host", ""])
def test_function_names(name: str) -> None:
    assert ("FUNCTION_NAME_INVALID", name, name) in codes(routed(name, "r"))


def test_function_names_are_the_same_in_any_case() -> None:
    assert ("FUNCTION_NAME_DUPLICATE", "One", "One") in codes(routed("one", "a"), routed("One", "b"))


def test_the_library_refuses_a_repeated_name_itself() -> None:
    with pytest.raises(AppNotLoadable, match="unique"):
        codes(routed("one", "a"), routed("one", "b"))


def test_an_app_may_be_indexed_twice() -> None:
    app = func.FunctionApp()
    routed("one")(app)
    assert index_app(app) == index_app(app)


@pytest.mark.parametrize("name", ["my_req", "_req", "req_"])
def test_binding_names_have_no_underscore(name: str) -> None:
    def define(app: func.FunctionApp) -> object:
        scope: dict[str, object] = {}
        exec(f"def named({name}): ...", scope)
        return app.route("named", trigger_arg_name=name)(scope["named"])

    assert codes(define) == [("BINDING_NAME_INVALID", "named", name)]


def test_arguments_and_bindings_go_together() -> None:
    def define(app: func.FunctionApp) -> object:
        def named(request: func.HttpRequest, context: func.Context) -> str:
            raise NotImplementedError

        return app.route("named")(named)

    assert codes(define) == [
        ("ARGUMENT_UNBOUND", "named", "request"),
        ("BINDING_WITHOUT_ARGUMENT", "named", "req"),
    ]


def test_two_bindings_do_not_share_a_name() -> None:
    def define(app: func.FunctionApp) -> object:
        return app.queue_output("Req", "q", "c")(app.route("named")(answer))

    assert ("BINDING_NAME_DUPLICATE", "answer", "Req") in codes(define)


def test_the_http_output_is_the_return_value() -> None:
    def define(app: func.FunctionApp) -> object:
        def named(req: func.HttpRequest, out: func.Out[str]) -> None: ...

        return app.generic_output_binding("out", "http")(
            app.generic_trigger("req", "httpTrigger", route="named")(named)
        )

    assert codes(define) == [("HTTP_OUTPUT_INVALID", "named", "out")]


def test_the_authorization_level_is_known() -> None:
    def define(app: func.FunctionApp) -> object:
        trigger = app.generic_trigger("req", "httpTrigger", route="named", auth_level="everyone")
        return app.generic_output_binding("$return", "http")(trigger(answer))

    assert codes(define) == [("AUTH_LEVEL_INVALID", "answer", "everyone")]


def test_methods() -> None:
    def define(app: func.FunctionApp) -> object:
        trigger = app.generic_trigger("req", "httpTrigger", route="named", methods=["FETCH", "GET"])
        return app.generic_output_binding("$return", "http")(trigger(answer))

    assert codes(define) == [("METHOD_INVALID", "answer", "FETCH")]
    assert codes(routed("one", "a", methods=[])) == [("METHODS_EMPTY", "one", "methods")]


@pytest.mark.parametrize(
    ("route", "code"),
    [
        ("/items", "ROUTE_LEADING_SLASH"),
        ("admin/x", "ROUTE_RESERVED"),
        ("Administrators", "ROUTE_RESERVED"),
        ("runtime", "ROUTE_RESERVED"),
        ("items/{id", "ROUTE_TEMPLATE_INVALID"),
        ("items/{id:integer}", "ROUTE_TEMPLATE_INVALID"),
        ("items/{my-id}", "ROUTE_PARAMETER_INVALID"),
        ("{id}/{ID}", "ROUTE_PARAMETER_INVALID"),
    ],
)
def test_routes(route: str, code: str) -> None:
    assert codes(routed("one", route)) == [(code, "one", route)]


def test_a_route_and_method_belong_to_one_function() -> None:
    get, post = {"methods": ["GET"]}, {"methods": ["POST"]}
    assert codes(routed("one", "a/{x}", **get), routed("two", "A/{y}/", **post)) == []
    assert codes(routed("one", "a/{x}", **get), routed("two", "A/{y}/")) == [("ROUTE_DUPLICATE", "two", "A/{y}/")]
    assert codes(routed("one", ""), routed("two", "one")) == [("ROUTE_DUPLICATE", "two", "one")]


def test_a_wide_route_whose_function_sorts_first_takes_the_calls_of_a_narrow_one() -> None:
    assert codes(routed("a", "items/{id}"), routed("b", "items/all")) == [("ROUTE_SHADOWED", "b", "items/all")]
    assert codes(routed("b", "items/{id}"), routed("a", "items/all")) == []
    assert codes(routed("a", "items/{id:int}"), routed("b", "items/all")) == []


def test_one_trigger() -> None:
    def define(app: func.FunctionApp) -> object:
        def named(req: func.HttpRequest, timer: func.TimerRequest) -> str:
            raise NotImplementedError

        second = app.generic_input_binding("timer", "timerTrigger", schedule="* * * * * *")
        return second(app.route("named")(named))

    assert codes(define) == [("TRIGGER_COUNT", "named", "httpTrigger, timerTrigger")]


def test_a_problem_says_where_what_and_how_to_mend_it() -> None:
    app = func.FunctionApp()
    routed("one", "admin")(app)
    (problem,) = validate(index_app(app))
    assert str(problem).startswith("ROUTE_RESERVED: function 'one': the host keeps routes")
    assert problem.fix == "Choose another first word."


def test_the_fixture_app_is_right_for_the_real_host() -> None:
    assert validate(indexed_app(BASIC)) == []


def test_the_app_of_this_repository_is_right_for_the_real_host(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ENABLE_TEST_ENDPOINTS", "true")
    functions = indexed_app(ROOT)
    assert "test_execute" in [function.name for function in functions]
    assert validate(functions) == []


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("", "has no function app"),
        ("import azure.functions as f\na = f.FunctionApp()\nb = a\n", "more than one name"),
        ("import azure.functions.nowhere\n", "cannot be imported"),
    ],
)
def test_a_module_that_is_not_an_app(tmp_path: Path, source: str, message: str) -> None:
    (tmp_path / "other_app.py").write_text(source)
    with own_app_module(), pytest.raises(AppNotLoadable, match=message):
        load_app(tmp_path, {"PYTHON_SCRIPT_FILE_NAME": "other_app.py"})


def test_a_folder_without_an_app(tmp_path: Path) -> None:
    with pytest.raises(AppNotLoadable, match=r"there is no function_app\.py"):
        load_app(tmp_path, {})
