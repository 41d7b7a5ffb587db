from __future__ import annotations

import json
from pathlib import Path

import pytest

from infrastructure.settings import Settings
from local.errors import SettingsInvalid
from local.functions_host.auth import Keys
from local.settings_file import (
    EXAMPLE_NAME,
    FILE_NAME,
    LocalSettings,
    create_settings_file,
    merged_environment,
    parse_settings,
    read_settings_file,
)

ROOT = Path(__file__).parents[3]


def test_a_whole_file() -> None:
    settings = parse_settings(
        json.dumps(
            {
                "IsEncrypted": False,
                "Values": {"A": "1"},
                "Host": {
                    "LocalHttpPort": 7072,
                    "CORS": "http://a.test, http://b.test",
                    "CORSCredentials": True,
                    "Keys": {"master": "m", "host": {"default": "h"}, "functions": {"One": {"default": "f"}}},
                },
                "ConnectionStrings": {},
            }
        )
    )
    assert settings == LocalSettings(
        values={"A": "1"},
        port=7072,
        cors_origins=("http://a.test", "http://b.test"),
        cors_credentials=True,
        keys=Keys(master="m", host={"default": "h"}, functions={"one": {"default": "f"}}),
    )


def test_an_absent_or_empty_file_is_the_defaults(tmp_path: Path) -> None:
    assert read_settings_file(tmp_path / FILE_NAME) == parse_settings("{}") == LocalSettings()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{", "local.settings.json: line 1: this is not JSON"),
        ("[]", "the document: Input should be"),
        ('{"IsEncrypted": true}', "func settings decrypt"),
        ('{"Values": {"A": 1}}', "Values.A: Input should be a valid string"),
        ('{"Values": []}', "Values: Input should be a valid dictionary"),
        ('{"Host": {"LocalHttpPort": "7071"}}', "Host.LocalHttpPort: Input should be a valid integer"),
        ('{"Host": {"LocalHttpPort": 70000}}', "Host.LocalHttpPort"),
        ('{"Host": {"Keys": {"masterKey": "x"}}}', "Host.Keys.masterKey: Extra inputs are not permitted"),
    ],
)
def test_what_is_wrong_is_named(text: str, message: str) -> None:
    with pytest.raises(SettingsInvalid) as raised:
        parse_settings(text)
    assert message in str(raised.value)


def test_no_error_and_no_representation_holds_a_value() -> None:
    with pytest.raises(SettingsInvalid) as raised:
        parse_settings('{"Values": {"A": ["hunter2"]}}')
    assert "hunter2" not in str(raised.value)
    assert raised.value.__suppress_context__
    settings = parse_settings('{"Values": {"A": "hunter2"}, "Host": {"Keys": {"master": "hunter2"}}}')
    assert "hunter2" not in repr(settings)


def test_the_environment_goes_before_the_file() -> None:
    assert merged_environment({"A": "file", "B": "file"}, {"A": "set"}) == {"A": "set", "B": "file"}


def test_the_file_is_made_from_the_example_and_never_overwritten(tmp_path: Path) -> None:
    assert not create_settings_file(tmp_path)
    (tmp_path / EXAMPLE_NAME).write_text("{}")
    assert create_settings_file(tmp_path)
    (tmp_path / FILE_NAME).write_text('{"Values": {}}')
    assert not create_settings_file(tmp_path)
    assert (tmp_path / FILE_NAME).read_text() == '{"Values": {}}'


def test_the_example_of_this_repository_is_a_settings_file() -> None:
    settings = read_settings_file(ROOT / EXAMPLE_NAME)
    assert settings.values["FUNCTIONS_WORKER_RUNTIME"] == "python"
    assert not settings.keys


def test_the_example_has_threads_to_spare_when_every_test_call_is_taken() -> None:
    values = parse_settings((ROOT / EXAMPLE_NAME).read_text()).values
    taken = Settings.model_fields["test_max_concurrency"].default

    assert int(values["PYTHON_THREADPOOL_THREAD_COUNT"]) > taken


@pytest.mark.parametrize(
    ("name", "value", "problem"),
    [
        ("", "secret", "'' is no name"),
        ("A=B", "secret", "'A=B' is no name"),
        ("A\0", "secret", r"'A\\x00' has a NUL"),
        ("A", "v\0", "'A' has a NUL"),
        ("A\ud800", "secret", r"'A\\ud800' has half a surrogate"),
        ("A", "v\udc80", "'A' has half a surrogate"),
    ],
)
def test_what_no_environment_can_hold_is_named_without_its_value(name: str, value: str, problem: str) -> None:
    with pytest.raises(SettingsInvalid, match=problem) as caught:
        parse_settings(json.dumps({"Values": {name: value}}))
    assert value not in str(caught.value)


def test_a_file_that_is_not_text_or_no_file_is_a_line(tmp_path: Path) -> None:
    (tmp_path / FILE_NAME).write_bytes(b'{"\xff": 1}')
    with pytest.raises(SettingsInvalid, match=r"^local.settings.json: byte 2 is not UTF-8$"):
        read_settings_file(tmp_path / FILE_NAME)
    with pytest.raises(SettingsInvalid, match="cannot be read: Is a directory"):
        read_settings_file(tmp_path)
    with pytest.raises(SettingsInvalid, match="nested too deeply"):
        parse_settings("[" * 200_000)
    with pytest.raises(SettingsInvalid, match="digits"):
        parse_settings("1" * 5_000)


def test_a_settings_file_that_cannot_be_made_is_a_line(tmp_path: Path) -> None:
    (tmp_path / EXAMPLE_NAME).write_text("{}")
    (tmp_path / FILE_NAME).symlink_to(tmp_path / "nowhere")
    with pytest.raises(SettingsInvalid, match="cannot be made from"):
        create_settings_file(tmp_path)
