"""What can be wrong with a document, or with reading it. The branch of the error tree that this package adds.

::

    TaskError
    +-- DocumentError                    the document cannot be processed; sending it again changes nothing
    |   +-- SourceNotAllowed             outside the allowed roots, not a regular file, another job's blob
    |   |   +-- FetchNotAllowed          a URL, or a redirect, to where documents are not fetched from
    |   +-- SourceNotFound
    |   +-- SourceAccessDenied           whoever has the document does not give it to us
    |   +-- FetchRefused                 an answer that is no document and will not become one
    |   +-- UnsupportedFormat            the content is none of the formats on the allow-list
    |   +-- DocumentTooLarge             more bytes than the limit
    |   +-- ImageTooLarge                more pixels in a page, or on a side, than the limit
    |   +-- TooManyPages
    |   +-- PageNotFound                 a page number that the document does not have
    |   +-- DecodeFailed                 the content is damaged
    |   +-- DecodeTooCostly              so many parts, or so deep in one another, that decoding it would take too long
    |   +-- PageTooSlow                  drawing or reading a page took longer than the limit
    |   +-- NoPages                      a document without a page
    |   +-- PasswordRequired             an encrypted document, and no password was given
    |   +-- PasswordWrong
    |   +-- FormNotSupported             its pages are made by a program inside it: a dynamic XFA form
    |   +-- DocumentCrashed              processes died as they opened the document
    |   +-- CopyNotPermitted             an encrypted document whose author allows no changed copy
    +-- PasswordNotKept                  there is no key to seal a password with, which a job has to keep
    +-- PasswordSealBroken               a sealed password that no key of this process opens
    +-- LanguageNotSupported             nothing that is installed reads a language that was asked for
    +-- OcrFailed                        the engine broke; not the same as a page without text
    +-- PageCrashed                      processes died as they read the page
    +-- TransientTaskError
        +-- FetchFailed                  not reached, broken off, or a server that is busy or broken
        |   +-- FetchTimeout
        |   +-- FetchStopped             the task was asked to stop meanwhile
        +-- PageNotStored                what was read of a page is not in the blob store as it was written
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from core.errors import CoreMachineError, DependencyMissing, TaskError, TransientTaskError

OCR_INSTALL_HINT = "pip install --no-deps ./docker_worker/opencv_contrib_shim -r docker_worker/requirements.txt"
"""What brings the packages of reading, and one OpenCV: without ``--no-deps`` and the stand-in there would be two."""


class DocumentError(TaskError):
    code = "DOCUMENT_ERROR"


class SourceNotAllowed(DocumentError):
    code = "SOURCE_NOT_ALLOWED"


class FetchNotAllowed(SourceNotAllowed):
    code = "FETCH_NOT_ALLOWED"


class SourceNotFound(DocumentError):
    code = "SOURCE_NOT_FOUND"


class SourceAccessDenied(DocumentError):
    code = "SOURCE_ACCESS_DENIED"


class FetchRefused(DocumentError):
    code = "FETCH_REFUSED"


class UnsupportedFormat(DocumentError):
    code = "UNSUPPORTED_FORMAT"


class DocumentTooLarge(DocumentError):
    code = "DOCUMENT_TOO_LARGE"


class ImageTooLarge(DocumentError):
    code = "IMAGE_TOO_LARGE"


class TooManyPages(DocumentError):
    code = "TOO_MANY_PAGES"


class PageNotFound(DocumentError):
    code = "PAGE_NOT_FOUND"


class DecodeFailed(DocumentError):
    code = "DECODE_FAILED"


class DecodeTooCostly(DocumentError):
    code = "DECODE_TOO_COSTLY"


class PageTooSlow(DocumentError):
    code = "PAGE_TOO_SLOW"


class NoPages(DocumentError):
    code = "NO_PAGES"


class PasswordRequired(DocumentError):
    code = "PASSWORD_REQUIRED"


class PasswordWrong(DocumentError):
    code = "PASSWORD_WRONG"


class FormNotSupported(DocumentError):
    code = "FORM_NOT_SUPPORTED"


class DocumentCrashed(DocumentError):
    code = "DOCUMENT_CRASHED"


class CopyNotPermitted(DocumentError):
    code = "COPY_NOT_PERMITTED"


class PasswordNotKept(TaskError):
    code = "PASSWORD_NOT_KEPT"


class PasswordSealBroken(TaskError):
    code = "PASSWORD_SEAL_BROKEN"


class LanguageNotSupported(TaskError):
    code = "LANGUAGE_NOT_SUPPORTED"


class OcrFailed(TaskError):
    code = "OCR_FAILED"


class PageCrashed(TaskError):
    code = "PAGE_CRASHED"


class FetchFailed(TransientTaskError):
    code = "FETCH_FAILED"


class FetchTimeout(FetchFailed):
    code = "FETCH_TIMEOUT"


class FetchStopped(FetchFailed):
    code = "FETCH_STOPPED"


class PageNotStored(TransientTaskError):
    code = "PAGE_NOT_STORED"


def is_of_the_document(error: BaseException) -> bool:
    """Whether reading goes on without the page that it came of: it says something of what is on it, and not of the
    storage, of a package that is missing, of a lease, or of memory, which another page may have taken.
    """
    if isinstance(error, CoreMachineError):
        return isinstance(error, TaskError) and not error.retryable
    return not isinstance(error, MemoryError | ImportError)


@contextmanager
def packages_needed() -> Iterator[None]:
    """A package that is not installed, whichever module asks for it, as :class:`core.errors.DependencyMissing`."""
    try:
        yield
    except ImportError as error:
        name = (error.name or "a package").partition(".")[0]
        raise DependencyMissing(f"{name} is not installed: {OCR_INSTALL_HINT}") from error


def error_again(code: str, message: str) -> TaskError:
    """An error that was stored, as it was raised. What was not of our tree is a plain :class:`TaskError`."""
    found = next((kind for kind in _kinds(TaskError) if kind.code == code), TaskError)
    return found(message)


def _kinds(parent: type[TaskError]) -> Iterator[type[TaskError]]:
    for kind in parent.__subclasses__():
        yield kind
        yield from _kinds(kind)
