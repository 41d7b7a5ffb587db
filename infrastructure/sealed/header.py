"""The beginning of a sealed object.

::

    magic           8 bytes    CMSEALED
    version         1          1
    algorithm       1          1: AES-256-GCM in chunks of 64 KiB
    nonce prefix    7          random, of this object alone
    wrap method     1          1: AES key wrap (RFC 3394), 2: RSA-OAEP with SHA-256 (RFC 8017)
    key id          1 + n      of the key that wrapped the object's, ASCII
    wrapped key     2 + n      big-endian length first
    tag             32         HMAC-SHA256 of all above
    body                       chunks: :mod:`infrastructure.sealed.body`

The object's key is 32 random bytes, used for nothing but to derive two with HKDF-Expand (RFC 5869): one of the body,
one of the tag. What the object is bound to goes into both: format, owner and path. The tag covers what wraps the key,
and commits to the key, which the tags of AES-GCM do not. The body knows nothing of either, so that another key may wrap
the object's and the body stays as it is.
"""

from __future__ import annotations

import hmac
import re
from dataclasses import dataclass
from enum import IntEnum

from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDFExpand

from handlers.portal.errors import SealedDamaged, SealedFormatUnknown
from handlers.portal.sealing import Owner
from infrastructure.sealed.reading import ByteReader

MAGIC = b"CMSEALED"
VERSION = 1
AES_256_GCM_CHUNKED = 1

PREFIX_BYTES = 7
KEY_BYTES = 32
TAG_BYTES = 32
MAX_WRAPPED = 1_024
"""Bytes. RSA with 4,096 bits, the largest that Key Vault has, wraps into 512."""

_KEY_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:/-]{0,249}")


class WrapMethod(IntEnum):
    """How an object's key is wrapped."""

    AES_KEY_WRAP = 1
    RSA_OAEP_256 = 2


@dataclass(frozen=True, slots=True)
class WrappedKey:
    key_id: str
    method: WrapMethod
    data: bytes


@dataclass(frozen=True, slots=True)
class Header:
    nonce_prefix: bytes
    wrapped: WrappedKey


@dataclass(frozen=True, slots=True)
class Binding:
    """What an object is bound to: moved, or given to another owner, it does not open."""

    path: str
    owner: Owner

    def data(self) -> bytes:
        parts = (MAGIC, bytes((VERSION, AES_256_GCM_CHUNKED)), self.owner.user_id, self.owner.document_id, self.path)
        told = [part if isinstance(part, bytes) else part.encode() for part in parts]
        return b"".join(len(part).to_bytes(2, "big") + part for part in told)


def is_key_id(text: str) -> bool:
    return _KEY_ID.fullmatch(text) is not None


def body_key(object_key: bytes, binding: Binding) -> bytes:
    return _derived(object_key, b"body", binding)


def encode(header: Header, object_key: bytes, binding: Binding) -> bytes:
    """The header with its tag."""
    wrapped = header.wrapped
    told = b"".join(
        (
            MAGIC,
            bytes((VERSION, AES_256_GCM_CHUNKED)),
            header.nonce_prefix,
            bytes((wrapped.method, len(wrapped.key_id))),
            wrapped.key_id.encode("ascii"),
            len(wrapped.data).to_bytes(2, "big"),
            wrapped.data,
        )
    )
    return told + _tag(told, object_key, binding)


def read_header(reader: ByteReader) -> tuple[Header, bytes]:
    """The header, of which nothing is checked but its form, and its tag.

    Raises :class:`SealedFormatUnknown` and :class:`SealedDamaged`.
    """
    if reader.take(len(MAGIC)) != MAGIC:
        raise SealedFormatUnknown("not a sealed object")
    version, algorithm = _exactly(reader, 2)
    if (version, algorithm) != (VERSION, AES_256_GCM_CHUNKED):
        raise SealedFormatUnknown(
            "a sealed object of a version or algorithm that is not known here", version=version, algorithm=algorithm
        )
    nonce_prefix = _exactly(reader, PREFIX_BYTES)
    method, length = _exactly(reader, 2)
    key_id = _exactly(reader, length).decode("ascii", "replace")
    data = _exactly(reader, int.from_bytes(_exactly(reader, 2), "big"))
    if not is_key_id(key_id) or len(data) > MAX_WRAPPED:
        raise SealedDamaged("the sealed object's header is damaged")
    header = Header(nonce_prefix, WrappedKey(key_id, _method(method), data))
    return header, _exactly(reader, TAG_BYTES)


def check_tag(header: Header, tag: bytes, object_key: bytes, binding: Binding) -> None:
    """Raises :class:`SealedDamaged` unless it was made with this key for this owner and path."""
    if not hmac.compare_digest(encode(header, object_key, binding)[-TAG_BYTES:], tag):
        raise SealedDamaged("the sealed object is damaged, or was sealed for another owner or path")


def _method(number: int) -> WrapMethod:
    if number not in set(WrapMethod):
        raise SealedFormatUnknown("a sealed object whose key is wrapped in a way that is not known here", method=number)
    return WrapMethod(number)


def _exactly(reader: ByteReader, size: int) -> bytes:
    found = reader.take(size)
    if len(found) < size:
        raise SealedDamaged("the sealed object ends within its header")
    return found


def _tag(told: bytes, object_key: bytes, binding: Binding) -> bytes:
    return hmac.digest(_derived(object_key, b"header", binding), told, "sha256")


def _derived(object_key: bytes, purpose: bytes, binding: Binding) -> bytes:
    return HKDFExpand(SHA256(), KEY_BYTES, purpose + b"\x00" + binding.data()).derive(object_key)
