"""The open sockets of a node and their requests: entered when they begin, fired by their tables, left when over."""

from collections.abc import Callable, Iterator
from typing import Any

from qstack.base.effects import Count
from qstack.base.errors import ErrorCode
from qstack.base.ids import PurposeId, Qna
from qstack.base.pairs import PairKind
from qstack.base.time import DomainTime, Instant, Timescale
from qstack.machine.timers import Timers
from qstack.proto.epr.params import EprParameters
from qstack.proto.epr.request import EprRequest, Failure
from qstack.proto.epr.socket import EprSocket
from qstack.proto.epr.states import REQUEST, SOCKET, RequestEvent, SocketEvent, SocketState

__all__ = ["Ledger"]

_MASK32 = 0xFFFF_FFFF
_CREATES = (1 << 31) - 1  # numbers above are the link's own (LINK-4.1-1)


class Ledger:
    """Sockets by life, requests by create_id, their timers, and what all parts of the protocol share."""

    def __init__(self, own: Qna, parameters: EprParameters, timescale: Callable[[], Timescale]) -> None:
        self.own = own
        self.parameters = parameters
        self.effects: list[Any] = []
        self.now_ns = Instant(0)
        self.errors: dict[Qna, int] = {}
        self._timescale = timescale
        self._sockets: dict[int, EprSocket] = {}
        self._holders: dict[tuple[Qna, PurposeId], EprSocket] = {}
        self._by_create: dict[int, EprRequest] = {}
        self._timers: Timers[tuple[str, int, int]] = Timers()
        self._lives = 0
        self._creates = 0

    def __len__(self) -> int:
        return len(self._sockets)

    def __iter__(self) -> Iterator[EprSocket]:
        return iter(list(self._sockets.values()))

    def get(self, handle: int) -> EprSocket | None:
        """The socket of a handle."""
        return self._sockets.get(handle)

    def holder(self, remote: Qna, purpose: PurposeId) -> EprSocket | None:
        """Who holds a purpose towards a neighbour."""
        return self._holders.get((remote, purpose))

    def request(self, create_id: int) -> EprRequest | None:
        """The request that the link knows by this number."""
        return self._by_create.get(create_id)

    # --- life ----------------------------------------------------------------------------------------------------

    def next_life(self) -> int:
        """A number that no socket of this node has had."""
        self._lives += 1
        return self._lives & _MASK32

    def enter(self, socket: EprSocket) -> None:
        """A socket is open."""
        self._sockets[socket.life] = socket
        self._holders[socket.remote, socket.purpose] = socket
        self.effects.append(Count("epr.sockets_opened"))

    def fire(self, socket: EprSocket, event: SocketEvent, *arguments: Any) -> bool:
        """Fire an event; what follows from a new state of the socket follows at once."""
        before = socket.state
        if not SOCKET.fire(socket, event, *arguments):
            return False
        if before is SocketState.DRAINING and socket.state is not before:
            self._timers.cancel(("drain", socket.life, 0))
        if socket.state is SocketState.CONNECTED and before is not socket.state:
            self._begin_requests(socket)
        if socket.state is SocketState.CLOSED:
            del self._sockets[socket.life]
            del self._holders[socket.remote, socket.purpose]
        return True

    def enter_request(self, request: EprRequest) -> None:
        """An application asks; the link is asked as soon as there is a connection."""
        number = request.asked.request
        request.socket.requests[number] = request
        self._timers.set(("request", request.socket.life, number), request.deadline_ns)
        self.effects.append(Count("epr.requests"))
        if request.socket.is_connected:
            self._begin(request)

    def fire_request(self, request: EprRequest, event: RequestEvent, *arguments: Any) -> bool:
        """Fire an event; a request that is over leaves."""
        taken = REQUEST.fire(request, event, *arguments)
        self.fired(request)
        return taken

    def fired(self, request: EprRequest) -> None:
        """Something has happened to a request."""
        number = request.asked.request
        if not request.is_over or request.socket.requests.get(number) is not request:
            return
        del request.socket.requests[number]
        self._by_create.pop(request.create_id, None)
        self._timers.cancel(("request", request.socket.life, number))
        self.effects.append(Count("epr.requests_done" if request.is_served else "epr.requests_failed"))
        if not request.is_served:
            self.note_error(request.socket.remote)
        if request.socket.finish_own(request.create_id):
            self.fire(request.socket, SocketEvent.DRAINED)

    def name(self, request: EprRequest) -> int:
        """The next create_id, under which `request` is known from now on."""
        self._by_create.pop(request.create_id, None)
        while True:
            self._creates = self._creates % _CREATES + 1
            if self._creates not in self._by_create:
                break
        self._by_create[self._creates] = request
        return self._creates

    def _begin_requests(self, socket: EprSocket) -> None:
        for request in list(socket.requests.values()):
            self._begin(request)

    def _begin(self, request: EprRequest) -> None:
        meant = request.asked.connection
        if meant in (0, request.socket.connection):
            self.fire_request(request, RequestEvent.CONNECTED)
        else:
            failure = Failure(ErrorCode.CANCELLED, f"connection {meant} is over")
            self.fire_request(request, RequestEvent.CANCELLED, failure)

    def note_error(self, neighbour: Qna, number: int = 1) -> None:
        """Something went wrong on the link to a neighbour: a request without all its pairs, a pair revoked."""
        self.errors[neighbour] = self.errors.get(neighbour, 0) + number

    # --- time ------------------------------------------------------------------------------------------------------

    def await_drain(self, socket: EprSocket) -> None:
        """Begin drain_timeout."""
        self._timers.set(("drain", socket.life, 0), self.now_ns + self.parameters.drain_timeout_ns)

    def handle_due(self) -> None:
        """Fire what is due."""
        for what, life, number in self._timers.pop_due(self.now_ns):
            socket = self._sockets.get(life)
            if socket is None:
                continue
            if what == "drain":
                self.fire(socket, SocketEvent.DRAINED)
            elif (request := socket.requests.get(number)) is not None:
                self.fire_request(request, RequestEvent.EXPIRED, Failure(ErrorCode.TIMEOUT, _late(request)))

    def next_deadline(self) -> Instant | None:
        """When the next timer is due."""
        deadline = self._timers.next_deadline()
        return None if deadline is None else Instant(deadline)

    def domain(self, local_ns: int) -> DomainTime:
        """Local instant to domain time."""
        return self._timescale().domain(local_ns)


def _late(request: EprRequest) -> str:
    told = f"{request.told} of {request.asked.number} pairs came in time"
    if not request.create_id:
        return f"{told}, nobody was at the other end"
    if request.kind is PairKind.KEEP and request.told and not request.is_sequential:
        return f"{told}; a kept pair holds its memory until it is measured or freed: take pairs as they come, or fewer"
    return told
