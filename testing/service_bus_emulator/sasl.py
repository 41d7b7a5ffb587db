"""The SASL layer: PLAIN with a key of the namespace, or nothing yet, and a token over ``$cbs`` later."""

from __future__ import annotations

from collections.abc import Mapping

from testing.service_bus_emulator.amqp.errors import ILLEGAL_STATE, ConnectionLost
from testing.service_bus_emulator.amqp.frames import SASL_HEADER, SASL_TYPE, Frame, write_frame
from testing.service_bus_emulator.amqp.performatives import SaslInit, SaslMechanisms, SaslOutcome, read, write
from testing.service_bus_emulator.amqp.types import Array, Symbol
from testing.service_bus_emulator.cbs import AccessKey, Right, check_plain

MECHANISMS = ("MSSBCBS", "PLAIN", "ANONYMOUS")
_OK, _AUTH = 0, 1


class SaslLayer:
    """``rights`` are what the connection may do without a token, None until the outcome is good."""

    def __init__(self, keys: Mapping[str, AccessKey]) -> None:
        self._keys = keys
        self.is_wanted = False
        self.rights: frozenset[Right] | None = None

    def on_header(self, header: bytes) -> bytes:
        """Our header, which is all that a peer gets that does not begin with SASL."""
        self.is_wanted = header == SASL_HEADER
        mechanisms = SaslMechanisms(Array(tuple(map(Symbol, MECHANISMS))))
        return SASL_HEADER + (write_frame(0, write(mechanisms), SASL_TYPE) if self.is_wanted else b"")

    def on_frame(self, frame: Frame) -> bytes:
        """The outcome. Raises :class:`ConnectionLost` or :class:`DecodeError`."""
        init = read(frame.body)[0] if frame.kind == SASL_TYPE else None
        if not isinstance(init, SaslInit):
            raise ConnectionLost(ILLEGAL_STATE, "SASL begins with sasl-init")
        if init.mechanism == "PLAIN":
            self.rights = check_plain(init.initial_response or b"", self._keys)
        elif init.mechanism in MECHANISMS:
            self.rights = frozenset()
        return write_frame(0, write(SaslOutcome(_AUTH if self.rights is None else _OK)), SASL_TYPE)
