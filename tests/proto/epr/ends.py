"""Two epr machines on the ends of a scripted link, with ordered wires between the nodes and devices of ideal pairs.

A wire carries what epr sends and what the link would send, in one order, as the flow between neighbours does.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from typing import Any, TypeVar

from qstack.base.bell import FLIP, Basis
from qstack.base.effects import CallDevice, Count, Seal, Sender, SendMessage, TellClient
from qstack.base.errors import ErrorCode, PeerViolation
from qstack.base.ids import PurposeId, Qna, QubitId, make_qna
from qstack.base.locator import Arrival, Locator
from qstack.base.pairs import PairKind, basis_before
from qstack.base.services import (
    CancelCreate,
    CreateAccepted,
    CreateDone,
    CreateFailed,
    CreatePairs,
    DataArrived,
    DataFailed,
    DataSent,
    ListenData,
    ListenPairs,
    PairOk,
    PeerDown,
    PeerUp,
    QubitsFreed,
    SendData,
    UnlistenData,
    UnlistenPairs,
)
from qstack.base.time import DomainTime, Instant, Timescale
from qstack.proto.epr.admission import PurposeRule
from qstack.proto.epr.machine import EprMachine
from qstack.proto.epr.params import EprParameters
from qstack.wire.control import CloseEprSocket, CreateEpr, EprSocketOpened, Half, OpenEprSocket
from qstack.wire.twin import ApplyGates, GatesApplied, Measure, Measured, Outcome, Status
from qstack.wire.value import Message

ALICE, BOB = make_qna(64512, 1), make_qna(64512, 2)
PURPOSE = PurposeId(7)
EPOCH = Timescale(0, 1_790_000_000_000_000_000)
ARRIVAL = Arrival("lab", Locator(bytes(4), 1))
M = TypeVar("M")
NEITHER = Half()


@dataclass
class Link:
    """What one node's link knows: for whom it listens, and the requests in its queue by (asked here, create_id)."""

    listening: set[tuple[Qna, int]] = field(default_factory=set)
    takes_data: set[tuple[Qna, int]] = field(default_factory=set)
    queue: dict[tuple[bool, int], CreatePairs] = field(default_factory=dict)


