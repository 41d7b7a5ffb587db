"""What operators are shown opens no door."""

from __future__ import annotations

import pytest
from pydantic import JsonValue

from infrastructure.web.secrets import HIDDEN, without_secrets


def test_what_is_no_secret_is_shown() -> None:
    told: dict[str, JsonValue] = {
        "kind": "azure",
        "address": "https://a.blob.core.windows.net/c",
        "max_bytes": 1,
        "queues": ["jobs"],
        "tls": True,
    }

    assert without_secrets(told) == told


@pytest.mark.parametrize(
    "value",
    [
        "Endpoint=sb://x/;SharedAccessKeyName=n;SharedAccessKey=abc",
        "AccountName=a;AccountKey=abc==",
        "https://a/b?sv=1&sig=abc",
        "postgresql://user:hunter2@db/x",
        "host=db password=hunter2",
    ],
)
def test_a_value_that_looks_like_one_is_hidden_wherever_it_stands(value: str) -> None:
    told: dict[str, JsonValue] = {"a": value, "b": {"c": [value]}}

    assert without_secrets(told) == {"a": HIDDEN, "b": {"c": [HIDDEN]}}


@pytest.mark.parametrize(
    "name", ["password", "account_key", "AccountKey", "sas_token", "connectionString", "client_secret"]
)
def test_a_name_that_says_so_hides_its_value(name: str) -> None:
    assert without_secrets({"x": {name: "abc"}}) == {"x": {name: HIDDEN}}
    assert without_secrets({name: ""}) == {name: ""}
