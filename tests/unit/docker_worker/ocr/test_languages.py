from __future__ import annotations

import pytest

from docker_worker.ocr.languages import LATIN, check_languages
from handlers.document.errors import LanguageNotSupported


@pytest.mark.parametrize("languages", [(), ("en",), ("zh", "ja", "en"), ("nb",), tuple(sorted(LATIN))])
def test_what_the_model_was_made_for_is_read(languages: tuple[str, ...]) -> None:
    check_languages(languages)


@pytest.mark.parametrize("language", ["hi", "ru", "ar", "ko", "vi", "el", "xx", ""])
def test_what_it_was_not_made_for_is_an_error_that_names_it(language: str) -> None:
    with pytest.raises(LanguageNotSupported) as caught:
        check_languages(("en", language))

    assert caught.value.code == "LANGUAGE_NOT_SUPPORTED"
    assert caught.value.details["languages"] == [language]
