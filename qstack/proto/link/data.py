"""Data between the two ends of a link: messages of applications, in blocks, in order and whole (DATA-3).

A block goes in qubits when pairs are in stock, and as an encrypted message when not, or when the qubits did not bring
it; which way it went changes nothing for whoever reads. Blocks of a direction are numbered; the receiver hands them on
in order and says up to where, and a sender is so many ahead of it at most.
"""

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import NamedTuple
from typing import Protocol as Interface

from qstack.base.errors import ErrorCode, PeerViolation
from qstack.base.ids import PurposeId
from qstack.base.services import DataArrived, DataFailed, DataSent, SendData
from qstack.proto.link.params import LinkConfiguration
from qstack.proto.link.surroundings import Surroundings
from qstack.wire.link import MAXIMUM_DATA, DataAck, DataBlock, DataRefuse
from qstack.wire.value import Message

__all__ = ["MAXIMUM_MESSAGE", "Block", "DataLine", "QubitLine"]

MAXIMUM_MESSAGE = 65_535  # DATA-6
_AHEAD = 32  # DATA-6: blocks that the receiver has not acknowledged
_WAITING = 1_024  # DATA-6: messages that wait to be sent


class Block(NamedTuple):
    """A piece of a message."""

    number: int
    purpose: PurposeId
    last: bool
    data: bytes


class QubitLine(Interface):
    """What carries blocks in qubits."""

    @property
    def is_busy(self) -> bool:
        """Whether it is about to take a block."""

    def prepare(self) -> bool:
        """Get pairs for a block, if they are in stock. It asks for the block when it has them."""

    def restart(self) -> None:
        """The epoch with the other end is over."""


@dataclass(slots=True, eq=False)
class _Outgoing:
    """A message. `sent`: octets that are in blocks; `last`: its last block; `counts`: octets that count, by block;
    `dense`: of these, what came in qubits."""

    purpose: PurposeId
    number: int
    octets: bytes
    head: int
    sent: int = 0
    last: int | None = None
    counts: dict[int, int] = field(default_factory=dict)
    dense: int = 0


@dataclass(slots=True)
class _Incoming:
    """What has come of a purpose's present message."""

    pieces: list[bytes] = field(default_factory=list)
    size: int = 0


