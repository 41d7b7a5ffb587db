"""Proxies before a store, a bus or blobs, of any methods: a call is a step of an actor, and somebody hears of it.

The methods are made when they are first called, once for all worlds of a process: a world makes no closures.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple

from core.errors import TransientError

if TYPE_CHECKING:
    from testing.simulation.actors import Actor


class Crash(BaseException):
    """The process of an actor ends here: nothing catches it but the actor."""


class PortCall(NamedTuple):
    """A call that is a step. ``failure`` is how it fails, ``None`` where it cannot."""

    name: str
    method: Callable[..., Any]
    failure: type[TransientError] | None


class Observed:
    """Tells ``witness`` what each call came to: by the method that ``hooks`` names, with the result before the call's
    own arguments."""

    hooks: ClassVar[Mapping[str, str]]

    def __init__(self, inner: object, witness: object) -> None:
        self._inner = inner
        self._witness = witness

    def __getattr__(self, name: str) -> Any:
        if name in self.hooks:
            setattr(type(self), name, _observed(name, self.hooks[name]))
            return getattr(self, name)
        found = self.__dict__[name] = getattr(self._inner, name)
        return found


def _observed(name: str, hook: str) -> Callable[..., Any]:
    def call(self: Any, *arguments: Any, **named: Any) -> Any:
        result = getattr(self._inner, name)(*arguments, **named)
        getattr(self._witness, hook)(result, *arguments, **named)
        return result

    return call


class _Port:
    """Stands in front of a port's implementation: each call of any method is a step of an actor."""

    def __init__(self, inner: object, actor: Actor, failure: type[TransientError]) -> None:
        self._inner = inner
        self._actor = actor
        self._failure = failure
        self._script: Iterator[int] = actor.script

    def __getattr__(self, name: str) -> Any:
        setattr(type(self), name, self._step(name))
        return getattr(self, name)

    def close(self) -> None:
        """Its process is dead: whoever still calls it, a ``finally`` for one, does nothing."""
        self.__class__ = _ClosedPort

    @staticmethod
    def _step(name: str) -> Callable[..., Any]:
        raise NotImplementedError


class Port(_Port):
    @staticmethod
    def _step(name: str) -> Callable[..., Any]:
        def step(self: Any, *arguments: Any, **named: Any) -> Any:
            action = next(self._script, 0)
            method = getattr(self._inner, name)
            if action:
                return self._actor.meet(action, PortCall(name, method, self._failure), arguments, named)
            return method(*arguments, **named)

        return step


class RecordedPort(_Port):
    """Leaves word with the world's recorder, which may know better what is to happen."""

    @staticmethod
    def _step(name: str) -> Callable[..., Any]:
        def step(self: Any, *arguments: Any, **named: Any) -> Any:
            action = self._actor.recorded(name, arguments, next(self._script, 0))
            return self._actor.meet(action, PortCall(name, getattr(self._inner, name), self._failure), arguments, named)

        return step


class _ClosedPort(_Port):
    def __getattr__(self, name: str) -> Any:
        raise Crash
