"""The EPR sockets of one node: dispatch.

Rules are in `states`, what they do in `socket` and `request`; `asking` serves applications, `ledger` knows what is
open, `qubits` who holds what, `acting` speaks with the device and `telling` with applications.
"""

from collections.abc import Callable, Collection
from dataclasses import dataclass
from typing import Any

from qstack.base.effects import Count, Seal, Sender, SendMessage
from qstack.base.errors import ErrorCode, PeerViolation
from qstack.base.ids import PurposeId, Qna, QubitId
from qstack.base.pairs import PairKind
from qstack.base.services import (
    CreateAccepted,
    CreateDone,
    CreateFailed,
    DataArrived,
    DataFailed,
    DataSent,
    DeviceGone,
    PairOk,
    PairsRevoked,
    PeerDown,
    PeerUp,
    QubitsFreed,
)
from qstack.base.time import Instant, Timescale
from qstack.base.units import fidelity_to_wire
from qstack.proto.epr.acting import Acting
from qstack.proto.epr.admission import Admission, PurposeRule
from qstack.proto.epr.asking import Asking
from qstack.proto.epr.data import DataDesk
from qstack.proto.epr.ledger import Ledger
from qstack.proto.epr.params import EprParameters
from qstack.proto.epr.qubits import HeldQubit, PairName, Qubits
from qstack.proto.epr.request import EprRequest, Failure
from qstack.proto.epr.socket import EprSocket
from qstack.proto.epr.states import RequestEvent, SocketEvent
from qstack.proto.epr.telling import Telling
from qstack.wire.control import EprOutcome, EprPair, QubitsRevoked
from qstack.wire.epr import MAXIMUM_GIVEN_UP, DataTaken, GivenUp, PairsGivenUp, SocketClose, SocketOpen
from qstack.wire.value import Message

__all__ = ["EprDescription", "EprMachine", "HeldDescription", "RequestDescription", "SocketDescription"]


@dataclass(frozen=True, slots=True)
class RequestDescription:
    """A request, for operators."""

    kind: str
    state: str
    number: int
    told: int
    min_fidelity: int  # as on the wire
    since_ns: Instant
    deadline_ns: Instant


@dataclass(frozen=True, slots=True)
class SocketDescription:
    """A socket, for operators."""

    handle: int
    remote: Qna
    purpose: PurposeId
    user: int
    state: str
    connection: int
    requests: tuple[RequestDescription, ...]
    held: int


@dataclass(frozen=True, slots=True)
class HeldDescription:
    """A qubit in an application's hands, for operators."""

    number: int
    qubit: QubitId
    remote: Qna
    purpose: PurposeId
    user: int
    sequence: int
    bell_index: int
    goodness: float
    since_ns: Instant
    acts: int


@dataclass(frozen=True, slots=True)
class EprDescription:
    """All of it. `errors`: requests that ended without all their pairs, and pairs revoked, by neighbour."""

    sockets: tuple[SocketDescription, ...]
    held: tuple[HeldDescription, ...]
    errors: dict[Qna, int]


