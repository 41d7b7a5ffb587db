"""Microsoft Entra tokens of a process: one credential, a token for each scope, renewed before it ends.

::

    TransientError
    +-- TokenUnavailable                 the identity service does not answer
        +-- TokenRefused                 it knows no identity of this process: a person has to act
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from threading import Event, Lock, Thread
from typing import Any, NamedTuple

from azure.core.credentials import AccessToken, TokenCredential
from azure.core.exceptions import AzureError, ClientAuthenticationError

from core.boundary import guarded
from core.errors import CoreMachineError, TransientError
from core.outcome import Failed
from core.ports import Clock

_log = logging.getLogger(__name__)

MARGIN_SECONDS = 300.0
"""Azure's own libraries do not give a token away that lives shorter, but ask for a new one."""

MARGIN_SHARE = 0.1
SHORTEST_PAUSE = 5.0
FIRST_PAUSE = 10.0
LONGEST_PAUSE = 300.0
CLOSE_SECONDS = 2.0


class TokenUnavailable(TransientError):
    code = "TOKEN_UNAVAILABLE"


class TokenRefused(TokenUnavailable):
    code = "TOKEN_REFUSED"


class TokenState(NamedTuple):
    """``failures`` counts renewals that failed since the last one that did not, ``error`` is the code of the last."""

    scope: str
    expires_at: datetime | None
    failures: int
    error: str | None
    error_at: datetime | None


class _Asked(NamedTuple):
    """What one token is for."""

    scopes: tuple[str, ...]
    tenant_id: str | None
    enable_cae: bool


@dataclass(slots=True)
class _Held:
    """The token of one purpose. Times are seconds since 1970.

    ``due`` is when the thread looks at it, ``renew_at`` when the token is old; ``untold`` where nobody was told of it.
    """

    asked: _Asked
    use: Lock = field(default_factory=Lock)
    token: AccessToken | None = field(default=None, repr=False)
    due: float = 0.0
    renew_at: float = 0.0
    tries: int = 0
    failure: BaseException | None = None
    failures: int = 0
    error: str | None = None
    error_at: datetime | None = None
    untold: bool = False


def default_credential() -> TokenCredential:
    """Azure's own chain: the environment's identity, the managed one, the developer's."""
    from azure.identity import DefaultAzureCredential  # noqa: PLC0415 - half a second that only Entra has to pay

    return DefaultAzureCredential()


def renewal_time(now: float, expires_on: float) -> float:
    """When to ask for the next token: the larger of five minutes and a tenth of its life before it ends.

    One that lives too short for that is renewed in the middle of its life. Seconds since 1970.
    """
    life = expires_on - now
    margin = max(MARGIN_SECONDS, life * MARGIN_SHARE)
    return max(now + SHORTEST_PAUSE, expires_on - min(margin, life / 2))


def pause_after(failures: int, left: float) -> float:
    """Seconds until a renewal that failed is tried again; ``left`` is how long the token lives still."""
    pause = min(LONGEST_PAUSE, FIRST_PAUSE * 2.0 ** min(failures - 1, 10))
    return pause if left <= 0 else max(SHORTEST_PAUSE, min(pause, left / 2))


