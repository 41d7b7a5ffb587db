from __future__ import annotations

import pytest

from local.functions_host.routes import Route, RouteTable, same_shape, split_path, templates_overlap
from local.functions_host.templates import parse_template


def table(**routes: str) -> RouteTable[None]:
    return RouteTable(
        Route(name=name, template=parse_template(text.partition(" ")[2]), methods=_methods(text), target=None)
        for name, text in routes.items()
    )


def _methods(text: str) -> frozenset[str] | None:
    named = text.partition(" ")[0]
    return None if named == "ALL" else frozenset(named.split(","))


def found(routes: RouteTable[None], method: str, path: str) -> str | None:
    match = routes.match(method, path)
    return match.route.name if match is not None else None


def test_the_more_specific_route_goes_first_whatever_the_names() -> None:
    routes = table(a="ALL {*rest}", b="ALL items/{id}", c="ALL items/{id:int}", d="ALL items/all")
    assert [found(routes, "GET", path) for path in ("/items/all", "/items/7", "/items/x", "/else", "/")] == list(
        "dcbaa"
    )


def test_equally_specific_routes_go_by_name() -> None:
    routes = table(b="ALL {x:int}", a="ALL {y:min(3)}")
    assert found(routes, "GET", "/5") == "a"
    assert found(routes, "GET", "/1") == "b"


def test_a_route_for_another_method_lets_a_wider_one_have_the_request() -> None:
    routes = table(a="POST items/all", b="GET,PUT items/{id}")
    assert found(routes, "GET", "/items/all") == "b"
    assert found(routes, "post", "/items/all") == "a"
    assert found(routes, "DELETE", "/items/all") is None


@pytest.mark.parametrize(
    ("raw", "parts"),
    [
        ("", ()),
        ("/", ()),
        ("/a/b/", ("a", "b")),
        ("/a//b", ("a", "", "b")),
        ("/a%20b/%C3%A9", ("a b", "é")),
        ("/a%2Fb%2fc", ("a%2Fb%2fc",)),
        ("/a%252Fb", ("a%2Fb",)),
        ("/%ff", ("\ufffd",)),
        ("/a+b", ("a+b",)),
    ],
)
def test_paths_are_split_and_decoded(raw: str, parts: tuple[str, ...]) -> None:
    assert split_path(raw) == parts


@pytest.mark.parametrize(
    ("one", "other", "overlap"),
    [
        ("a", "b", False),
        ("a", "A", True),
        ("a/{x}", "a/b", True),
        ("a/{x:int}", "a/b", False),
        ("a/{x:int}", "a/7", True),
        ("a/{x}", "a", False),
        ("a/{x?}", "a", True),
        ("a/{x?}/{y?}", "a", True),
        ("a/{*x}", "a/b/c", True),
        ("{*x}", "", True),
        ("a/{x}", "b/{x}", False),
        ("a/{x:int}", "a/{x:alpha}", True),
        ("v{x}", "v1", True),
        ("v{x}", "w1", False),
    ],
)
def test_whether_some_path_fits_both(one: str, other: str, overlap: bool) -> None:
    first, second = parse_template(one), parse_template(other)
    assert templates_overlap(first, second) is overlap
    assert templates_overlap(second, first) is overlap


def test_shape_leaves_out_names_and_case() -> None:
    assert same_shape(parse_template("A/{x:int}"), parse_template("a/{y:int}"))
    assert not same_shape(parse_template("a/{x:int}"), parse_template("a/{x}"))
    assert not same_shape(parse_template("a/{x?}"), parse_template("a/{x}"))
