from __future__ import annotations

import hashlib
import hmac
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from infrastructure.settings import Settings, SettingsInvalid
from infrastructure.task_start.errors import (
    SignatureExpired,
    SignatureMalformed,
    SignatureMissing,
    SignatureRefused,
    SignatureWrong,
)
from infrastructure.task_start.signature import (
    MAX_SKEW_SECONDS,
    SIGNATURE_HEADER,
    TIMESTAMP_HEADER,
    SigningKeys,
)
from testing.clock import EPOCH

OLD, NEW, OTHER = "an old key of 24 letters", "a new key of 24 letters.", "another key of 24 chars."
KEYS = SigningKeys((NEW, OLD))
BODY = b'{"a":1}'


def received(signed: dict[str, str]) -> dict[str, list[str]]:
    return {name.lower(): [value] for name, value in signed.items()}


def signed(keys: SigningKeys = KEYS) -> dict[str, list[str]]:
    return received(keys.sign("POST", "/task/start", BODY, EPOCH))


def test_what_was_signed_is_taken() -> None:
    KEYS.check("POST", "/task/start", BODY, signed(), EPOCH)


def test_the_signature_is_that_of_the_scheme_that_is_written_down() -> None:
    key = "k" * 16
    text = "v1\n1893456000\nPOST\n/p?q=1\n" + hashlib.sha256(b"body").hexdigest()

    assert SigningKeys((key,)).sign("post", "/p?q=1", b"body", EPOCH) == {
        "X-CoreMachine-Timestamp": "1893456000",
        "X-CoreMachine-Signature": "v1=" + hmac.new(key.encode(), text.encode(), "sha256").hexdigest(),
    }


def test_the_signature_of_a_call_back_is_that_of_the_scheme_that_is_written_down() -> None:
    key = hmac.new(b"k" * 16, b"v1-callback", "sha256").hexdigest()
    text = "v1-callback\n1893456000\nPOST\n/done\n" + hashlib.sha256(b"body").hexdigest()

    signed = SigningKeys(("k" * 16,)).for_callbacks().sign("POST", "/done", b"body", EPOCH)

    assert signed["X-CoreMachine-Signature"] == "v1=" + hmac.new(key.encode(), text.encode(), "sha256").hexdigest()


def test_who_can_verify_a_call_back_can_start_nothing() -> None:
    theirs = KEYS.for_callbacks()

    theirs.check("POST", "/task/start", BODY, signed(theirs), EPOCH)
    for keys in (theirs, SigningKeys(theirs.keys)):
        with pytest.raises(SignatureWrong):
            KEYS.check("POST", "/task/start", BODY, signed(keys), EPOCH)
    with pytest.raises(SignatureWrong):
        theirs.check("POST", "/task/start", BODY, signed(), EPOCH)


@pytest.mark.parametrize("keys", [SigningKeys((OLD,)), SigningKeys((NEW,)), SigningKeys((OLD, OTHER))])
def test_while_keys_change_either_side_may_be_first(keys: SigningKeys) -> None:
    KEYS.check("POST", "/task/start", BODY, signed(keys), EPOCH)


def test_the_first_key_signs() -> None:
    with pytest.raises(SignatureWrong):
        SigningKeys((OLD,)).check("POST", "/task/start", BODY, signed(), EPOCH)


@given(st.sampled_from(["method", "target", "body", "key", "timestamp"]), st.data())
def test_whatever_is_changed_is_refused(what: str, data: st.DataObject) -> None:
    method, target, body, keys, headers = "POST", "/task/start", BODY, KEYS, signed()
    if what == "method":
        method = data.draw(st.sampled_from(["GET", "PUT", "POSTS"]))
    elif what == "target":
        target = data.draw(st.text().filter(lambda text: text != target))
    elif what == "body":
        body = data.draw(st.binary().filter(lambda found: found != BODY))
    elif what == "key":
        keys = SigningKeys((data.draw(st.text(min_size=16).filter(lambda key: key not in KEYS.keys)),))
    else:
        headers[TIMESTAMP_HEADER.lower()] = [str(int(EPOCH.timestamp()) + data.draw(st.integers(1, MAX_SKEW_SECONDS)))]

    with pytest.raises(SignatureWrong):
        keys.check(method, target, body, headers, EPOCH)


