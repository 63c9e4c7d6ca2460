"""An application for tests: speaks the control table itself, message by message, and never waits without a bound."""

from __future__ import annotations

import socket
from collections.abc import Callable
from pathlib import Path
from typing import Any, Self, TypeVar

from qstack.base.bell import Basis
from qstack.base.errors import ErrorCode
from qstack.io.framing import encode_frame
from qstack.wire.control import (
    Accepted,
    ClaimEndpoint,
    CloseUnit,
    Delivered,
    Failed,
    MeasurePairs,
    OpenUnit,
    PairBasis,
    PairDelivered,
    PairsMeasured,
    Refused,
    UnitStarted,
)
from qstack.wire.protocols import Protocol
from qstack.wire.unit import UnitKind
from qstack.wire.value import Message, decode_message_untrusted

__all__ = ["Application", "Gone", "TestUnit", "Told"]

TIMEOUT_S = 30.0
M = TypeVar("M", bound=Message)


class Told(Exception):
    """What the daemon refused, or said that it failed."""

    def __init__(self, said: Refused | Failed) -> None:
        super().__init__(f"{ErrorCode(said.reason).name}: {said.text}")
        self.reason = ErrorCode(said.reason)
        self.text = said.text


class Gone(Exception):
    """The daemon closed the connection."""


class Application:
    """One connection. Messages of the daemon that nobody has asked for yet are kept."""

    def __init__(self, path: Path, timeout_s: float = TIMEOUT_S) -> None:
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(timeout_s)
        self.sock.connect(str(path))
        self._octets = b""
        self._kept: list[Message] = []
        self._requests = 0

    def claim(self, urn: str) -> None:
        """Serve an endpoint."""
        number = self._number()
        self.say(ClaimEndpoint(request=number, urn=urn))
        self.answer(number, Accepted)

    def open_unit(self, urns: list[str], kind: str = "KEY", timeout_s: float = TIMEOUT_S) -> TestUnit:
        """Ask for a unit; returns when the daemon has taken it up."""
        number = self._number()
        self.say(OpenUnit(request=number, kind=UnitKind[kind], timeout_ms=round(timeout_s * 1000), urn=tuple(urns)))
        return TestUnit(self, self.answer(number, UnitStarted))

    def next_unit(self) -> TestUnit:
        """The next unit that somebody opens towards what is served here."""
        return TestUnit(self, self.take(UnitStarted, lambda started: started.request == 0))

    def answer(self, number: int, kind: type[M]) -> M:
        """The answer to a request. Raises `Told`."""
        found: Any = self.take((kind, Refused), lambda answer: answer.request == number)
        if isinstance(found, Refused):
            raise Told(found)
        return found  # type: ignore[no-any-return]

    def take(self, kind: Any, fits: Callable[[Any], bool]) -> Any:
        """The next message of a kind that fits, be it kept or yet to come."""
        while True:
            for message in self._kept:
                if isinstance(message, kind) and fits(message):
                    self._kept.remove(message)
                    return message
            self._kept.append(self._next())

    def say(self, message: Message) -> None:
        """Send a message."""
        self.sock.sendall(encode_frame(message.encode()))

    def close(self) -> None:
        """Go away."""
        self.sock.close()

    def _number(self) -> int:
        self._requests += 1
        return self._requests

    def _next(self) -> Message:
        while True:
            length = int.from_bytes(self._octets[:2], "big")
            if len(self._octets) >= 2 + length > 2:
                frame, self._octets = self._octets[2 : 2 + length], self._octets[2 + length :]
                return decode_message_untrusted(Protocol.CONTROL, frame)
            octets = self.sock.recv(65_536)
            if not octets:
                raise Gone
            self._octets += octets

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


class TestUnit:
    """A unit of an application."""

    __test__ = False

    def __init__(self, application: Application, started: UnitStarted) -> None:
        self.application = application
        self.started = started

    def key(self) -> Delivered:
        """The key. Raises `Told` when the unit fails."""
        return self._take(Delivered)

    def pairs(self, number: int) -> list[PairDelivered]:
        """The next pairs. Raises `Told`."""
        return [self._take(PairDelivered) for _ in range(number)]

    def measure(self, pairs: list[PairDelivered], basis: Basis) -> dict[int, int]:
        """Outcomes by the pairs' numbers."""
        number = self.application._number()
        asked = tuple(PairBasis(pair=each.pair, basis=basis) for each in pairs)
        self.application.say(MeasurePairs(request=number, unit=self.started.unit, pairs=asked))
        return {each.pair: each.outcome for each in self.application.answer(number, PairsMeasured).outcomes}

    def failure(self) -> Failed:
        """That it failed, and why."""
        return self.application.take(Failed, self._mine)  # type: ignore[no-any-return]

    def close(self) -> None:
        """Say that it is consumed."""
        self.application.say(CloseUnit(unit=self.started.unit))

    def _take(self, kind: type[M]) -> M:
        found = self.application.take((kind, Failed), self._mine)
        if isinstance(found, Failed):
            raise Told(found)
        return found  # type: ignore[no-any-return]

    def _mine(self, message: Any) -> bool:
        return bool(message.unit == self.started.unit)
