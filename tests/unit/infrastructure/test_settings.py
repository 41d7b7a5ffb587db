"""Settings from the environment, and that they stand where users look for them."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from infrastructure.settings import Settings, SettingsInvalid

ROOT = Path(__file__).parents[3]


def test_the_test_endpoints_are_off_by_default() -> None:
    assert Settings.from_environment({}).enable_test_endpoints is False


def test_an_empty_variable_counts_as_not_set() -> None:
    assert Settings.from_environment({"TEST_BURST": " "}).test_burst == 60


@pytest.mark.parametrize(
    ("name", "value"), [("ENABLE_TEST_ENDPOINTS", "perhaps"), ("TEST_BURST", "0"), ("DOCUMENT_MAX_PAGES", "many")]
)
def test_a_value_that_cannot_be_is_refused_by_name_without_being_shown(name: str, value: str) -> None:
    with pytest.raises(SettingsInvalid) as caught:
        Settings.from_environment({name: value})

    assert name in str(caught.value)
    assert value not in str(caught.value).replace(name, "").split(": ", 1)[0]


@pytest.mark.parametrize("key", ["k", "k" * 15, " " * 8 + "k" * 15, "k" * 16 + "\udcff", "k" * 16 + "\n" + "k"])
def test_a_worker_key_that_is_easily_guessed_or_cannot_be_sent_is_refused(key: str) -> None:
    with pytest.raises(SettingsInvalid, match="DOCKER_WORKER_KEY") as caught:
        Settings.from_environment({"DOCKER_WORKER_KEY": key})

    assert key not in str(caught.value).replace("DOCKER_WORKER_KEY", "")


def test_a_worker_key_has_no_space_around_it() -> None:
    key = "schl\u00fcssel " + "k" * 8
    assert Settings.from_environment({"DOCKER_WORKER_KEY": f"{key}\n"}).docker_worker_key == key


def test_roots_are_separated_by_semicolons() -> None:
    found = Settings.from_environment({"DOCUMENT_SOURCE_ROOTS": "/a; /b/c ;"}).source_roots

    assert found == (Path("/a"), Path("/b/c"))


def test_every_setting_of_ours_in_the_example_is_one_that_is_read() -> None:
    example = json.loads((ROOT / "local.settings.json.example").read_text())["Values"]
    foreign = {
        "FUNCTIONS_WORKER_RUNTIME",
        "AzureWebJobsStorage",
        "PYTHON_ENABLE_INIT_INDEXING",
        "PYTHON_THREADPOOL_THREAD_COUNT",
    }

    assert set(example) - foreign <= set(Settings.names())


def test_the_example_is_valid() -> None:
    example = json.loads((ROOT / "local.settings.json.example").read_text())["Values"]

    assert Settings.from_environment(example).enable_test_endpoints is True


def test_the_readme_names_every_setting() -> None:
    readme = (ROOT / "README.md").read_text()

    assert [name for name in Settings.names() if f"`{name}`" not in readme] == []
