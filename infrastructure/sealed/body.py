"""The body of a sealed object: chunks that open only whole, each in its place, and the last one as the last.

The construction is STREAM (Hoang, Reyhanitabar, Rogaway and Vizár, Online Authenticated-Encryption and its Nonce-Reuse
Misuse-Resistance, 2015): a chunk's nonce is the object's prefix, 7 bytes, the chunk's number from 0, 4 bytes
big-endian, and 1 for the last chunk or else 0. Each chunk is 64 KiB, but the last, which is what is left and empty only
where the object is; behind each is its tag of 16 bytes. What the object is bound to is the associated data of each.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from core.errors import CapacityExceeded
from core.streams import in_blocks
from handlers.portal.errors import SealedDamaged

CHUNK = 64 * 1024
TAG = 16
MAX_CHUNKS = 1 << 32


class Cipher:
    """Of one object: ``key`` and ``nonce_prefix`` are used for no other."""

    def __init__(self, key: bytes, nonce_prefix: bytes, bound_to: bytes) -> None:
        self._cipher = AESGCM(key)
        self._prefix = nonce_prefix
        self._bound_to = bound_to

    def encrypt(self, pieces: Iterable[bytes]) -> Iterator[bytes]:
        """The body of ``pieces``, a chunk at a time."""
        for number, (chunk, last) in enumerate(_with_last(in_blocks(pieces, CHUNK))):
            yield self._cipher.encrypt(self._nonce(number, last), chunk, self._bound_to)

    def decrypt(self, pieces: Iterable[bytes]) -> Iterator[bytes]:
        """The plain bytes of a body, each piece after its tag was checked, none of them empty.

        Only after the last one it is known that all were there. Raises :class:`SealedDamaged`.
        """
        for number, (chunk, last) in enumerate(_with_last(in_blocks(pieces, CHUNK + TAG))):
            if len(chunk) < TAG or (number > 0 and len(chunk) == TAG):
                raise SealedDamaged("the sealed object is cut off")
            try:
                plain = self._cipher.decrypt(self._nonce(number, last), chunk, self._bound_to)
            except InvalidTag:
                raise SealedDamaged("the sealed object is damaged, or cut off", chunk=number) from None
            if plain:
                yield plain

    def _nonce(self, number: int, last: bool) -> bytes:
        if number >= MAX_CHUNKS:
            raise CapacityExceeded(f"a sealed object: more than {MAX_CHUNKS} chunks", limit=MAX_CHUNKS)
        return self._prefix + number.to_bytes(4, "big") + bytes((last,))


def sealed_size(size: int) -> int:
    """Bytes of the body of ``size`` plain bytes."""
    return size + TAG * max(1, -(-size // CHUNK))


def _with_last(blocks: Iterator[bytes]) -> Iterator[tuple[bytes, bool]]:
    """Each with whether it is the last; an empty one for none."""
    held = next(blocks, b"")
    for block in blocks:
        yield held, False
        held = block
    yield held, True
