from __future__ import annotations

import pytest

from local.functions_host.templates import ParameterNameInvalid, TemplateInvalid, parse_template


@pytest.mark.parametrize(
    ("template", "path", "values"),
    [
        ("", [], {}),
        ("", ["a"], None),
        ("items", ["items"], {}),
        ("items/", ["items"], {}),
        ("Items", ["iTEMS"], {}),
        ("items", [], None),
        ("items", ["items", "1"], None),
        ("items/{id}", ["items", "a b"], {"id": "a b"}),
        ("items/{id}", ["items"], None),
        ("items/{id}", ["items", ""], None),
        ("items/{id:int}", ["items", "7"], {"id": "7"}),
        ("items/{id:int}", ["items", "x"], None),
        ("items/{id:int:min(5):max(9)}", ["items", "7"], {"id": "7"}),
        ("items/{id:int:min(5):max(9)}", ["items", "4"], None),
        ("items/{id?}", ["items"], {}),
        ("items/{id?}", ["items", "1"], {"id": "1"}),
        ("items/{id:int?}", ["items", "x"], None),
        ("items/{id:int?}", ["items"], {}),
        ("items/{id=5}", ["items"], {"id": "5"}),
        ("items/{id:int=5}", ["items", "6"], {"id": "6"}),
        ("{*rest}", [], {}),
        ("{*rest}", ["a", "b"], {"rest": "a/b"}),
        ("{**rest}", ["a"], {"rest": "a"}),
        ("f/{*rest:minlength(3)}", ["f", "a", "b"], {"rest": "a/b"}),
        ("f/{*rest:minlength(4)}", ["f", "a", "b"], None),
        ("v{major:int}.{minor}", ["v1.x"], {"major": "1", "minor": "x"}),
        ("v{major:int}.{minor}", ["vx.x"], None),
        ("{name}.json", ["a.b.JSON"], {"name": "a.b"}),
        ("a{{b}}", ["a{b}"], {}),
        ("{code:regex(^\\d{{2}}/?$)}", ["12"], {"code": "12"}),
        ("{code:regex(^(a|b:c)$)}", ["b:c"], {"code": "b:c"}),
    ],
)
def test_matching(template: str, path: list[str], values: dict[str, str] | None) -> None:
    assert parse_template(template).match(path) == values


@pytest.mark.parametrize(
    "text",
    [
        "/items",
        "~/items",
        "a//b",
        "{id",
        "id}",
        "{a}{b}",
        "{*a}/b",
        "{id:number}",
        "x{id?}",
        "x{*a}",
        "a?b",
        "{***a}",
        "{*a?}",
        "{a{b}}",
    ],
)
def test_a_text_that_is_not_a_template(text: str) -> None:
    with pytest.raises(TemplateInvalid):
        parse_template(text)


@pytest.mark.parametrize("text", ["{}", "{1a}", "{a-b}", "{a b}", "{id}/{ID}", "{*}"])
def test_a_parameter_name_that_is_not_one(text: str) -> None:
    with pytest.raises(ParameterNameInvalid):
        parse_template(text)


def test_precedence_puts_the_more_specific_first() -> None:
    texts = ["{*rest}", "{id}", "{*rest:alpha}", "items/{id}", "items", "{id:int}", "items/{id:int}", "items/all"]
    ordered = sorted(texts, key=lambda text: parse_template(text).precedence)
    assert ordered == [
        "items",
        "items/all",
        "items/{id:int}",
        "items/{id}",
        "{id:int}",
        "{id}",
        "{*rest:alpha}",
        "{*rest}",
    ]
