"""A document's password is kept in a form that only the installation's processes open."""

from __future__ import annotations

import base64
import json

import pikepdf
import pytest

from core.errors import InvalidParameters
from core.jsontext import dump_json
from core.operations import JobOperations
from handlers.document.errors import PasswordNotKept, PasswordSealBroken, PasswordWrong
from handlers.document.parameters import InspectParameters, OcrDocumentParameters
from handlers.document.password import SealedPassword, opened, to_keep
from handlers.document.results import OcrDocumentResult
from infrastructure.password_seal import SivPasswordSeal, parse_password_keys
from infrastructure.settings import Settings, SettingsInvalid
from infrastructure.wiring import build_registries
from testing.factories import Registries, create_test_harness
from testing.ocr_engines import ReadsNothing, always
from tests.support.pdfs import PageSpec, make_pdf

OLD, NEW = bytes(32), bytes(range(32))
PASSWORD = "swordfish & пароль"
TEXT = b"BT /F1 12 Tf 14 TL 20 360 Td" + b" (A page of text that is there to be read) Tj T*" * 12 + b" ET"
BUS = "Endpoint=sb://bus.example/;SharedAccessKeyName=n;SharedAccessKey=k"


def setting(*keys: bytes) -> Settings:
    listed = ";".join(base64.b64encode(key).decode() for key in keys)
    return Settings.from_environment({"DOCUMENT_PASSWORD_KEYS": listed, "SERVICE_BUS_CONNECTION": BUS})


@pytest.mark.parametrize("password", ["p", PASSWORD, "p" * 127, "ends in nul\0", "ends in one\x01"])
def test_what_was_sealed_is_opened(password: str) -> None:
    assert SivPasswordSeal([NEW]).open(SivPasswordSeal([NEW]).seal(password)) == password


def test_the_same_is_sealed_alike_and_lengths_are_not_told() -> None:
    seal = SivPasswordSeal([NEW])
    sealed = [seal.seal(password).sealed for password in ("a", "a", "b" * 127)]

    assert sealed[0] == sealed[1] != sealed[2]
    assert len(set(map(len, sealed))) == 1


def test_the_first_key_seals_and_any_opens() -> None:
    before = SivPasswordSeal([OLD]).seal(PASSWORD)
    rotated = SivPasswordSeal([NEW, OLD])

    assert rotated.open(before) == PASSWORD
    assert rotated.seal(PASSWORD) == SivPasswordSeal([NEW]).seal(PASSWORD)


@pytest.mark.parametrize("sealed", [SivPasswordSeal([OLD]).seal(PASSWORD).sealed, "AAAA", "A", "=" * 8])
@pytest.mark.parametrize("seal", [SivPasswordSeal([NEW]), None])
def test_what_no_key_opens_is_an_error_without_the_password(sealed: str, seal: SivPasswordSeal | None) -> None:
    with pytest.raises(PasswordSealBroken) as caught:
        opened(SealedPassword(sealed=sealed), seal)

    assert caught.value.details == {}


def test_nothing_is_kept_where_there_is_no_key() -> None:
    with pytest.raises(PasswordNotKept, match="DOCUMENT_PASSWORD_KEYS"):
        SivPasswordSeal([]).seal(PASSWORD)


def test_a_caller_gives_the_password_itself_and_nothing_that_somebody_sealed() -> None:
    with pytest.raises(InvalidParameters):
        to_keep(SivPasswordSeal([NEW]).seal(PASSWORD), SivPasswordSeal([NEW]))


@pytest.mark.parametrize("keys", ["x", "AAAA", base64.b64encode(bytes(31)).decode(), "c3dvcmRmaXNo;"])
def test_a_key_of_another_form_is_refused_unquoted(keys: str) -> None:
    with pytest.raises(SettingsInvalid) as caught:
        parse_password_keys(Settings.from_environment({"DOCUMENT_PASSWORD_KEYS": keys}).password_keys)

    assert keys.strip(";") not in str(caught.value).replace("DOCUMENT_PASSWORD_KEYS", "")


def test_a_job_is_read_and_its_password_is_stored_nowhere() -> None:
    data = make_pdf(PageSpec(TEXT), encryption=pikepdf.Encryption(owner="o", user=PASSWORD, R=6))
    harness, _ = create_test_harness(Registries(*build_registries(setting(NEW), always(ReadsNothing()))))
    params = {"source": {"content_base64": base64.b64encode(data).decode()}, "password": PASSWORD}
    submitted = harness.submit("ocr_document", params)
    harness.drain()

    run = harness.state.load_run(submitted.job_id, 1)
    assert run is not None
    assert run.result_json is not None
    assert "A page of text" in OcrDocumentResult.model_validate_json(run.result_json).text
    assert harness.submit("ocr_document", params).job_id == submitted.job_id
    told = json.dumps(harness.state.get_state_snapshot(), ensure_ascii=False, default=str)
    assert "swordfish" not in told
    assert told.count('"sealed"') >= 4  # the job and its three tasks


def test_a_password_of_an_edited_task_is_sealed_too() -> None:
    data = make_pdf(PageSpec(TEXT), encryption=pikepdf.Encryption(owner="o", user=PASSWORD, R=6))
    harness, _ = create_test_harness(Registries(*build_registries(setting(NEW), always(ReadsNothing()))))
    source = {"content_base64": base64.b64encode(data).decode()}
    job = harness.submit("ocr_document", {"source": source, "password": "wrong"}).job_id
    with pytest.raises(PasswordWrong):
        harness.drain()
    edited = {"inspect": {"source": source, "password": PASSWORD}}
    JobOperations(harness.machine).replay(job, "somebody", edited)

    told = json.dumps(harness.state.get_state_snapshot(), ensure_ascii=False, default=str)
    assert "swordfish" not in told


def test_neither_a_text_nor_an_error_of_the_parameters_shows_it() -> None:
    given = OcrDocumentParameters.model_validate({"source": {"blob": "b"}, "password": PASSWORD})

    assert "swordfish" not in repr(given)
    assert "swordfish" in dump_json(InspectParameters(source=given.source, password=given.password))


def test_without_keys_only_what_is_in_memory_takes_a_password() -> None:
    source = {"source": {"blob": "b"}, "password": PASSWORD}
    in_memory, _ = create_test_harness(
        Registries(*build_registries(Settings.from_environment({}), always(ReadsNothing())))
    )
    on_a_bus, _ = create_test_harness(Registries(*build_registries(setting(), always(ReadsNothing()))))

    assert in_memory.submit("ocr_document", source).job_id
    with pytest.raises(PasswordNotKept):
        on_a_bus.submit("ocr_document", source)
