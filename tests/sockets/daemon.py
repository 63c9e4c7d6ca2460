"""A daemon that establishes units between applications on its own socket, without a network."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

import trio

from qstack.base.bell import Basis
from qstack.base.errors import ErrorCode
from qstack.base.ids import Qna
from qstack.base.time import DomainTime
from qstack.io.frames import Connection, serve_control
from qstack.wire.control import (
    Accepted,
    ClaimEndpoint,
    CloseUnit,
    Delivered,
    Failed,
    MeasurePairs,
    OpenUnit,
    PairDelivered,
    PairOutcome,
    PairsMeasured,
    Refused,
    ReleasePairs,
    UnitStarted,
)  # fmt: skip
from qstack.wire.protocols import Protocol
from qstack.wire.unit import UnitKind
from qstack.wire.urn import parse_unit
from qstack.wire.value import Message, decode_message_untrusted

NODE = Qna((64512 << 32) | 1)
KEY = bytes(range(32))
HERE, THERE = "urn:qkd:a:here?=nonce=1", "urn:qkd:b:there?=nonce=2"
SERVED = "urn:qkd:b:there"
LIFECYCLE = "urn:qkd:lifecycle?=size=256"
PAIRS = "urn:qkd:lifecycle?=size=4"
FORBIDDEN = "urn:qkd:forbidden"


@dataclass
class FakeNode:
    """Its behaviour is in its attributes: `deliver` says whether key units succeed; `lost` pairs cannot be measured."""

    deliver: bool = True
    lost: set[int] = field(default_factory=set)
    answering: bool = True
    received: list[Message] = field(default_factory=list)
    arrived: trio.Event = field(default_factory=trio.Event)
    handles: int = 0
    claims: dict[str, Connection] = field(default_factory=dict)
    ends: dict[int, tuple[Connection, int]] = field(default_factory=dict)  # of one handle: the other end
    owners: dict[int, Connection] = field(default_factory=dict)
    bits: dict[tuple[int, int], int] = field(default_factory=dict)

    async def serve(self, connection: Connection) -> None:
        try:
            await self._read(connection)
        finally:  # an application that goes away closes its units
            for handle in [handle for handle, owner in self.owners.items() if owner is connection]:
                with trio.CancelScope(shield=True):
                    await self._close(handle)

    async def _read(self, connection: Connection) -> None:
        while (frame := await connection.receive_frame()) is not None:
            message = decode_message_untrusted(Protocol.CONTROL, frame)
            self.received.append(message)
            self.arrived.set()
            self.arrived = trio.Event()
            if self.answering:
                await self._answer(connection, message)

    async def _answer(self, connection: Connection, message: Message) -> None:
        match message:
            case ClaimEndpoint():
                await self._claim(connection, message)
            case OpenUnit():
                await self._open(connection, message)
            case MeasurePairs():
                await self._measure(connection, message)
            case CloseUnit():
                await self._close(message.unit)
            case ReleasePairs():
                pass

    async def _close(self, unit: int) -> None:
        other, handle = self.ends.pop(unit, (None, 0))
        if other is not None:
            self.ends.pop(handle, None)
            with suppress(trio.BrokenResourceError, trio.ClosedResourceError):
                await tell(other, Failed(unit=handle, reason=ErrorCode.CANCELLED, text="closed by the other end"))

    async def _claim(self, connection: Connection, message: ClaimEndpoint) -> None:
        if message.urn.startswith(FORBIDDEN):
            text = "user id 7 may not speak for it: add an [[endpoint]]"
            await tell(connection, Refused(request=message.request, reason=ErrorCode.POLICY, text=text))
            return
        self.claims[message.urn] = connection
        await tell(connection, Accepted(request=message.request, node=NODE))

    async def _open(self, connection: Connection, message: OpenUnit) -> None:
        endpoints = parse_unit(message.urn).endpoints
        served = [claim for urn in endpoints for name in (urn.canonical_with_q, urn.canonical)
                  if (claim := self.claims.get(name))]  # fmt: skip
        if any(FORBIDDEN in urn for urn in message.urn):
            refusal = Refused(request=message.request, reason=ErrorCode.NO_ROUTE, text="no announced prefix covers it")
            await tell(connection, refusal)
            return
        ours, theirs = self._pair_of_handles()
        started = UnitStarted(request=message.request, unit=ours, kind=message.kind, remote=NODE, urn=message.urn)
        await tell(connection, started)
        if not served:
            await tell(connection, Failed(unit=ours, reason=ErrorCode.NO_ENDPOINT, refused_by=NODE, text="refused"))
            return
        self.ends |= {ours: (served[0], theirs), theirs: (connection, ours)}
        self.owners |= {ours: connection, theirs: served[0]}
        await tell(served[0], started.replace(request=0, unit=theirs))
        for end, handle in ((connection, ours), (served[0], theirs)):
            await self._fulfil(end, handle, message)

    def _pair_of_handles(self) -> tuple[int, int]:
        self.handles += 2
        return self.handles - 1, self.handles

    async def _fulfil(self, end: Connection, handle: int, message: OpenUnit) -> None:
        if message.kind == UnitKind.KEY and self.deliver:
            await tell(end, Delivered(unit=handle, confirmed=1, secret=1, quality_pairs=400, quality_fidelity=65535,
                                      tests=50, errors=0, key=KEY))  # fmt: skip
        elif message.kind == UnitKind.PAIRS:
            for number in range(parse_unit(message.urn).lifecycle.size or 1):
                await tell(end, PairDelivered(unit=handle, pair=number, qubit=number + 10, bell_index=number & 3,
                                              fidelity=65535, as_of=DomainTime(5)))  # fmt: skip

    async def _measure(self, connection: Connection, message: MeasurePairs) -> None:
        outcomes = tuple(
            PairOutcome(pair=item.pair, outcome=self._outcome(message.unit, item.pair, Basis(item.basis)))
            for item in message.pairs if item.pair not in self.lost
        )  # fmt: skip
        await tell(connection, PairsMeasured(request=message.request, outcomes=outcomes))

    def _outcome(self, handle: int, pair: int, basis: Basis) -> int:
        """The second end to measure gets what its Bell state demands of it."""
        unit = (handle + 1) // 2
        first = self.bits.get((unit, pair))
        if first is None:
            self.bits[unit, pair] = pair & 1
            return pair & 1
        x_part, z_part = pair >> 1 & 1, pair & 1
        return first ^ {Basis.Z: x_part, Basis.X: z_part, Basis.Y: 1 ^ x_part ^ z_part}[basis]


async def tell(connection: Connection, message: Message) -> None:
    await connection.send_frame(message.encode())


@asynccontextmanager
async def serving(path: Path, node: FakeNode) -> AsyncIterator[None]:
    async with trio.open_nursery() as nursery:
        await nursery.start(serve_control, path, 0o600, node.serve)
        yield
        nursery.cancel_scope.cancel()
