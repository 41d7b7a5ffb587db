"""Passwords of documents, sealed under keys of the settings while a job keeps them."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Sequence

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESSIV
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from handlers.document.errors import PasswordNotKept, PasswordSealBroken
from handlers.document.password import SealedPassword
from infrastructure.settings import SettingsInvalid

KEY_BYTES = 32
PURPOSE = b"coremachine document password 1"
PADDED = 128
"""Bytes that each password is filled up to behind its end, with zeros; it has 127 at most."""

_END = b"\x01"


class SivPasswordSeal:
    """AES-SIV (RFC 5297) with AES-256, of keys that HKDF-SHA256 (RFC 5869) makes of those of the settings.

    It is made for this: the same password has to give the same bytes, which no cipher with a random nonce does, and
    all that they tell without the key is that two passwords are equal. The first of ``keys`` seals, any opens; each is
    32 bytes. Without any, every password is refused.
    """

    def __init__(self, keys: Sequence[bytes]) -> None:
        self._ciphers = [AESSIV(HKDF(SHA256(), 64, None, PURPOSE).derive(key)) for key in keys]

    def seal(self, password: str) -> SealedPassword:
        if not self._ciphers:
            raise PasswordNotKept(
                "a job with a password cannot be kept: DOCUMENT_PASSWORD_KEYS is not set, which seals it"
            )
        plain = (password.encode() + _END).ljust(PADDED, b"\0")
        sealed = self._ciphers[0].encrypt(plain, [PURPOSE])
        return SealedPassword(sealed=base64.urlsafe_b64encode(sealed).decode("ascii"))

    def open(self, sealed: SealedPassword) -> str:
        try:
            data = base64.urlsafe_b64decode(sealed.sealed)
        except (binascii.Error, ValueError):
            raise _broken() from None
        for cipher in self._ciphers:
            try:
                return cipher.decrypt(data, [PURPOSE]).rstrip(b"\0").removesuffix(_END).decode()
            except (InvalidTag, ValueError):
                continue
        raise _broken()


def _broken() -> PasswordSealBroken:
    return PasswordSealBroken("the password was sealed with none of the keys of this process: DOCUMENT_PASSWORD_KEYS")


def parse_password_keys(texts: Sequence[str]) -> list[bytes]:
    """Of base64 each. Raises :class:`SettingsInvalid`, which quotes none."""
    return [_key(text) for text in texts]


def _key(text: str) -> bytes:
    try:
        key = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        key = b""
    if len(key) != KEY_BYTES:
        raise SettingsInvalid(f"DOCUMENT_PASSWORD_KEYS: {KEY_BYTES} random bytes in base64 each, separated by ;")
    return key