class DataLine:
    """Both directions of one link. `qubits` is set by whoever makes both."""

    qubits: QubitLine

    def __init__(
        self, configuration: LinkConfiguration, around: Surroundings, send: Callable[[Message], None]
    ) -> None:
        self.configuration = configuration
        self._around = around
        self._send = send
        self._listening: set[PurposeId] = set()
        self._messages: deque[_Outgoing] = deque()  # not yet acknowledged, the oldest first
        self._next = 0  # number of the next block
        self._acknowledged = 0
        self._arrived: dict[int, Block] = {}
        self._expected = 0
        self._told = 0  # what the other end knows of `_expected`
        self._incoming: dict[PurposeId, _Incoming] = {}
        self._skipping: set[PurposeId] = set()  # whose present message nobody wanted from its beginning

    # --- the application's side --------------------------------------------------------------------------------------

    def listen(self, purpose: PurposeId) -> None:
        """Data for a purpose is welcome."""
        self._listening.add(purpose)

    def unlisten(self, purpose: PurposeId) -> None:
        """It is not any more."""
        self._listening.discard(purpose)
        if self._incoming.pop(purpose, None) is not None:
            self._skipping.add(purpose)

    def send(self, asked: SendData) -> ErrorCode | None:
        """Take a message; the reason when that cannot be."""
        if len(asked.octets) > MAXIMUM_MESSAGE:
            return ErrorCode.TOO_BIG
        if len(self._messages) >= _WAITING:
            return ErrorCode.NO_RESOURCES
        self._messages.append(_Outgoing(asked.purpose, asked.number, asked.octets, asked.head))
        self.pump()
        return None

    # --- blocks out --------------------------------------------------------------------------------------------------

    def pump(self) -> None:
        """Send what may be sent: in qubits if there are pairs, at once as messages if not."""
        while not self.qubits.is_busy and self._may_send():
            if self.qubits.prepare():
                return
            block = self.take(MAXIMUM_DATA)
            assert block is not None
            self.send_plain(block)

    def take(self, most: int) -> Block | None:
        """The next block, of up to `most` octets of data."""
        if not self._may_send():
            return None
        message = next(each for each in self._messages if each.last is None)
        piece = message.octets[message.sent : message.sent + most]
        number, self._next = self._next, self._next + 1 & 0xFFFF_FFFF
        message.counts[number] = max(0, len(piece) - max(0, message.head - message.sent))
        message.sent += len(piece)
        if message.sent >= len(message.octets):
            message.last = number
        return Block(number, message.purpose, message.last is not None, piece)

    def send_plain(self, block: Block) -> None:
        """Send a block as a message."""
        self._around.count("data_plain_octets", len(block.data))
        self._send(DataBlock(
            link=self.configuration.link, block=block.number, purpose=block.purpose, last=int(block.last),
            data=block.data,
        ))  # fmt: skip

    def came_dense(self, block: Block) -> None:
        """A block of this end's has come in qubits."""
        self._around.count("data_dense_octets", len(block.data))
        for message in self._messages:
            message.dense += message.counts.get(block.number, 0)

    def acknowledged(self, ack: DataAck) -> None:
        """The other end has handed on what is before. Raises `PeerViolation` for what was never sent."""
        if _distance(self._acknowledged, ack.block) > _distance(self._acknowledged, self._next):
            raise PeerViolation("a DataAck of blocks that were never sent")
        self._acknowledged = ack.block
        while self._messages and self._is_over(self._messages[0]):
            done = self._messages.popleft()
            plain = max(0, len(done.octets) - done.head) - done.dense
            self._around.emit(DataSent(self.configuration.neighbour, done.purpose, done.number, done.dense, plain))
        self.pump()

    def refused(self, refuse: DataRefuse) -> None:
        """Nobody there wanted the oldest message of a purpose: it has failed; its blocks still count."""
        reason = ErrorCode(refuse.reason) if refuse.reason in set(ErrorCode) else ErrorCode.UNSPECIFIED
        failed = next((m for m in self._messages if m.purpose == refuse.purpose and m.last is not None), None)
        if failed is not None:
            self._messages.remove(failed)
            self._tell_failed([failed], reason)

    # --- blocks in ---------------------------------------------------------------------------------------------------

    def receive(self, block: Block) -> None:
        """A block, whichever way it came. Raises `PeerViolation` when it is too far ahead."""
        ahead = _distance(self._expected, block.number)
        if ahead >= 1 << 31:
            self._around.count("data_twice")
            return
        if ahead >= _AHEAD:
            raise PeerViolation("a block of data too far ahead")
        self._arrived[block.number] = block
        while (found := self._arrived.pop(self._expected, None)) is not None:
            self._expected = self._expected + 1 & 0xFFFF_FFFF
            self._hand_on(found)

    def wants(self, number: int) -> bool:
        """Whether a block has not come yet, and is not too far ahead."""
        return _distance(self._expected, number) < _AHEAD and number not in self._arrived

    def finish_turn(self) -> None:
        """Tell the other end how far its blocks have got."""
        if self._told != self._expected:
            self._told = self._expected
            self._send(DataAck(link=self.configuration.link, block=self._expected))

    def restart(self) -> None:
        """The epoch with the other end is over: numbers begin anew, what was not acknowledged has failed."""
        self.qubits.restart()
        failed, self._messages = list(self._messages), deque()
        self._next = self._acknowledged = self._expected = self._told = 0
        self._arrived.clear()
        self._incoming.clear()
        self._skipping.clear()
        self._tell_failed(failed, ErrorCode.SESSION_LOST)

    def _hand_on(self, block: Block) -> None:
        if block.purpose not in self._listening or block.purpose in self._skipping:
            self._skipping.add(block.purpose)
            if block.last:
                self._skipping.discard(block.purpose)
                self._send(DataRefuse(link=self.configuration.link, purpose=block.purpose,
                                      reason=ErrorCode.NO_ENDPOINT))  # fmt: skip
            return
        incoming = self._incoming.setdefault(block.purpose, _Incoming())
        incoming.pieces.append(block.data)
        incoming.size += len(block.data)
        if incoming.size > MAXIMUM_MESSAGE:
            self._incoming.pop(block.purpose)
            self._around.count("data_too_big")
            if not block.last:
                self._skipping.add(block.purpose)
        elif block.last:
            del self._incoming[block.purpose]
            octets = b"".join(incoming.pieces)
            self._around.emit(DataArrived(self.configuration.neighbour, block.purpose, octets))

    def _may_send(self) -> bool:
        ahead = _distance(self._acknowledged, self._next)
        return ahead < _AHEAD and any(message.last is None for message in self._messages)

    def _is_over(self, message: _Outgoing) -> bool:
        """Whether its last block is acknowledged."""
        if message.last is None:
            return False
        return _distance(message.last, self._acknowledged) - 1 < _AHEAD and message.last != self._acknowledged

    def _tell_failed(self, failed: list[_Outgoing], reason: ErrorCode) -> None:
        for message in failed:
            self._around.emit(DataFailed(self.configuration.neighbour, message.purpose, message.number, reason))


def _distance(first: int, second: int) -> int:
    """From one number to another, modulo 2^32."""
    return second - first & 0xFFFF_FFFF