class TokenCache:
    """An ``azure.core.credentials.TokenCredential`` for all of a process's clients and for any number of threads.

    Who asks gets the token that is there. A thread, begun by the first token, renews each before it ends; where that
    fails the old one is given for as long as it lives, and only then is the asker told why. ``make`` makes the
    credential when it is first needed; ``wait`` waits for an event up to a number of seconds.
    """

    def __init__(
        self,
        clock: Clock,
        make: Callable[[], TokenCredential] = default_credential,
        wait: Callable[[Event, float | None], bool] = Event.wait,
    ) -> None:
        self._clock = clock
        self._make = make
        self._wait = wait
        self._lock = Lock()
        self._credential: TokenCredential | None = None
        self._held: dict[_Asked, _Held] = {}
        self._listeners: dict[str, Callable[[], None]] = {}
        self._telling = Lock()
        self._news = Event()
        self._closed = False
        self._thread: Thread | None = None

    def get_token(
        self,
        *scopes: str,
        claims: str | None = None,
        tenant_id: str | None = None,
        enable_cae: bool = False,
        **_: Any,
    ) -> AccessToken:
        """Raises what the credential raises, where there is no token that lives.

        ``claims`` is a service's demand for another token than the one that it was shown.
        """
        held = self._of(_Asked(scopes, tenant_id, enable_cae))
        seen, token = held.tries, held.token
        if token is not None and claims is None and token.expires_on > self._now():
            return token
        return self._fetched(held, seen, claims)

    def on_renewal(self, scope: str, call: Callable[[], None]) -> None:
        """Call ``call`` when a token of ``scope`` was replaced, again where it raises :class:`CoreMachineError`."""
        self._listeners[scope] = call

    def refresh(self) -> None:
        """Replace every token now, by a credential that remembers none, and tell everybody.

        Raises :class:`TokenUnavailable` after all were tried, with the old tokens kept, or what a listener raises.
        """
        with self._lock:
            self._credential = None
            found = list(self._held.values())
        failures = [failed for held in found if (failed := self._renewed(held)) is not None]
        if failures:
            raise failures[0]
        with self._telling:
            for call in self._listeners.values():
                call()
            for held in found:
                _was_told(held)

    def renew_due(self) -> float | None:
        """Renew, and tell of, what is due; the seconds until more is, ``None`` where there is no token at all."""
        with self._lock:
            found = [held for held in self._held.values() if held.tries]
        for held in found:
            if held.due <= self._now() and (held.renew_at > self._now() or self._renewed(held) is None):
                self._tell(held)
        return max(0.0, min(held.due for held in found) - self._now()) if found else None

    def states(self) -> list[TokenState]:
        with self._lock:
            found = list(self._held.values())
        return [
            TokenState(
                " ".join(held.asked.scopes),
                datetime.fromtimestamp(held.token.expires_on, UTC) if held.token is not None else None,
                held.failures,
                held.error,
                held.error_at,
            )
            for held in found
        ]

    def close(self) -> None:
        """End the thread, unless the identity service keeps it; tokens are given on."""
        self._closed = True
        self._news.set()
        thread = self._thread
        if thread is not None:
            thread.join(CLOSE_SECONDS)

    def _of(self, asked: _Asked) -> _Held:
        with self._lock:
            return self._held.setdefault(asked, _Held(asked))

    def _fetched(self, held: _Held, seen: int, claims: str | None = None) -> AccessToken:
        """A token that was fetched after ``seen`` tries: of those who ask at once, one asks for all."""
        with held.use:
            if held.tries == seen:
                self._fetch(held, claims)
            if held.failure is not None:
                raise held.failure
            assert held.token is not None
            return held.token

    def _fetch(self, held: _Held, claims: str | None) -> None:
        found = guarded(self._ask, held.asked, claims)
        held.tries += 1
        if isinstance(found, AccessToken):
            self._keep(held, found)
        else:
            held.failure = found.cause if isinstance(found, Failed) else found
            held.renew_at = min(held.renew_at, self._now())
            refused = isinstance(held.failure, ClientAuthenticationError)
            self._note_failure(held, TokenRefused.code if refused else TokenUnavailable.code)
        self._begin()

    def _ask(self, asked: _Asked, claims: str | None) -> AccessToken | AzureError:
        wishes: dict[str, Any] = {"claims": claims, "tenant_id": asked.tenant_id, "enable_cae": asked.enable_cae}
        with self._lock:
            if self._credential is None:
                self._credential = self._make()
            credential = self._credential
        try:
            return credential.get_token(*asked.scopes, **{name: value for name, value in wishes.items() if value})
        except AzureError as error:
            return error

    def _keep(self, held: _Held, token: AccessToken) -> None:
        held.untold = held.untold or (held.token is not None and held.token.token != token.token)
        held.token, held.failure, held.failures, held.error, held.error_at = token, None, 0, None, None
        held.renew_at = renewal_time(self._now(), token.expires_on)
        held.due = self._now() if held.untold else held.renew_at

    def _note_failure(self, held: _Held, code: str) -> None:
        held.failures += 1
        held.error, held.error_at = code, self._clock.now()
        left = held.token.expires_on - self._now() if held.token is not None else 0.0
        held.due = self._now() + pause_after(held.failures, left)
        extra = {"scope": " ".join(held.asked.scopes), "code": code, "failures": held.failures}
        _log.warning("token_not_renewed", extra={**extra, "token_seconds_left": round(left)})

    def _renewed(self, held: _Held) -> CoreMachineError | None:
        """Why not, where it was not."""
        with held.use:
            self._fetch(held, None)
            match held.failure:
                case None:
                    return None
                case ClientAuthenticationError():
                    return TokenRefused("no Microsoft Entra token: check the identity that this process runs as")
                case _:
                    return TokenUnavailable("no Microsoft Entra token: the identity service does not answer, try again")

    def _tell(self, held: _Held) -> None:
        """A listener that cannot make use of a new token now is told again later."""
        with self._telling:
            try:
                for scope in held.asked.scopes if held.untold else ():
                    self._listeners.get(scope, _nobody)()
            except CoreMachineError as error:
                self._note_failure(held, error.code)
                return
            _was_told(held)

    def _begin(self) -> None:
        """Outside of the thread: it wakes up for what is new."""
        with self._lock:
            if self._thread is None and not self._closed:
                self._thread = Thread(target=self._run, name="tokens", daemon=True)
                self._thread.start()
        self._news.set()

    def _run(self) -> None:
        left: float | None = None
        while not self._closed:
            self._wait(self._news, left)
            self._news.clear()
            if not self._closed:
                left = self.renew_due()

    def _now(self) -> float:
        return self._clock.now().timestamp()


def _was_told(held: _Held) -> None:
    held.untold, held.due = False, held.renew_at
    held.failures, held.error, held.error_at = 0, None, None


def _nobody() -> None:
    """Listens where nobody else does."""
