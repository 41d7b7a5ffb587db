"""A document's password: as a caller gives it, and as it is kept until its tasks open the document."""

from __future__ import annotations

from typing import Annotated, Any, Protocol

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    TypeAdapter,
    ValidatorFunctionWrapHandler,
    WrapValidator,
)

from core.errors import InvalidParameters
from handlers.document.errors import PasswordSealBroken

MAX_PASSWORD = 127
"""Bytes that a password of a PDF has at most (ISO 32000-2, 7.6.4.3)."""

MAX_SEALED = 512


def _short_enough(password: str) -> str:
    if len(password.encode()) > MAX_PASSWORD:
        raise ValueError(f"a password has at most {MAX_PASSWORD} bytes in UTF-8")
    return password


class SealedPassword(BaseModel):
    """What a :class:`PasswordSeal` made of a password, in URL-safe base64."""

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)

    sealed: str = Field(min_length=1, max_length=MAX_SEALED, pattern=r"^[A-Za-z0-9_=-]+$")


_PLAIN: TypeAdapter[str] = TypeAdapter(
    Annotated[str, Field(min_length=1), AfterValidator(_short_enough)], config=ConfigDict(hide_input_in_errors=True)
)


def _of_its_kind(value: Any, union: ValidatorFunctionWrapHandler) -> Any:
    """The union's branch, which no client wrote, would be in the place of each error."""
    if isinstance(value, dict | SealedPassword):
        return SealedPassword.model_validate(value)
    return _PLAIN.validate_python(value)


Password = Annotated[
    Annotated[str, Field(min_length=1, max_length=MAX_PASSWORD)] | SealedPassword, WrapValidator(_of_its_kind)
]


class PasswordSeal(Protocol):
    """Seals passwords, and opens what any process of the installation sealed. For any number of threads."""

    def seal(self, password: str) -> SealedPassword:
        """The same password gives the same, so that the same job has the same content. It tells no length.

        Raises :class:`handlers.document.errors.PasswordNotKept` where there is no key to seal with.
        """
        ...

    def open(self, sealed: SealedPassword) -> str:
        """Raises :class:`handlers.document.errors.PasswordSealBroken` for what was sealed with none of the keys."""
        ...


def to_keep(password: str | SealedPassword | None, seal: PasswordSeal | None) -> str | SealedPassword | None:
    """What is stored of a password that a caller gives; itself where ``seal`` is ``None``, and nothing outlives the
    process.

    Raises :class:`InvalidParameters` for one that is sealed: somebody else's may be tried so, and what
    :meth:`PasswordSeal.seal` does.
    """
    if isinstance(password, SealedPassword):
        found = [{"field": "password", "problem": "Input should be the password itself, a text"}]
        raise InvalidParameters("the password is sealed already", problems=found)
    return password if password is None or seal is None else seal.seal(password)


def opened(password: str | SealedPassword | None, seal: PasswordSeal | None) -> str | None:
    """The text. Raises :class:`handlers.document.errors.PasswordSealBroken`."""
    if not isinstance(password, SealedPassword):
        return password
    if seal is None:
        raise PasswordSealBroken("the password is sealed, and this process has no key")
    return seal.open(password)
