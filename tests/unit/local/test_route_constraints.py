from __future__ import annotations

import pytest

from local.functions_host.constraints import ConstraintInvalid, parse_constraint

CASES = {
    "int": (["0", "-7", "+7", " 7 ", "2147483647"], ["", "2147483648", "-2147483649", "7.0", "x", "\u0667", "9" * 99]),
    "long": (["9223372036854775807"], ["9223372036854775808"]),
    "bool": (["true", "FALSE"], ["1", "yes", ""]),
    "guid": (
        [
            "0f8fad5bd9cb469fa16570867728950e",
            "0f8fad5b-d9cb-469f-a165-70867728950E",
            "{0f8fad5b-d9cb-469f-a165-70867728950e}",
        ],
        ["0f8fad5b", "urn:uuid:0f8fad5b-d9cb-469f-a165-70867728950e", ""],
    ),
    "alpha": (["abcXYZ", ""], ["a1", "é", "a b"]),
    "decimal": (["1", "-1.5", ".5", "1,000.25"], ["1e3", "x", ""]),
    "double": (["1", "-1.5e10", "NaN", "Infinity"], ["x", ""]),
    "float": (["1.5"], ["one"]),
    "datetime": (
        ["2024-02-29", "2024-02-29T10:00:00", "12/31/2024", "12/31/2024 11:59:59 PM"],
        ["2023-02-29", "soon", ""],
    ),
    "required": (["x"], [""]),
    "file": (["a.txt", "b/a.txt"], ["a", "a.", "b.d/a"]),
    "nonfile": (["a"], ["a.txt"]),
    "length(3)": (["abc"], ["ab", "abcd"]),
    "length(2,3)": (["ab", "abc"], ["a", "abcd"]),
    "minlength(2)": (["ab"], ["a"]),
    "maxlength(2)": (["ab", ""], ["abc"]),
    "min(5)": (["5", "6"], ["4", "x"]),
    "max(5)": (["5", "-9"], ["6"]),
    "range(-1,5)": (["-1", "5"], ["-2", "6", "x"]),
    "regex(^[a-z]{2}$)": (["ab", "AB"], ["abc"]),
    "regex(b)": (["abc"], ["ac"]),
    "INT": (["1"], ["x"]),
}


@pytest.mark.parametrize(("text", "value"), [(text, value) for text, (good, _) in CASES.items() for value in good])
def test_a_value_that_fits(text: str, value: str) -> None:
    assert parse_constraint(text).matches(value)


@pytest.mark.parametrize(("text", "value"), [(text, value) for text, (_, bad) in CASES.items() for value in bad])
def test_a_value_that_does_not_fit(text: str, value: str) -> None:
    assert not parse_constraint(text).matches(value)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "number",
        "int(3)",
        "length",
        "length(x)",
        "length(3,2)",
        "min",
        "min(1,2)",
        "range(1)",
        "range(5,1)",
        "regex",
        "regex([",
        "length(3",
    ],
)
def test_a_wrong_constraint_is_refused(text: str) -> None:
    with pytest.raises(ConstraintInvalid):
        parse_constraint(text)
