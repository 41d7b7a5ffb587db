"""Where things are stored: the one module that makes and reads storage paths.

::

    raw/{user_id}/{job_id}/{milliseconds}_{name}.enc           what a user sent, sealed
    master/{user_id}/{document_id}/{document_id}.enc           the finished image, sealed
    output/{user_id}/{job_id}/{milliseconds}_output.zip.enc    the package of all that was made, sealed
    derived/{user_id}/{job_id}/{milliseconds}_{name}.enc       what a job makes beside these, sealed
    incoming/{user_id}/{job_id}/{milliseconds}_{name}.part     an upload by link that nobody has confirmed; plain
    outgoing/{user_id}/{document_id}/{milliseconds}_{name}.copy    what a link to download leads to until then; plain

Ids are version 4 UUIDs of RFC 9562's variant, in lower case with hyphens. Milliseconds count from 1970 in UTC. A name
is 1 to 128 of ``A-Za-z0-9 . _ -`` and starts with neither a dot nor a hyphen. What ends in ``.enc`` is encrypted.
"""

from __future__ import annotations

import hashlib
import re
import uuid
from dataclasses import dataclass
from typing import NewType, TypeAlias, assert_never

from handlers.portal.errors import StoragePathInvalid

UserId = NewType("UserId", str)
PortalJobId = NewType("PortalJobId", str)
"""The id in a portal's envelope; a run of the engine has a :class:`core.ids.JobId` of its own."""
DocumentId = NewType("DocumentId", str)

MAX_NAME = 128
MAX_MILLISECONDS = 9_999_999_999_999
"""13 digits: until the year 2286."""

UUID4_PATTERN = "[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}"
NAME_PATTERN = f"[A-Za-z0-9_][A-Za-z0-9._-]{{0,{MAX_NAME - 1}}}"
"""Both have to match a whole text."""

_UUID4 = re.compile(UUID4_PATTERN)
_NAME = re.compile(NAME_PATTERN)
_STAMPED = re.compile(r"(0|[1-9][0-9]{0,12})_(.*)", re.DOTALL)

_SEALED, _PART, _COPY, _OUTPUT = ".enc", ".part", ".copy", "output.zip"


@dataclass(frozen=True, slots=True)
class RawPath:
    user_id: UserId
    job_id: PortalJobId
    milliseconds: int
    name: str


@dataclass(frozen=True, slots=True)
class MasterPath:
    user_id: UserId
    document_id: DocumentId


@dataclass(frozen=True, slots=True)
class OutputPath:
    user_id: UserId
    job_id: PortalJobId
    milliseconds: int


@dataclass(frozen=True, slots=True)
class DerivedPath:
    user_id: UserId
    job_id: PortalJobId
    milliseconds: int
    name: str


@dataclass(frozen=True, slots=True)
class IncomingPath:
    """``milliseconds`` and ``name`` are those of the raw path that it becomes."""

    user_id: UserId
    job_id: PortalJobId
    milliseconds: int
    name: str


@dataclass(frozen=True, slots=True)
class OutgoingPath:
    """``milliseconds`` is when the link to it ends, ``name`` a digest of the path that it is a copy of."""

    user_id: UserId
    document_id: DocumentId
    milliseconds: int
    name: str


SealedPath: TypeAlias = RawPath | MasterPath | OutputPath | DerivedPath
PlainPath: TypeAlias = IncomingPath | OutgoingPath
StoredPath: TypeAlias = SealedPath | PlainPath


def is_uuid4(text: str) -> bool:
    """Whether ``text`` is a version 4 UUID as it is written here."""
    return _UUID4.fullmatch(text) is not None


def user_id_of(text: str) -> UserId:
    """Raises :class:`StoragePathInvalid`."""
    return UserId(_checked_id(text, "user_id"))


def job_id_of(text: str) -> PortalJobId:
    """Raises :class:`StoragePathInvalid`."""
    return PortalJobId(_checked_id(text, "job_id"))


def document_id_of(text: str) -> DocumentId:
    """Raises :class:`StoragePathInvalid`."""
    return DocumentId(_checked_id(text, "document_id"))


def document_id_for(job_id: PortalJobId) -> DocumentId:
    """The one document of a job: of the same job always the same, in the form of a version 4 UUID."""
    digest = hashlib.sha256(b"document of job " + job_id_of(job_id).encode()).digest()
    return DocumentId(str(uuid.UUID(bytes=digest[:16], version=4)))


def check_name(name: str) -> str:
    """``name``. Raises :class:`StoragePathInvalid`."""
    if not _NAME.fullmatch(name):
        raise StoragePathInvalid(
            f"a name is 1 to {MAX_NAME} of A-Z a-z 0-9 . _ - and starts with neither a dot nor a hyphen", part="name"
        )
    return name


def raw_path(user_id: UserId, job_id: PortalJobId, milliseconds: int, name: str) -> str:
    """Raises :class:`StoragePathInvalid`, as all that make paths do."""
    return build(RawPath(user_id, job_id, milliseconds, name))


def master_path(user_id: UserId, document_id: DocumentId) -> str:
    return build(MasterPath(user_id, document_id))


def output_path(user_id: UserId, job_id: PortalJobId, milliseconds: int) -> str:
    return build(OutputPath(user_id, job_id, milliseconds))


