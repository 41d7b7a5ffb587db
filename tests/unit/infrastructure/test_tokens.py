"""Tokens are renewed before they end, and what fails meanwhile fails nobody who has one that lives."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any

import pytest
from azure.core.credentials import AccessToken
from azure.core.exceptions import ClientAuthenticationError, ServiceRequestError

from core.errors import StoreUnavailable
from infrastructure.tokens import TokenCache, TokenRefused, TokenUnavailable, pause_after, renewal_time
from testing.clock import EPOCH, FakeClock

SCOPE = "https://storage.azure.com/.default"
OTHER = "https://servicebus.azure.net/.default"
HOUR = 3_600.0
PATIENT = 30.0


class Credential:
    """Gives a new token of ``life`` seconds each time; raises ``error`` where there is one."""

    def __init__(self, clock: FakeClock, life: float = HOUR) -> None:
        self._clock = clock
        self.life = life
        self.error: Exception | None = None
        self.asked: list[tuple[str, ...]] = []
        self.wishes: list[dict[str, Any]] = []
        self.entered = threading.Semaphore(0)
        self.open = threading.Event()
        self.open.set()

    def get_token(self, *scopes: str, **wishes: Any) -> AccessToken:
        self.asked.append(scopes)
        self.wishes.append(wishes)
        self.entered.release()
        assert self.open.wait(PATIENT)
        if self.error is not None:
            raise self.error
        return AccessToken(f"token-{len(self.asked)}", int(self._clock.now().timestamp() + self.life))


class Waits:
    """In the place of ``Event.wait``: the thread stands until the test lets it go, once."""

    def __init__(self) -> None:
        self.asked: list[float | None] = []
        self.came = threading.Semaphore(0)
        self._go = threading.Semaphore(0)

    def __call__(self, _event: threading.Event, seconds: float | None) -> bool:
        self.asked.append(seconds)
        self.came.release()
        return self._go.acquire(timeout=PATIENT)

    def go(self) -> None:
        self._go.release()


class Scene:
    def __init__(self, life: float = HOUR) -> None:
        self.clock = FakeClock()
        self.credential = Credential(self.clock, life)
        self.made = 0
        self.waits = Waits()
        self.cache = TokenCache(self.clock, self._make, self.waits)

    def _make(self) -> Credential:
        self.made += 1
        return self.credential

    def token(self, scope: str = SCOPE) -> str:
        return self.cache.get_token(scope).token

    def close(self) -> None:
        closing = threading.Thread(target=self.cache.close)
        closing.start()
        self.waits.go()
        closing.join(PATIENT)


@pytest.fixture
def scene() -> Iterator[Scene]:
    scene = Scene()
    yield scene
    scene.close()


def test_a_token_is_asked_for_once_and_a_credential_made_when_it_is_first_needed(scene: Scene) -> None:
    assert scene.made == 0
    assert [scene.token() for _ in range(3)] == ["token-1"] * 3
    assert (scene.made, scene.credential.asked) == (1, [(SCOPE,)])


def test_each_scope_has_its_own_token(scene: Scene) -> None:
    assert scene.token() != scene.token(OTHER)
    assert scene.token() == "token-1"
    assert [state.scope for state in scene.cache.states()] == [SCOPE, OTHER]


@pytest.mark.parametrize(
    ("life", "expected"),
    [(HOUR, HOUR - 360), (24 * HOUR, 0.9 * 24 * HOUR), (1_500, 1_200), (400, 200), (4, 5)],
    ids=["a tenth", "a tenth of a day", "five minutes", "half of a short one", "never at once"],
)
def test_the_time_of_renewal(life: float, expected: float) -> None:
    assert renewal_time(1_000.0, 1_000.0 + life) == 1_000.0 + expected


def test_a_failed_renewal_is_tried_again_ever_later_but_several_times_before_the_end() -> None:
    assert [pause_after(n, 1e6) for n in (1, 2, 3, 9, 60)] == [10, 20, 40, 300, 300]
    assert pause_after(5, 60) == 30
    assert pause_after(5, 2) == 5
    assert pause_after(9, -1) == 300


def test_through_a_day_of_expiries_nobody_who_asks_waits_for_the_identity_service(scene: Scene) -> None:
    scene.token()
    for _ in range(24 * 60):
        scene.clock.advance(60)
        before = len(scene.credential.asked)
        scene.cache.renew_due()
        renewed = len(scene.credential.asked)
        scene.token()
        assert len(scene.credential.asked) == renewed, "the asker fetched"
        assert renewed - before <= 1
    assert 24 <= len(scene.credential.asked) <= 28


def test_the_thread_renews_when_it_is_due_and_says_how_long_it_waits(scene: Scene) -> None:
    scene.token()
    assert scene.waits.came.acquire(timeout=PATIENT)
    scene.clock.advance(HOUR - 360)
    scene.waits.go()
    assert scene.waits.came.acquire(timeout=PATIENT)

    assert scene.token() == "token-2"
    assert scene.waits.asked == [None, HOUR - 360]


def test_while_renewals_fail_the_old_token_is_given_and_the_state_says_so(scene: Scene) -> None:
    scene.token()
    scene.credential.error = ServiceRequestError("away")
    scene.clock.advance(HOUR - 360)
    assert scene.cache.renew_due() == 10
    scene.clock.advance(10)
    assert scene.cache.renew_due() == 20

    assert scene.token() == "token-1"
    [state] = scene.cache.states()
    assert (state.failures, state.error, state.error_at) == (2, "TOKEN_UNAVAILABLE", scene.clock.now())
    assert state.expires_at == EPOCH + timedelta(hours=1)

    scene.credential.error = None
    scene.clock.advance(20)
    scene.cache.renew_due()
    [state] = scene.cache.states()
    assert (scene.token(), state.failures, state.error) == ("token-4", 0, None)


def test_after_its_end_the_asker_is_told_why_there_is_none(scene: Scene) -> None:
    scene.token()
    scene.clock.advance(HOUR + 1)
    scene.credential.error = ClientAuthenticationError("who?")
    with pytest.raises(ClientAuthenticationError):
        scene.token()
    assert scene.cache.states()[0].error == "TOKEN_REFUSED"

    scene.credential.error = None
    assert scene.token() == "token-3"


def test_a_bug_in_a_credential_does_not_end_the_thread(scene: Scene) -> None:
    scene.token()
    scene.credential.error = ValueError("hunter2")
    scene.clock.advance(HOUR - 360)
    assert scene.cache.renew_due() == 10
    assert scene.cache.states()[0].error == "TOKEN_UNAVAILABLE"
    assert scene.token() == "token-1"


def test_many_who_ask_at_once_ask_the_identity_service_once(scene: Scene) -> None:
    scene.credential.open.clear()
    with ThreadPoolExecutor(8) as pool:
        asked = [pool.submit(scene.token) for _ in range(8)]
        assert scene.credential.entered.acquire(timeout=PATIENT)
        scene.credential.open.set()
        assert {future.result(PATIENT) for future in asked} == {"token-1"}


def test_a_slow_renewal_holds_nobody(scene: Scene) -> None:
    scene.token()
    assert scene.credential.entered.acquire(timeout=PATIENT)
    scene.clock.advance(HOUR - 360)
    scene.credential.open.clear()
    with ThreadPoolExecutor(1) as pool:
        renewal = pool.submit(scene.cache.renew_due)
        assert scene.credential.entered.acquire(timeout=PATIENT)
        assert scene.token() == "token-1"
        scene.credential.open.set()
        renewal.result(PATIENT)
    assert scene.token() == "token-2"


def test_a_services_demand_goes_past_the_cache(scene: Scene) -> None:
    scene.token()
    assert scene.cache.get_token(SCOPE, claims="more").token == "token-2"
    assert scene.credential.wishes == [{}, {"claims": "more"}]
    assert scene.token() == "token-2"


def test_listeners_hear_of_a_new_token_and_not_of_the_first(scene: Scene) -> None:
    heard: list[str] = []
    scene.cache.on_renewal(SCOPE, lambda: heard.append(scene.token()))
    scene.token()
    scene.token(OTHER)
    scene.cache.renew_due()
    assert heard == []

    scene.clock.advance(HOUR - 360)
    scene.cache.renew_due()
    assert heard == ["token-3"]
    scene.cache.renew_due()
    assert heard == ["token-3"]


def test_a_token_that_its_asker_had_to_fetch_is_told_of_by_the_thread(scene: Scene) -> None:
    heard: list[str] = []
    scene.cache.on_renewal(SCOPE, lambda: heard.append(threading.current_thread().name))
    scene.token()
    scene.clock.advance(HOUR + 1)
    scene.token()
    assert heard == []
    assert scene.waits.came.acquire(timeout=PATIENT)
    scene.waits.go()
    assert scene.waits.came.acquire(timeout=PATIENT)
    assert heard == ["tokens"]


def failing_first(heard: list[str]) -> Callable[[], None]:
    def listen() -> None:
        heard.append("asked")
        if len(heard) == 1:
            raise StoreUnavailable("away")

    return listen


def test_a_listener_that_cannot_is_asked_again_without_another_token(scene: Scene) -> None:
    heard: list[str] = []
    scene.cache.on_renewal(SCOPE, failing_first(heard))
    scene.token()
    scene.clock.advance(HOUR - 360)
    assert scene.cache.renew_due() == 10
    assert scene.cache.states()[0].error == "STORE_UNAVAILABLE"
    scene.clock.advance(10)
    scene.cache.renew_due()

    assert heard == ["asked", "asked"]
    assert len(scene.credential.asked) == 2
    assert scene.cache.states()[0].error is None


def test_refreshing_asks_a_new_credential_and_tells_every_listener(scene: Scene) -> None:
    heard: list[str] = []
    scene.cache.on_renewal("of nobody", lambda: heard.append("told"))
    scene.token()
    scene.token(OTHER)
    scene.cache.refresh()

    assert (scene.made, heard) == (2, ["told"])
    assert {scene.token(), scene.token(OTHER)} == {"token-3", "token-4"}


@pytest.mark.parametrize(
    ("raised", "expected"),
    [(ClientAuthenticationError("no"), TokenRefused), (ServiceRequestError("away"), TokenUnavailable)],
)
def test_a_refresh_that_fails_says_so_keeps_what_there_is_and_is_tried_again(
    scene: Scene, raised: Exception, expected: type[TokenUnavailable]
) -> None:
    heard: list[str] = []
    scene.cache.on_renewal(SCOPE, lambda: heard.append("told"))
    scene.token()
    scene.credential.error = raised
    with pytest.raises(expected):
        scene.cache.refresh()
    assert (scene.token(), heard) == ("token-1", [])

    scene.credential.error = None
    scene.clock.advance(10)
    scene.cache.renew_due()
    assert (scene.token(), heard) == ("token-3", ["told"])


def test_a_token_that_comes_again_as_it_was_is_no_news_and_no_hot_loop(scene: Scene) -> None:
    """As a managed identity's own cache gives it until it is nearly over."""
    heard: list[str] = []
    scene.cache.on_renewal(SCOPE, lambda: heard.append("told"))
    scene.token()
    same = scene.cache.get_token(SCOPE)
    scene.credential.get_token = lambda *_, **__: same  # type: ignore[method-assign]
    waited = 0
    while scene.clock.now().timestamp() < same.expires_on - 5:
        left = scene.cache.renew_due()
        assert left is not None
        scene.clock.advance(max(left, 1.0))
        waited += 1
    assert heard == []
    assert waited < 12


def test_no_token_is_in_a_text(scene: Scene) -> None:
    scene.token()
    assert "token-1" not in repr(scene.cache.states()) + repr(scene.cache) + repr(list(scene.cache._held.values()))
