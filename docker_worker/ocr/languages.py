"""The languages that PP-OCRv6 reads, as BCP 47 primary subtags.

From PaddleOCR 3.7's list of what it takes this model for: Chinese, English, Japanese, and 46 Latin-script languages,
Serbian among them in Latin script. Vietnamese is left out of the list: of its 60 letters with a tone mark the model's
dictionary has one.
"""

from __future__ import annotations

from collections.abc import Iterable

from handlers.document.errors import LanguageNotSupported

LATIN = frozenset(
    (
        "af", "az", "bs", "ca", "cs", "cy", "da", "de", "es", "et", "eu", "fi", "fr", "ga", "gl",
        "hr", "hu", "id", "is", "it", "ku", "la", "lb", "lt", "lv", "mi", "ms", "mt", "nl", "no",
        "oc", "pl", "pt", "qu", "rm", "ro", "sk", "sl", "sq", "sr", "sv", "sw", "tl", "tr", "uz",
    )
)  # fmt: skip

SAME = frozenset({"nb", "nn", "fil"})
"""Other subtags of Norwegian and Tagalog."""

PADDLE_LANGUAGES = LATIN | SAME | {"en", "ja", "zh"}


def check_languages(languages: Iterable[str]) -> None:
    """Raises :class:`LanguageNotSupported`, naming those that PP-OCRv6 does not read."""
    unread = sorted(set(languages) - PADDLE_LANGUAGES)
    if unread:
        raise LanguageNotSupported(f"no engine that is installed reads {', '.join(unread)}", languages=unread)