class EprMachine:
    """The EPR sockets of the node `own`. `neighbours` are the nodes at the other ends of its links."""

    def __init__(
        self, own: Qna, parameters: EprParameters, *, rules: tuple[PurposeRule, ...], neighbours: Collection[Qna],
        timescale: Callable[[], Timescale],
    ) -> None:  # fmt: skip
        self.own = own
        self._ledger = Ledger(own, parameters, timescale)
        self.effects = self._ledger.effects
        self.on_first_pair: Callable[[Qna, int], None] = lambda neighbour, waited_ns: None
        self._qubits = Qubits(parameters.given_up)
        self._telling = Telling(self.effects)
        self._acting = Acting(self._ledger, self._qubits, self._telling)
        self.admission = Admission(rules, self._ledger, lambda node: node in neighbours)
        self._data = DataDesk(self._ledger, self._telling)
        self._asking = Asking(self._ledger, self.admission, self._qubits, self._acting, self._telling, self._data, self)

    # --- driven by the node --------------------------------------------------------------------------------------

    def receive(self, message: Message, sender: Sender, now_ns: Instant) -> None:
        """A message of the epr table. Raises `PeerViolation` before anything has changed."""
        self._ledger.now_ns = now_ns
        if sender.seal is not Seal.HOP or sender.qna != sender.neighbour:
            raise PeerViolation(f"{message.NAME} did not come from a neighbour under the hop seal")
        socket = self._ledger.holder(sender.qna, PurposeId(getattr(message, "purpose", 0)))
        match message:
            case SocketOpen():
                if not message.life:
                    raise PeerViolation("SocketOpen of life 0, which is none")
                taken = socket is not None and self._ledger.fire(socket, SocketEvent.HEARD, message)
            case SocketClose():
                taken = socket is not None and self._ledger.fire(socket, SocketEvent.LEFT, message)
            case PairsGivenUp():
                taken = True
                self._given_up(message, sender.qna)
            case DataTaken():
                taken = self._data.taken(socket, message)
            case _:
                raise PeerViolation(f"{message.NAME} is no message of a socket")
        if not taken:
            self.effects.append(Count("epr.stray_messages"))

    def request(self, message: Message, client: int, user: int, now_ns: Instant) -> None:
        """What application `client` of user id `user` asks; refusals are told to it."""
        self._ledger.now_ns = now_ns
        self._asking.serve(message, client, user)

    def drop_client(self, client: int, now_ns: Instant) -> None:
        """An application went away: its sockets go too, and all that they hold."""
        self._ledger.now_ns = now_ns
        for socket in self._ledger:
            if socket.client == client:
                self._ledger.fire(socket, SocketEvent.CLOSED, ErrorCode.CANCELLED)

    def on_service(self, service: Any, now_ns: Instant) -> None:
        """CreateAccepted, PairOk, CreateFailed, CreateDone, PairsRevoked, PeerUp, PeerDown, DeviceGone, DataSent,
        DataFailed, DataArrived."""
        self._ledger.now_ns = now_ns
        match service:
            case PairOk():
                self._take_pair(service)
            case CreateAccepted():
                self._fire_mine(service.create_id, RequestEvent.ACCEPTED)
            case CreateDone(mine=True):
                self._fire_mine(service.create_id, RequestEvent.DONE)
            case CreateFailed(mine=True):
                # A deadline that had passed when the other end looked is a request without time, not a pair revoked.
                reason = ErrorCode.TIMEOUT if service.reason is ErrorCode.EXPIRED else service.reason
                self._fire_mine(service.create_id, RequestEvent.FAILED, Failure(reason))
            case CreateDone() | CreateFailed():
                self._finish_incoming(service)
            case PairsRevoked():
                names = [PairName(service.neighbour, service.mine, service.create_id, sequence)
                         for sequence in service.sequences]  # fmt: skip
                self._revoke(names, ErrorCode.EXPIRED, emptied=True)
            case DataSent() | DataFailed() | DataArrived():
                self._data.on_service(service)
            case PeerUp(seal=Seal.HOP):
                self._fire_all(service.peer, SocketEvent.FOUND)
            case PeerDown(seal=Seal.HOP):
                self._qubits.forget_void(service.peer)
                self._fire_all(service.peer, SocketEvent.LOST, ErrorCode.SESSION_LOST)
            case DeviceGone():
                self._lose_all()

    def on_device_result(self, result: Message, now_ns: Instant) -> None:
        """What became of gates and measurements."""
        self._ledger.now_ns = now_ns
        self._acting.take_result(result)

    def handle_deadline(self, now_ns: Instant) -> None:
        """Fire what is due."""
        self._ledger.now_ns = now_ns
        self._ledger.handle_due()

    def next_deadline(self) -> Instant | None:
        """When `handle_deadline` wants to be called."""
        return self._ledger.next_deadline()

    def take_effects(self) -> list[Any]:
        """What is to be done, in order."""
        self._telling.flush()
        taken, self.effects[:] = list(self.effects), []
        return taken

    def reconfigure(self, parameters: EprParameters, rules: tuple[PurposeRule, ...]) -> None:
        """Take new parameters and rules; sockets that are open stay."""
        self._ledger.parameters = parameters
        self.admission.rules = rules

    def describe(self) -> EprDescription:
        """For operators."""
        return EprDescription(
            tuple(self._describe_socket(socket) for socket in self._ledger),
            tuple(
                HeldDescription(held.number, held.qubit, held.socket.remote, held.socket.purpose, held.socket.user,
                                held.name.sequence, held.bell_index, held.goodness, held.since_ns, held.acts)
                for held in self._qubits
            ),
            dict(self._ledger.errors),
        )  # fmt: skip

    @property
    def open_acts(self) -> int:
        """Gates and measurements that the device has not answered."""
        return self._acting.open

    # --- what a socket needs -------------------------------------------------------------------------------------

    def tell(self, client: int, message: Any) -> None:
        """Tell an application."""
        self._telling.tell(client, message)

    def keep(self, socket: EprSocket, ok: PairOk, request: EprRequest | None) -> None:
        """A half that stays in a memory is the application's now."""
        assert ok.qubit is not None
        held = HeldQubit(
            self._qubits.next_number(), ok.qubit, _name(ok), socket,
            request if request is not None and request.is_sequential else None, ok.bell_index, ok.goodness,
            ok.created, self._ledger.now_ns,
        )  # fmt: skip
        self._qubits.enter(held)
        self._telling.pair(socket, 0 if request is None else request.asked.request, ok.kind, EprPair(
            qubit=held.number, create_id=ok.create_id, sequence=ok.sequence, bell_index=ok.bell_index,
            goodness=fidelity_to_wire(min(1.0, max(0.0, ok.goodness))), created=ok.created,
        ))  # fmt: skip

    def tell_outcome(self, socket: EprSocket, request: int, kind: int, outcome: EprOutcome) -> None:
        """A half that was measured."""
        self._telling.outcome(socket, request, kind, outcome)

    def free_all(self, socket: EprSocket) -> None:
        """Empty what the socket's application holds, and tell the other end (EPR-4.3-2)."""
        held = self._qubits.of_socket(socket)
        for qubit in held:
            self._acting.empty(qubit)
        self._tell_given_up(socket.remote, socket.purpose, [qubit.name for qubit in held])

    def end_data(self, socket: EprSocket, reason: ErrorCode) -> None:
        """Messages of a data socket that are not sent have failed."""
        self._data.end(socket, reason)

    def await_drain(self, socket: EprSocket) -> None:
        """Begin drain_timeout."""
        self._ledger.await_drain(socket)

    def note_first_pair(self, request: EprRequest) -> None:
        """A request has its first pair."""
        self.on_first_pair(request.socket.remote, self._ledger.now_ns - request.began_ns)

    # --- pairs -----------------------------------------------------------------------------------------------------

    def _take_pair(self, ok: PairOk) -> None:
        """Give a pair to whoever asked for it; what nobody wants is given up (EPR-5-1)."""
        request = self._ledger.request(ok.create_id) if ok.mine else None
        socket = self._ledger.holder(ok.neighbour, ok.purpose) if request is None else request.socket
        if self._qubits.take_void(_name(ok)):
            self._discard(ok, "epr.void_pairs")
        elif socket is None or ok.mine is (request is None) or not (ok.mine or socket.takes_pairs):
            self._give_up(ok, "epr.stray_pairs")
        elif ok.qubit is not None and self._qubits.of_user(socket.user) >= self._ledger.parameters.qubits_of_user:
            self._give_up(ok, "epr.pairs_beyond_quota")
        elif request is None:
            socket.take_incoming(ok)
        elif not self._ledger.fire_request(request, RequestEvent.PAIR, ok):
            self._give_up(ok, "epr.stray_pairs")

    def _give_up(self, ok: PairOk, counter: str) -> None:
        self._discard(ok, counter)
        if ok.kind is not PairKind.MEASURE:
            self._tell_given_up(ok.neighbour, ok.purpose, [_name(ok)])

    def _discard(self, ok: PairOk, counter: str) -> None:
        self.effects.append(Count(counter))
        if ok.qubit is not None:
            self.effects.append(QubitsFreed((ok.qubit,), discard=True))

    def _tell_given_up(self, neighbour: Qna, purpose: PurposeId, names: list[PairName]) -> None:
        for start in range(0, len(names), MAXIMUM_GIVEN_UP):
            self.effects.append(SendMessage(neighbour, PairsGivenUp(purpose=purpose, pairs=tuple(
                GivenUp(create_id=name.create_id, mine=name.mine, sequence=name.sequence)
                for name in names[start : start + MAXIMUM_GIVEN_UP]
            ))))  # fmt: skip

    def _given_up(self, message: PairsGivenUp, neighbour: Qna) -> None:
        names = [PairName(neighbour, not each.mine, each.create_id, each.sequence) for each in message.pairs]
        held = [name for name in names if self._qubits.half_of(name) is not None]
        self._revoke(held, ErrorCode.EXPIRED, emptied=False)
        for name in names:
            if name not in held and self._may_still_come(name, message.purpose):
                self._qubits.void(name)

    def _may_still_come(self, name: PairName, purpose: PurposeId) -> bool:
        if name.mine:
            return self._ledger.request(name.create_id) is not None
        socket = self._ledger.holder(name.neighbour, purpose)
        return socket is not None and socket.takes_pairs and name.create_id not in socket.finished_there

    def _revoke(self, names: list[PairName], reason: ErrorCode, *, emptied: bool) -> None:
        """Take qubits from their applications (EPR-5-5). `emptied`: the link sees to their memories."""
        told: dict[int, list[int]] = {}
        for held in [half for name in names if (half := self._qubits.half_of(name)) is not None]:
            told.setdefault(held.client, []).append(held.number)
            self._ledger.note_error(held.socket.remote)
            if emptied:
                self._acting.lose(held)
            else:
                self._acting.empty(held)
        for client, numbers in told.items():
            self.effects.append(Count("epr.qubits_revoked", len(numbers)))
            self.tell(client, QubitsRevoked(reason=reason, qubits=tuple(numbers)))

    def _lose_all(self) -> None:
        self._revoke([held.name for held in self._qubits], ErrorCode.NO_RESOURCES, emptied=False)

    # --- small print -----------------------------------------------------------------------------------------------

    def _fire_mine(self, create_id: int, event: RequestEvent, *arguments: Any) -> None:
        request = self._ledger.request(create_id)
        if request is not None:
            self._ledger.fire_request(request, event, *arguments)

    def _finish_incoming(self, service: CreateDone | CreateFailed) -> None:
        socket = self._ledger.holder(service.neighbour, service.purpose)
        failed = service if isinstance(service, CreateFailed) else None
        if socket is not None and socket.takes_pairs and socket.finish_incoming(service.create_id, failed):
            self._ledger.fire(socket, SocketEvent.DRAINED)

    def _fire_all(self, neighbour: Qna, event: SocketEvent, *arguments: Any) -> None:
        for socket in self._ledger:
            if socket.remote == neighbour:
                self._ledger.fire(socket, event, *arguments)

    def _describe_socket(self, socket: EprSocket) -> SocketDescription:
        requests = tuple(
            RequestDescription(each.kind.name.lower(), each.state.value, each.asked.number, each.told,
                               each.asked.min_fidelity, each.began_ns, each.deadline_ns)
            for each in socket.requests.values()
        )  # fmt: skip
        return SocketDescription(
            socket.life, socket.remote, socket.purpose, socket.user, socket.state.value, socket.connection, requests,
            len(self._qubits.of_socket(socket)),
        )  # fmt: skip


def _name(ok: PairOk) -> PairName:
    return PairName(ok.neighbour, ok.mine, ok.create_id, ok.sequence)
