"""Two unit machines, an ideal (or noisy) circuit between them and their devices: everything but the network."""

from collections import deque
from dataclasses import dataclass, field
from typing import Any

from qstack.base.chance import Chance
from qstack.base.effects import CallDevice, Seal, Sender, SendMessage, TellClient
from qstack.base.errors import PeerViolation
from qstack.base.ids import CircuitId, Qna, QubitId, make_qna
from qstack.base.locator import Arrival, Locator
from qstack.base.services import (
    CircuitClosed,
    CircuitReady,
    EndPairReady,
    PeerDown,
    PeerUp,
    QubitsFreed,
    ReleaseCircuit,
    RequestCircuit,
)
from qstack.base.time import DomainTime, Instant, Timescale
from qstack.proto.unit.admission import ClaimRule
from qstack.proto.unit.machine import UnitMachine
from qstack.proto.unit.params import UnitParameters
from qstack.quantum.bell import disagrees
from qstack.wire.control import ClaimEndpoint, Delivered, Failed, OpenUnit
from qstack.wire.twin import Measure, Measured, Outcome, Refused, Status
from qstack.wire.unit import UnitKind, UnitRequest
from qstack.wire.urn import parse_urn

ALICE, BOB = make_qna(64512, 1), make_qna(64513, 2)
ENDPOINT_A = "urn:qkd:madqci:ccips?=nonce=177923"
ENDPOINT_B = "urn:qkd:quditto:emulator:ipsec:controller?=nid=af33017"
SERVED = {"urn:qkd:madqci:ccips": ALICE, "urn:qkd:quditto:emulator:ipsec:controller": BOB}
EPOCH = Timescale(0, 1_790_000_000_000_000_000)
ARRIVAL = Arrival("lab", Locator(bytes(4), 1))


class Served:
    """Routes of a network of two nodes."""

    def next_hop(self, destination: Qna) -> Qna | None:
        return destination

    def destination_of(self, urn: str) -> Qna | None:
        return SERVED.get(urn)

    def quantum_next_hop(self, destination: Qna) -> Qna | None:
        return destination