@pytest.mark.parametrize("seconds", [-MAX_SKEW_SECONDS - 1, MAX_SKEW_SECONDS + 1, 10**6])
def test_a_signature_of_another_time_is_refused(seconds: int) -> None:
    with pytest.raises(SignatureExpired):
        KEYS.check("POST", "/task/start", BODY, signed(), EPOCH + timedelta(seconds=seconds))


@pytest.mark.parametrize("seconds", [-MAX_SKEW_SECONDS, 0, MAX_SKEW_SECONDS])
def test_clocks_may_differ_by_five_minutes(seconds: int) -> None:
    KEYS.check("POST", "/task/start", BODY, signed(), EPOCH + timedelta(seconds=seconds))


@pytest.mark.parametrize("name", [TIMESTAMP_HEADER, SIGNATURE_HEADER])
def test_a_header_that_is_missing_is_told(name: str) -> None:
    headers = signed()
    del headers[name.lower()]

    with pytest.raises(SignatureMissing, match=name):
        KEYS.check("POST", "/task/start", BODY, headers, EPOCH)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        (TIMESTAMP_HEADER, ""),
        (TIMESTAMP_HEADER, "-1"),
        (TIMESTAMP_HEADER, "1e9"),
        (TIMESTAMP_HEADER, "٣" * 10),
        (TIMESTAMP_HEADER, "9" * 400),
        (TIMESTAMP_HEADER, " 1893456000"),
        (SIGNATURE_HEADER, ""),
        (SIGNATURE_HEADER, "v1="),
        (SIGNATURE_HEADER, "v2=" + "0" * 64),
        (SIGNATURE_HEADER, "v1=" + "0" * 63),
        (SIGNATURE_HEADER, "v1=" + "A" * 64),
        (SIGNATURE_HEADER, "v1=" + "é" * 64),
        (SIGNATURE_HEADER, "v1=" + "0" * 64 + "\n"),
    ],
)
def test_a_header_of_another_form_is_refused(name: str, value: str) -> None:
    headers = {**signed(), name.lower(): [value]}

    with pytest.raises(SignatureMalformed):
        KEYS.check("POST", "/task/start", BODY, headers, EPOCH)


def test_a_header_that_is_there_twice_is_refused() -> None:
    headers = signed()
    headers[SIGNATURE_HEADER.lower()] *= 2

    with pytest.raises(SignatureMalformed, match="twice"):
        KEYS.check("POST", "/task/start", BODY, headers, EPOCH)


@given(st.dictionaries(st.sampled_from([TIMESTAMP_HEADER.lower(), SIGNATURE_HEADER.lower()]), st.lists(st.text())))
def test_no_headers_but_ours_are_taken_and_none_breaks_it(headers: dict[str, list[str]]) -> None:
    with pytest.raises(SignatureRefused):
        KEYS.check("POST", "/task/start", BODY, headers, EPOCH)


@pytest.mark.parametrize("given_keys", ["", " ; ", "short", f"{OLD};short"])
def test_settings_without_a_key_or_with_one_to_be_guessed_are_refused(given_keys: str) -> None:
    with pytest.raises(SettingsInvalid, match="DOCKER_TRIGGER_KEYS") as refused:
        SigningKeys.from_settings(Settings.from_environment({"DOCKER_TRIGGER_KEYS": given_keys}))
    assert "short" not in str(refused.value)


def test_keys_are_not_shown() -> None:
    keys = SigningKeys.from_settings(Settings.from_environment({"DOCKER_TRIGGER_KEYS": f"{NEW}; {OLD}"}))

    assert keys == KEYS
    assert NEW not in repr(keys)
