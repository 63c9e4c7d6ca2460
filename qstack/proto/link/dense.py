"""Blocks in qubits: superdense coding over the link with pairs in stock (6GQ 3.2.1; DATA-4).

The sender has pairs handed out to it from stock, turns its half of each by two bits of the block, and lets it fly to
the receiver, who measures it together with the half that it has had in memory all the time. That works as long as both
mean the same pairs, in the same order, and cycles that nobody else uses: the sender names the request that the pairs
were handed to, and the master a slot. Whatever goes wrong, the block is sent again as a message.

Laws
----
1. One block at a time is on its way in qubits in each direction.
2. Every pair that was claimed is used up or emptied, by whichever end holds its half: `timeout_ns` ends every wait.
3. What was received counts only if its digest does, which came under the seal.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

from qstack.base.bell import Gate
from qstack.base.errors import PeerViolation
from qstack.base.ids import Cycle, Label, QubitId
from qstack.base.units import MICROSECOND_NS, MINUTE_NS
from qstack.machine.reed_solomon import MAXIMUM_WORD
from qstack.proto.link.data import Block, DataLine
from qstack.proto.link.densecode import (
    DIGEST_OCTETS,
    QUBITS_PER_OCTET,
    LineQuality,
    digest_of,
    read_word,
    symbols_of,
)
from qstack.proto.link.params import LinkConfiguration
from qstack.proto.link.surroundings import Surroundings
from qstack.proto.link.telling import Half
from qstack.proto.link.window import Windows
from qstack.quantum.formulas import fidelity
from qstack.wire.link import DenseBlock, DenseDone, DenseReady
from qstack.wire.twin import (
    ApplyGates,
    Couple,
    GateItem,
    Receive,
    Received,
    Refused,
    Status,
    Swap,
    Swapped,
    Transmit,
    Transmitted,
)
from qstack.wire.value import Message

__all__ = ["DenseAudience", "DenseCoder"]

_LEAST_OCTETS = 2  # fewer are not worth their messages
_MARGIN_NS = 200 * MICROSECOND_NS  # from telling the device to the first flight
_NOBODY = Label(0)
_UNCHOSEN = Cycle(0)  # the master has the choice


@dataclass(slots=True)
class _Sending:
    """The block on its way out. `block` None: its pairs are being claimed."""

    create_id: int
    octets: int
    halves: list[Half] = field(default_factory=list)
    block: Block | None = None
    parity: int = 0
    first_cycle: Cycle = _UNCHOSEN
    is_away: bool = False


@dataclass(slots=True)
class _Receiving:
    """The block on its way in. `couples`: place of a qubit in the word, the memories of both halves."""

    told: DenseBlock
    halves: list[Half]
    arrivals: tuple[QubitId, ...]
    couples: list[int] = field(default_factory=list)


class DenseAudience:
    """Whom pairs for data are told to: a request of this end, or of the other."""

    def __init__(self, coder: "DenseCoder", create_id: int, mine: bool) -> None:
        self._coder, self._create_id, self._mine = coder, create_id, mine

    def accepted(self) -> None:
        """Goes without saying."""

    def pair(self, half: Half) -> None:
        """One pair more."""
        (self._coder.claimed if self._mine else self._coder.given)(self._create_id, half)

    def failed(self, reason: object, missing: int) -> None:
        """There are none."""
        self._void()

    def revoked(self, sequences: Iterable[int]) -> None:
        """Some are void, and with them the block."""
        self._void()

    def done(self) -> None:
        """All were told."""

    def _void(self) -> None:
        (self._coder.not_claimed if self._mine else self._coder.taken_back)(self._create_id)


class DenseCoder:
    """Of one end of one link. `claim(number)` asks for pairs in stock and gives the request's number, or None;
    `take_slot` (of the master) gives a slot that nobody uses."""

    def __init__(
        self, configuration: LinkConfiguration, around: Surroundings, windows: Windows, line: DataLine, *,
        stocked: Callable[[], int], claim: Callable[[int], int | None], take_slot: Callable[[], Cycle],
        send: Callable[[Message], None],
    ) -> None:  # fmt: skip
        self.configuration = configuration
        self.is_master = around.own < configuration.neighbour
        self.quality = LineQuality()
        self._around = around
        self._windows = windows
        self._pool = windows.pool
        self._line = line
        self._stocked = stocked
        self._claim = claim
        self._take_slot = take_slot
        self._send = send
        self._sending: _Sending | None = None
        self._receiving: _Receiving | None = None
        self._theirs: dict[int, list[Half]] = {}  # halves of the other end's requests, until its block is told
        self._nonces = 0
        self._rest_until_ns = 0  # before it no pairs are claimed: there were none, though they seemed to be in stock

    # --- sending -----------------------------------------------------------------------------------------------------

    @property
    def is_busy(self) -> bool:
        """Whether pairs are being claimed for the next block."""
        return self._sending is not None and self._sending.block is None

    def prepare(self) -> bool:
        """Claim pairs for a block, if there are enough in stock and none is on its way."""
        # As many memories must be free at the receiver, of which this end's are the best guess.
        qubits = min(self._stocked(), self._pool.room(_NOBODY), self.configuration.slot_cycles)
        octets = min(qubits // QUBITS_PER_OCTET, MAXIMUM_WORD)
        if self._sending is not None or octets < _LEAST_OCTETS or not self._around.has_device:
            return False
        if self._around.now_ns < self._rest_until_ns:
            return False
        if self.quality.parity(octets) is None:  # the line is too bad for now
            self._learn_model(1.0)
            return False
        create_id = self._claim(octets * QUBITS_PER_OCTET)
        if create_id is None:
            return False
        self._sending = _Sending(create_id, octets)
        self._wait("send")
        return True

    def claimed(self, create_id: int, half: Half) -> None:
        """A pair for a block of this end."""
        sending = self._sending
        if sending is None or sending.create_id != create_id or sending.block is not None:
            self._empty([half])
            return
        sending.halves.append(half)
        if len(sending.halves) == sending.octets * QUBITS_PER_OCTET:
            self._announce(sending)

    def not_claimed(self, create_id: int) -> None:
        """There are no pairs, or some are void."""
        if self._sending is not None and self._sending.create_id == create_id:
            self._give_up()

    def _announce(self, sending: _Sending) -> None:
        self._learn_model(min(fidelity(half.correlation, half.bell_index) for half in sending.halves))
        parity = self.quality.parity(sending.octets)
        block = None if parity is None else self._line.take(sending.octets - parity)
        if block is None or parity is None:
            self._give_up()
            return
        sending.block, sending.parity = block, parity
        sending.first_cycle = self._take_slot() if self.is_master else _UNCHOSEN
        nonce = self._nonce(block)
        self._send(DenseBlock(
            link=self.configuration.link, block=block.number, purpose=block.purpose, last=int(block.last),
            create_id=sending.create_id, first_cycle=sending.first_cycle,
            size=len(block.data), parity=parity, nonce=nonce, digest=digest_of(nonce, block.number, block.data),
        ))  # fmt: skip
        self._wait("send")
        self._line.pump()

    def ready(self, told: DenseReady) -> None:
        """The receiver waits, or will not. Raises `PeerViolation` before anything has changed."""
        sending = self._sending
        if sending is None or sending.block is None or sending.block.number != told.block or sending.is_away:
            self._around.count("stray_dense")
            return
        if self.is_master and told.first_cycle != sending.first_cycle:
            raise PeerViolation("a DenseReady for another cycle than the master has chosen")
        self._check_horizon(told.first_cycle)
        start_ns = told.first_cycle * self.configuration.cycle_ns
        if not told.accepted or start_ns < self._around.domain_now() + _MARGIN_NS:
            self._give_up()
            return
        symbols = symbols_of(sending.block.data, sending.parity)
        halves = sorted(sending.halves, key=lambda half: half.sequence)
        used, spare = halves[: len(symbols)], halves[len(symbols) :]
        qubits = tuple(half.qubit for half in used if half.qubit is not None)
        gates = tuple(
            GateItem(qubit=qubit, gate=Gate(symbol)) for qubit, symbol in zip(qubits, symbols, strict=True) if symbol
        )
        if gates:
            self._call(ApplyGates, ("gates", ()), instant=self._around.domain_now(), gates=gates)
        link = self.configuration.link
        self._call(Transmit, ("sent", tuple(used)), link=link, first_cycle=told.first_cycle, qubits=qubits)
        sending.is_away = True
        sending.halves.clear()
        self._empty(spare)
        self._around.count("data_qubits", len(qubits))
        self._wait("send", start_ns + len(qubits) * self.configuration.cycle_ns)

    def done(self, told: DenseDone) -> None:
        """What became of a block."""
        sending = self._sending
        if sending is None or sending.block is None or sending.block.number != told.block:
            self._around.count("stray_dense")
            return
        octets = len(sending.block.data) + sending.parity
        self.quality.note(octets, min(told.lost, octets), told.wrong if told.whole else None)
        if told.whole:
            self._line.came_dense(sending.block)
            self._finish()
        else:
            self._give_up()

    def _give_up(self) -> None:
        """The block, if there is one, goes as a message; its pairs are emptied."""
        sending = self._sending
        assert sending is not None
        self._around.count("dense_failed" if sending.block is not None else "dense_not_begun")
        self._empty(sending.halves)
        if sending.block is not None:
            self._line.send_plain(sending.block)
        else:
            self._rest_until_ns = self._around.now_ns + self._around.parameters.dense_timeout_ns
        self._finish()

    def _finish(self) -> None:
        self._sending = None
        self._around.timers.cancel(("dense", self.configuration.link, 0))
        self._line.pump()

    # --- receiving ---------------------------------------------------------------------------------------------------

    def given(self, create_id: int, half: Half) -> None:
        """A pair that the other end has claimed."""
        self._theirs.setdefault(create_id, []).append(half)
        self._wait("receive")

    def taken_back(self, create_id: int) -> None:
        """Some of them are void, or there are none. A block that was to come with them is none: their memories may
        soon hold something else."""
        self._empty(self._theirs.pop(create_id, []))
        receiving = self._receiving
        if receiving is not None and receiving.told.create_id == create_id:
            self._abandon(receiving)
            self._read(receiving, {})

    def announced(self, told: DenseBlock) -> None:
        """The other end is about to send a block. Raises `PeerViolation` before anything has changed."""
        if not self.is_master:
            self._check_horizon(told.first_cycle)
        halves = sorted(self._theirs.pop(told.create_id, []), key=lambda half: half.sequence)
        needed = (told.size + told.parity) * QUBITS_PER_OCTET
        first = self._take_slot() if self.is_master else told.first_cycle
        end = self._windows.end_of(first, needed)
        is_wanted = self._receiving is None and self._line.wants(told.block) and told.size > 0
        sound = 0 < needed <= min(len(halves), MAXIMUM_WORD * QUBITS_PER_OCTET, self.configuration.slot_cycles)
        in_time = first * self.configuration.cycle_ns >= self._around.domain_now()
        arrivals: tuple[QubitId, ...] = ()
        if is_wanted and sound and in_time and self._pool.room(_NOBODY) >= needed:
            arrivals = self._pool.offer(_NOBODY, needed, end)
        accepted = int(bool(arrivals))
        self._send(DenseReady(link=self.configuration.link, block=told.block, accepted=accepted, first_cycle=first))
        self._empty(halves[needed:] if accepted else halves)
        if accepted:
            self._receiving = _Receiving(told, halves[:needed], arrivals)
            link = self.configuration.link
            self._call(Receive, ("received", told.block), link=link, first_cycle=first, qubits=arrivals)
            self._wait("receive", end)

    def _received(self, receiving: _Receiving, result: Received) -> None:
        """Some qubits are here: measure each with its half."""
        couples = []
        for place, (status, arrival) in enumerate(zip(result.statuses, receiving.arrivals, strict=False)):
            stored = receiving.halves[place].qubit
            if status == Status.OK and stored is not None:
                receiving.couples.append(place)
                couples.append(Couple(first=stored, second=arrival))
            else:
                self._pool.withdraw([arrival])
                self._empty([receiving.halves[place]])
        if couples:
            instant = max(self._around.domain_now(), result.completed_at)
            self._call(Swap, ("measured", receiving.told.block), instant=instant, couples=tuple(couples))
        else:
            self._read(receiving, {})

    def _measured(self, receiving: _Receiving, result: Swapped) -> None:
        symbols: dict[int, int] = {}
        for place, outcome in zip(receiving.couples, result.outcomes, strict=False):
            half, arrival = receiving.halves[place], receiving.arrivals[place]
            if outcome.status == Status.OK:
                symbols[place] = outcome.bell_index ^ half.bell_index
                self._pool.withdraw([arrival])
                if half.qubit is not None:
                    self._pool.give_back(half.qubit)
            else:
                self._windows.release((arrival,))
                self._empty([half])
        self._read(receiving, symbols)

    def _read(self, receiving: _Receiving, symbols: dict[int, int]) -> None:
        told = receiving.told
        data, lost, wrong = read_word([symbols.get(place) for place in range(len(receiving.halves))], told.parity)
        whole = data is not None and digest_of(told.nonce, told.block, data) == told.digest
        self._receiving = None
        self._around.count("data_blocks_read" if whole else "data_blocks_spoilt")
        self._send(DenseDone(link=self.configuration.link, block=told.block, whole=int(whole), lost=min(0xFF, lost),
                             wrong=min(0xFF, wrong)))  # fmt: skip
        if data is not None and whole and self._line.wants(told.block):
            self._line.receive(Block(told.block, told.purpose, bool(told.last), data))

    # --- device and time ---------------------------------------------------------------------------------------------

    def result(self, which: tuple[str, Any], result: Message) -> None:
        """The device has answered."""
        what, about = which
        receiving = self._receiving if what in ("received", "measured") else None
        if receiving is not None and receiving.told.block != about:
            receiving = None
        match result:
            case Received() if receiving is not None:
                self._received(receiving, result)
            case Swapped() if receiving is not None:
                self._measured(receiving, result)
            case Transmitted() if what == "sent":
                self._left(about, result.statuses)
            case Refused() if what == "sent":
                self._left(about, (result.status,) * len(about))
            case Refused() if receiving is not None:
                self._abandon(receiving)
                self._read(receiving, {})

    def time_out(self) -> None:
        """Somebody has waited for too long."""
        if self._sending is not None:
            self._give_up()

    def forget_theirs(self) -> None:
        """Pairs that the other end has claimed, and never spoke of."""
        for create_id in list(self._theirs):
            self.taken_back(create_id)
        if self._receiving is not None:
            receiving, self._receiving = self._receiving, None
            self._abandon(receiving)

    def restart(self) -> None:
        """The epoch with the other end is over."""
        for what in ("dense", "dense-in"):
            self._around.timers.cancel((what, self.configuration.link, 0))
        if self._sending is not None:
            self._empty(self._sending.halves)
            self._sending = None
        self.forget_theirs()

    def _left(self, halves: tuple[Half, ...], statuses: tuple[int, ...]) -> None:
        """Qubits have left, or not. What was taken back meanwhile has been emptied, and may hold another pair."""
        for half, status in zip(halves, statuses, strict=False):
            if status != Status.OK:
                self._empty([half])
            elif half.qubit is not None and self._pool.holds_half(half.qubit, half.sequence):
                self._pool.give_back(half.qubit)

    def _abandon(self, receiving: _Receiving) -> None:
        """Empty the memories of a block that will not be read. Those of qubits that did not come are free already."""
        places = receiving.couples or range(len(receiving.arrivals))
        self._windows.release(tuple(receiving.arrivals[place] for place in places))
        self._empty(receiving.halves)

    def _empty(self, halves: list[Half]) -> None:
        held = (h.qubit for h in halves if h.qubit is not None and self._pool.holds_half(h.qubit, h.sequence))
        self._windows.release(tuple(held))

    def _check_horizon(self, first_cycle: Cycle) -> None:
        if first_cycle * self.configuration.cycle_ns > self._around.domain_now() + MINUTE_NS:
            raise PeerViolation("a block in qubits more than a minute ahead")

    def _wait(self, what: str, from_ns: int = 0) -> None:
        """Give up when nothing is heard for a while, counted from a domain instant or from now."""
        begin_ns = max(self._around.now_ns, self._around.local(from_ns) if from_ns else 0)
        name = "dense" if what == "send" else "dense-in"
        timeout_ns = self._around.parameters.dense_timeout_ns * (1 if what == "send" else 2)
        self._around.timers.set((name, self.configuration.link, 0), begin_ns + timeout_ns)

    def _learn_model(self, fidelity_of_pairs: float) -> None:
        """What the model says of a qubit that flies over both arms."""
        arms, now = self._windows.unit.hardware.arms, self._around.domain_now()
        arrives = arms[0].transmissivity(now) * arms[1].transmissivity(now)
        self.quality.begin(1.0 - arrives, 1.0 - fidelity_of_pairs)

    def _nonce(self, block: Block) -> bytes:
        self._nonces += 1
        event = b"nonce" + self.configuration.link.to_bytes(4, "big") + self._nonces.to_bytes(8, "big")
        return self._around.chance.octets(event, DIGEST_OCTETS)

    def _call(self, request: Callable[..., Message], which: tuple[str, Any], **fields: Any) -> None:
        self._around.call(request, ("densely", self.configuration.link, which), **fields)