@dataclass
class Ends:
    """`serving`: pairs are made as soon as a request is in both queues. `far_late`: the other end hears of pairs only
    when `deliver` is called. What is told to applications is in `told`, by (node, client)."""

    parameters: EprParameters = field(default_factory=EprParameters)
    rules: tuple[PurposeRule, ...] = (PurposeRule(PurposeId(1), PurposeId(1000), None),)
    now: int = 1_000
    serving: bool = True
    machines: dict[Qna, EprMachine] = field(default_factory=dict)
    links: dict[Qna, Link] = field(default_factory=lambda: {ALICE: Link(), BOB: Link()})
    wires: dict[Qna, deque[Any]] = field(default_factory=lambda: {ALICE: deque(), BOB: deque()})  # by sender
    told: dict[tuple[Qna, int], list[Any]] = field(default_factory=dict)
    calls: dict[Qna, deque[Message]] = field(default_factory=lambda: {ALICE: deque(), BOB: deque()})
    memories: dict[Qna, set[QubitId]] = field(default_factory=lambda: {ALICE: set(), BOB: set()})
    counted: dict[str, int] = field(default_factory=dict)
    statuses: dict[QubitId, Status] = field(default_factory=dict)
    asked: list[CreatePairs] = field(default_factory=list)
    empty_memory: int = 0
    sequence: int = 0
    requests: int = 0
    device_answers: bool = True

    def __post_init__(self) -> None:
        for own, other in ((ALICE, BOB), (BOB, ALICE)):
            self.machines[own] = EprMachine(own, self.parameters, rules=self.rules, neighbours={other},
                                            timescale=lambda: EPOCH)  # fmt: skip

    # --- applications ----------------------------------------------------------------------------------------------

    def number(self) -> int:
        self.requests += 1
        return self.requests

    def ask(self, node: Qna, client: int, message: Message, *, run: bool = True, user: int = 1000) -> None:
        self.machines[node].request(message, client, user, Instant(self.now))
        self.carry(node)
        if run:
            self.run()

    def open(self, node: Qna, client: int = 1, *, purpose: int = PURPOSE, run: bool = True, user: int = 1000) -> int:
        remote = BOB if node == ALICE else ALICE
        asked = OpenEprSocket(request=self.number(), remote=remote, purpose=purpose)
        self.ask(node, client, asked, run=run, user=user)
        return self.last(node, client, EprSocketOpened).socket

    def create(self, node: Qna, socket: int, number: int = 1, *, client: int = 1, run: bool = True, **more: Any) -> int:
        request = self.number()
        halves = {"local": NEITHER, "remote": NEITHER}
        self.ask(node, client, CreateEpr(request=request, socket=socket, number=number, **halves | more), run=run)
        return request

    def close(self, node: Qna, socket: int, client: int = 1, *, run: bool = True) -> None:
        self.ask(node, client, CloseEprSocket(socket=socket), run=run)

    def die(self, node: Qna, client: int = 1, *, run: bool = True) -> None:
        self.machines[node].drop_client(client, Instant(self.now))
        self.carry(node)
        if run:
            self.run()

    def of(self, node: Qna, kind: type[M], client: int = 1) -> list[M]:
        return [message for message in self.told.get((node, client), []) if isinstance(message, kind)]

    def last(self, node: Qna, client: int, kind: type[M]) -> M:
        return self.of(node, kind, client)[-1]

    # --- the world ---------------------------------------------------------------------------------------------------

    def service(self, node: Qna, service: Any) -> None:
        self.machines[node].on_service(service, Instant(self.now))
        self.carry(node)

    def down(self) -> None:
        for node, other in ((ALICE, BOB), (BOB, ALICE)):
            self.wires[node].clear()
            self.links[node].queue.clear()
            self.service(node, PeerDown(other, Seal.HOP))

    def up(self) -> None:
        for node, other in ((ALICE, BOB), (BOB, ALICE)):
            self.service(node, PeerUp(other, Seal.HOP))
        self.run()

    def sleep(self, duration_ns: int) -> None:
        until = self.now + duration_ns
        while True:
            due = [at for machine in self.machines.values() if (at := machine.next_deadline()) is not None]
            at = min([*due, until])
            if at > until or (at == until and until not in due):
                break
            self.now = max(self.now, at)
            for node, machine in self.machines.items():
                machine.handle_deadline(Instant(self.now))
                self.carry(node)
            self.run()
        self.now = until

    def run(self) -> None:
        """Until nothing is on a wire and no device has anything to do."""
        while any(self.wires.values()) or (self.device_answers and any(self.calls.values())):
            for node in (ALICE, BOB):
                self.step(node)
                if self.device_answers:
                    self.answer(node)

    def step(self, sender: Qna) -> None:
        """The next thing on a wire arrives."""
        if not self.wires[sender]:
            return
        receiver = BOB if sender == ALICE else ALICE
        message = self.wires[sender].popleft()
        if isinstance(message, Message):
            by = Sender(sender, Seal.HOP, ARRIVAL, sender)
            self.machines[receiver].receive(message, by, Instant(self.now))
            self.carry(receiver)
        else:
            self._link_hears(receiver, sender, *message)

    def answer(self, node: Qna) -> None:
        """The device answers all that it was asked."""
        while self.calls[node]:
            self.answer_one(node)

    def answer_one(self, node: Qna) -> None:
        """The device answers what it was asked first."""
        call = self.calls[node].popleft()
        instant = getattr(call, "instant", 0)
        self.now = max(self.now, EPOCH.local(instant))
        self.machines[node].on_device_result(self._result(node, call, instant), Instant(self.now))
        self.carry(node)

    def _result(self, node: Qna, call: Message, instant: int) -> Message:
        times = {"completed_at": DomainTime(instant + 10), "deliver_at": DomainTime(instant + 10)}
        if isinstance(call, ApplyGates):
            for gate in call.gates:
                assert gate.qubit in self.memories[node]
            statuses = tuple(self.statuses.get(gate.qubit, Status.OK) for gate in call.gates)
            return GatesApplied(request_id=call.request_id, statuses=statuses, **times)
        assert isinstance(call, Measure)
        outcomes = []
        for item in call.measurements:
            assert item.qubit in self.memories[node]
            status = self.statuses.get(item.qubit, Status.OK)
            outcomes.append(Outcome(status=status, bit=0))
        return Measured(request_id=call.request_id, outcomes=tuple(outcomes), **times)

    def carry(self, node: Qna) -> None:
        """Carry out what a machine wants, in order."""
        for effect in self.machines[node].take_effects():
            match effect:
                case TellClient():
                    effect.message.encode()
                    self.told.setdefault((node, effect.client), []).append(effect.message)
                case SendMessage():
                    effect.message.encode()
                    self.wires[node].append(effect.message)
                case CallDevice():
                    self.calls[node].append(effect.request)  # type: ignore[arg-type]
                case QubitsFreed():
                    assert set(effect.qubits) <= self.memories[node], "freed twice, or never held"
                    self.memories[node] -= set(effect.qubits)
                case Count():
                    self.counted[effect.name] = self.counted.get(effect.name, 0) + effect.amount
                case _:
                    self._link_asked(node, effect)

    # --- the link ----------------------------------------------------------------------------------------------------

    def _link_asked(self, node: Qna, service: Any) -> None:
        link = self.links[node]
        match service:
            case ListenPairs():
                link.listening.add((service.neighbour, service.purpose))
            case UnlistenPairs():
                link.listening.discard((service.neighbour, service.purpose))
                for key, create in list(link.queue.items()):
                    if not key[0] and create.purpose == service.purpose:
                        del link.queue[key]
                        self.wires[node].append(("failed", create, ErrorCode.CANCELLED))
            case CreatePairs():
                self.asked.append(service)
                link.queue[True, service.create_id] = service
                self.wires[node].append(("create", service))
            case CancelCreate():
                create = link.queue.pop((True, service.create_id), None)
                if create is not None:
                    self.wires[node].append(("cancel", create))
            case ListenData():
                link.takes_data.add((service.neighbour, service.purpose))
            case UnlistenData():
                link.takes_data.discard((service.neighbour, service.purpose))
            case SendData():
                self.wires[node].append(("data", service))
            case _:
                raise AssertionError(service)

    def _link_hears(self, node: Qna, sender: Qna, what: str, create: Any, *more: Any) -> None:
        if what.startswith("data"):
            self._data_comes(node, sender, what, create)
            return
        link, purpose, number = self.links[node], create.purpose, create.create_id
        match what:
            case "create" if (sender, purpose) in link.listening:
                link.queue[False, number] = create
                self.wires[node].append(("accepted", create))
            case "create":
                self.wires[node].append(("failed", create, ErrorCode.NO_ENDPOINT))
            case "accepted" if (True, number) in link.queue:
                self.service(node, CreateAccepted(sender, number))
                if self.serving:
                    self.serve(node, create)
            case "failed" if link.queue.pop((True, number), None):
                self.service(node, CreateFailed(sender, purpose, number, True, more[0]))
            case "cancel" if link.queue.pop((False, number), None):
                self.service(node, CreateFailed(sender, purpose, number, False, ErrorCode.CANCELLED))
            case "pair" if (False, number) in link.queue:
                self._ok(node, sender, create, mine=False, sequence=more[0])
            case "done" if link.queue.pop((False, number), None):
                self.service(node, CreateDone(sender, purpose, number, False))

    def _data_comes(self, node: Qna, sender: Qna, what: str, sent: SendData) -> None:
        """The first octet that counts goes in a qubit, the others plainly."""
        if what == "data" and (sender, sent.purpose) in self.links[node].takes_data:
            self.wires[node].append(("data sent", sent))
            self.service(node, DataArrived(sender, sent.purpose, sent.octets))
        elif what == "data":
            self.wires[node].append(("data refused", sent))
        elif what == "data sent":
            size = len(sent.octets) - sent.head
            self.service(node, DataSent(sender, sent.purpose, sent.number, min(1, size), max(0, size - 1)))
        else:
            self.service(node, DataFailed(sender, sent.purpose, sent.number, ErrorCode.NO_ENDPOINT))

    def serve(self, node: Qna, create: CreatePairs, number: int | None = None) -> None:
        """Make pairs of a request that `node` asked for; all of them by default, which ends the request."""
        other = create.neighbour
        for _ in range(create.number if number is None else number):
            self.sequence += 1
            self.wires[node].append(("pair", create, self.sequence))
            self._ok(node, other, create, mine=True, sequence=self.sequence)
        if number is None and self.links[node].queue.pop((True, create.create_id), None):
            self.wires[node].append(("done", create))
            self.service(node, CreateDone(other, create.purpose, create.create_id, True))

    def _ok(self, node: Qna, other: Qna, create: CreatePairs, *, mine: bool, sequence: int) -> None:
        measured = create.kind is PairKind.MEASURE or (mine and create.kind is PairKind.PREPARE)
        qubit = None
        bell = sequence % 4
        if not measured:
            self.empty_memory += 1
            qubit = QubitId(self.empty_memory)
            self.memories[node].add(qubit)
        outcome = FLIP[bell][0] if measured and not mine else 0
        self.service(node, PairOk(
            other, create.purpose, create.create_id, mine, create.kind, sequence, qubit, bell, DomainTime(99),
            (1.0,) * 16, 0.9, outcome if measured else None, basis_before((create.local if mine else create.remote)[1],
                                                                          Basis.Z) if measured else None,
        ))  # fmt: skip

    def bad(self, node: Qna, message: Message) -> bool:
        """Whether a message of the other node is a violation."""
        other = BOB if node == ALICE else ALICE
        try:
            self.machines[node].receive(message, Sender(other, Seal.HOP, ARRIVAL, other), Instant(self.now))
        except PeerViolation:
            return True
        self.carry(node)
        return False