def derived_path(user_id: UserId, job_id: PortalJobId, milliseconds: int, name: str) -> str:
    return build(DerivedPath(user_id, job_id, milliseconds, name))


def incoming_of(raw: RawPath) -> IncomingPath:
    """Where the upload waits that becomes ``raw``."""
    return IncomingPath(raw.user_id, raw.job_id, raw.milliseconds, raw.name)


def outgoing_of(path: SealedPath, document_id: DocumentId, milliseconds: int) -> OutgoingPath:
    """Where the copy lies that a link leads to which ends at ``milliseconds``: of each path another."""
    digest = hashlib.sha256(build(path).encode()).hexdigest()
    return OutgoingPath(path.user_id, document_id, milliseconds, digest)


def file_name(path: SealedPath) -> str:
    """What a file that was stored there may be called."""
    match path:
        case RawPath(name=name) | DerivedPath(name=name):
            return name
        case MasterPath(document_id=document_id):
            return document_id
        case OutputPath():
            return _OUTPUT
        case _:
            assert_never(path)


def build(path: StoredPath) -> str:
    """The path in words. Raises :class:`StoragePathInvalid`."""
    match path:
        case RawPath():
            return _stamped("raw", path.user_id, path.job_id, path.milliseconds, check_name(path.name) + _SEALED)
        case MasterPath(user_id=user_id, document_id=document_id):
            document_id = document_id_of(document_id)
            return f"master/{user_id_of(user_id)}/{document_id}/{document_id}{_SEALED}"
        case OutputPath():
            return _stamped("output", path.user_id, path.job_id, path.milliseconds, _OUTPUT + _SEALED)
        case DerivedPath():
            return _stamped("derived", path.user_id, path.job_id, path.milliseconds, check_name(path.name) + _SEALED)
        case IncomingPath():
            return _stamped("incoming", path.user_id, path.job_id, path.milliseconds, check_name(path.name) + _PART)
        case OutgoingPath():
            return _stamped(
                "outgoing", path.user_id, path.document_id, path.milliseconds, check_name(path.name) + _COPY
            )
        case _:
            assert_never(path)


def check_path(text: str) -> StoredPath:
    """The parts of a path that :func:`build` would make just so. Raises :class:`StoragePathInvalid`."""
    found = _read(text)
    if found is None or build(found) != text:
        raise StoragePathInvalid("a storage path that is none of ours", part="path")
    return found


def check_sealed_path(text: str) -> SealedPath:
    """Raises :class:`StoragePathInvalid`, also for a path of what is plain."""
    match check_path(text):
        case RawPath() | MasterPath() | OutputPath() | DerivedPath() as found:
            return found
        case IncomingPath() | OutgoingPath():
            raise StoragePathInvalid("a storage path of what is not sealed", part="path")


def check_raw_path(text: str) -> RawPath:
    """Raises :class:`StoragePathInvalid`, also for a path of anything but what a user sent."""
    found = check_path(text)
    if not isinstance(found, RawPath):
        raise StoragePathInvalid("not the path of what a user sent", part="path")
    return found


def area(kind: type[StoredPath]) -> str:
    """The prefix of all paths of a kind."""
    return f"{_AREA_OF[kind]}/"


_AREA_OF: dict[type[StoredPath], str] = {
    RawPath: "raw",
    MasterPath: "master",
    OutputPath: "output",
    DerivedPath: "derived",
    IncomingPath: "incoming",
    OutgoingPath: "outgoing",
}


def _stamped(place: str, user_id: UserId, second: PortalJobId | DocumentId, milliseconds: int, rest: str) -> str:
    if type(milliseconds) is not int or not 0 <= milliseconds <= MAX_MILLISECONDS:
        raise StoragePathInvalid(f"milliseconds are whole, 0 to {MAX_MILLISECONDS}", part="milliseconds")
    return f"{place}/{user_id_of(user_id)}/{_checked_id(second, 'job_id')}/{milliseconds}_{rest}"


def _read(text: str) -> StoredPath | None:
    """What ``text`` says, which :func:`build` has to say again."""
    parts = text.split("/")
    if len(parts) != 4:
        return None
    place, user_id, second, last = parts
    if place == "master":
        return MasterPath(UserId(user_id), DocumentId(second))
    stamped = _STAMPED.fullmatch(last)
    if stamped is None:
        return None
    return _read_stamped(place, UserId(user_id), second, int(stamped[1]), stamped[2])


def _read_stamped(place: str, user_id: UserId, second: str, milliseconds: int, rest: str) -> StoredPath | None:
    job_id = PortalJobId(second)
    match place:
        case "raw":
            return RawPath(user_id, job_id, milliseconds, rest.removesuffix(_SEALED))
        case "output":
            return OutputPath(user_id, job_id, milliseconds)
        case "derived":
            return DerivedPath(user_id, job_id, milliseconds, rest.removesuffix(_SEALED))
        case "incoming":
            return IncomingPath(user_id, job_id, milliseconds, rest.removesuffix(_PART))
        case "outgoing":
            return OutgoingPath(user_id, DocumentId(second), milliseconds, rest.removesuffix(_COPY))
        case _:
            return None


def _checked_id(text: str, part: str) -> str:
    if not is_uuid4(text):
        raise StoragePathInvalid(f"{part}: a version 4 UUID in lower case, with hyphens", part=part)
    return text