@dataclass
class Couple:
    """`drop(n)` says whether the n-th message between the ends is lost with everything after it."""

    seed: bytes = b"couple"
    error_rate: float = 0.0
    now: int = 1_000
    epoch_secret: bytes = b"end session"
    machines: dict[Qna, UnitMachine] = field(default_factory=dict)
    wires: deque[tuple[Qna, Qna, Any]] = field(default_factory=deque)
    told: dict[Qna, list[Any]] = field(default_factory=lambda: {ALICE: [], BOB: []})
    held: dict[Qna, set[int]] = field(default_factory=lambda: {ALICE: set(), BOB: set()})
    carried: int = 0
    cut_after: int | None = None
    device_refuses: bool = False
    memories: int | None = None  # of the circuit, which makes no more pairs
    requests: list[UnitRequest] = field(default_factory=list)
    open_circuit: tuple[CircuitId, bytes] | None = None
    seen: dict[tuple[int, int], int] = field(default_factory=dict)  # (qubit, basis) -> head's or tail's outcome
    frames: dict[int, int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.chance = Chance(self.seed)
        rules = tuple(ClaimRule(parse_urn(f"urn:qkd:{name}"), None) for name in ("madqci", "quditto", "nowhere"))
        for own in (ALICE, BOB):
            self.machines[own] = UnitMachine(
                own, UnitParameters(), self.chance.derive(own.to_bytes(8, "big")), rules=rules, routes=Served(),
                end_secret=self._secret, is_secret=lambda: True, timescale=lambda: EPOCH,
            )  # fmt: skip

    def _secret(self, peer: Qna, context: bytes, length: int) -> bytes:
        return Chance(self.epoch_secret).octets(context, length)

    def open(self, kind: UnitKind = UnitKind.KEY, size: int = 32, **changes: Any) -> None:
        """Serve bob's endpoint, and open a unit at alice."""
        self.request(BOB, ClaimEndpoint(request=1, urn="urn:qkd:quditto:emulator:ipsec:controller"))
        urns = (ENDPOINT_A, ENDPOINT_B, f"urn:qkd:lifecycle?=size={size}&valid-until=1800000000")
        self.request(ALICE, OpenUnit(**({"request": 7, "kind": kind, "urn": urns} | changes)))

    def opened(self) -> UnitRequest:
        """The last request that travelled."""
        return self.requests[-1]

    def request(self, node: Qna, message: Any) -> None:
        self.machines[node].request(message, 1, 1000, Instant(self.now))
        self.settle()

    def settle(self) -> None:
        """Carry everything out until nothing moves."""
        moving = True
        while moving:
            moving = False
            for own, machine in self.machines.items():
                for effect in machine.take_effects():
                    self._carry(own, effect)
                    moving = True
            while self.wires:
                self._deliver(*self.wires.popleft())
                moving = True

    def _carry(self, own: Qna, effect: Any) -> None:
        machine = self.machines[own]
        match effect:
            case SendMessage(seal=Seal.END):
                self.carried += 1
                if isinstance(effect.message, UnitRequest):
                    self.requests.append(effect.message)
                if self.cut_after is None or self.carried <= self.cut_after:
                    self.wires.append((own, effect.destination, effect.message))
            case TellClient():
                self.told[own].append(effect.message)
            case RequestCircuit():
                self._make_circuit(effect)
            case CallDevice(request=Measure() as measure) if self.device_refuses:
                refusal = Refused(request_id=measure.request_id, status=Status.EARLY, completed_at=DomainTime(0),
                                  deliver_at=DomainTime(0))  # fmt: skip
                machine.on_device_result(refusal, Instant(self.now))
            case CallDevice(request=Measure() as measure):
                self.held[own] -= {item.qubit for item in measure.measurements}
                outcomes = tuple(Outcome(status=Status.OK, bit=self._measure(own, item.qubit, item.basis))
                                 for item in measure.measurements)  # fmt: skip
                result = Measured(request_id=measure.request_id, completed_at=DomainTime(0), deliver_at=DomainTime(0),
                                  outcomes=outcomes)  # fmt: skip
                machine.on_device_result(result, Instant(self.now))
            case QubitsFreed(discard=True):
                self.held[own] -= set(effect.qubits)
            case ReleaseCircuit() if self.open_circuit is not None:
                circuit, context = self.open_circuit
                self.open_circuit = None
                for each in self.machines.values():
                    each.on_service(CircuitClosed(circuit, context, effect.reason), Instant(self.now))

    def _deliver(self, source: Qna, destination: Qna, message: Any) -> None:
        try:
            self.machines[destination].receive(message, Sender(source, Seal.END, ARRIVAL, source), Instant(self.now))
        except PeerViolation as violation:
            raise AssertionError(f"{message} refused: {violation}") from violation

    def _make_circuit(self, request: RequestCircuit) -> None:
        circuit = CircuitId((ALICE, 1))
        self.open_circuit = (circuit, request.context)
        for own, head in ((BOB, False), (ALICE, True)):
            remote = ALICE if own == BOB else BOB
            self.machines[own].on_service(CircuitReady(circuit, request.context, remote, head), Instant(self.now))
        for pair in range(request.number)[: self.memories]:
            self.frames[pair] = self.chance.integer(b"frame" + pair.to_bytes(4, "big"), 2)
            for own in (ALICE, BOB):
                self.held[own].add(pair)
                self.machines[own].on_service(
                    EndPairReady(circuit, pair, QubitId(pair), self.frames[pair], 0.97, DomainTime(0), Instant(0)),
                    Instant(self.now),
                )

    def _measure(self, own: Qna, qubit: int, basis: int) -> int:
        """Ideal pairs: whoever comes second sees what the frame dictates, but for errors."""
        first = self.seen.get((qubit, basis))
        if first is None:
            self.seen[qubit, basis] = self.chance.integer(b"outcome" + qubit.to_bytes(4, "big"), 1)
            return self.seen[qubit, basis]
        error = self.chance.uniform(b"error" + qubit.to_bytes(4, "big")) < self.error_rate
        return first ^ disagrees(self.frames[qubit], basis) ^ error

    def lose_session(self, *, known: bool = True) -> None:
        """The session between the ends is over; when it was not `known`, there has never been one."""
        for own, remote in ((ALICE, BOB), (BOB, ALICE)):
            for service in (PeerUp(remote, Seal.END),) * known + (PeerDown(remote, Seal.END, "test"),):
                self.machines[own].on_service(service, Instant(self.now))
        self.settle()

    def pass_time(self, duration_ns: int) -> None:
        self.now += duration_ns
        for machine in self.machines.values():
            machine.handle_deadline(Instant(self.now))
        self.settle()

    def keys(self, node: Qna) -> list[Delivered]:
        return [message for message in self.told[node] if isinstance(message, Delivered)]

    def failures(self, node: Qna) -> list[Failed]:
        return [message for message in self.told[node] if isinstance(message, Failed)]
