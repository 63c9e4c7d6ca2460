"""What an application can do with EPR sockets, written once for all forms of the API (see `verbs`)."""

from collections.abc import Sequence

from qstack.base.bell import Basis, Gate
from qstack.base.errors import LocalMisuse
from qstack.base.ids import PurposeId, Qna
from qstack.base.pairs import PairKind
from qstack.sockets.client import ClientCore
from qstack.sockets.epr_core import GateAsked, Half, QubitState, QubitView, RequestView, SocketView
from qstack.sockets.epr_values import CreateTerms, MeasuredQubit
from qstack.sockets.errors import EprRequestFailed, QubitLost, RemoteClosed, RequestRefused, SocketRefused
from qstack.sockets.verbs import Verb, answer
from qstack.wire.control import MAXIMUM_ACTS, EprSocketOpened, Fate, QubitsActed, QubitsMeasured

__all__ = ["abandon", "act", "check_open", "close_socket", "connected", "create", "create_all", "free",
           "measure_qubits", "next_created", "next_received", "open_socket", "receive_all"]  # fmt: skip

_MAXIMUM_PURPOSE = (1 << 16) - 1


def open_socket(core: ClientCore, remote: Qna, purpose: int, *, data: bool = False) -> Verb[SocketView]:
    """Hold a purpose, for pairs or for data. Raises `SocketRefused`."""
    if not 1 <= purpose <= _MAXIMUM_PURPOSE:
        raise LocalMisuse(f"purpose {purpose}: there are 1 to {_MAXIMUM_PURPOSE}")
    opened = yield from answer(core, core.epr.open(remote, PurposeId(purpose), data=data), SocketRefused)
    assert isinstance(opened, EprSocketOpened)
    return core.epr.socket(opened)


def connected(core: ClientCore, socket: SocketView) -> Verb[int]:
    """Wait until an application holds the purpose at the other end. Returns the number of the connection.

    One that came, sent pairs and has gone again counts for as long as these are not taken.
    """
    while not socket.connection and not any(socket.incoming.values()):
        check_open(core, socket)
        yield
    return socket.last


def create(core: ClientCore, socket: SocketView, wanted: CreateTerms) -> Verb[RequestView]:
    """Ask for pairs, of which `next_created` gives one after the other."""
    check_open(core, socket)
    yield from ()
    return core.epr.create(socket, wanted)


def create_all(core: ClientCore, socket: SocketView, wanted: CreateTerms) -> Verb[list[Half]]:
    """Ask for pairs and wait for all of them. Raises `EprRequestFailed`, which holds what came before."""
    request = yield from create(core, socket, wanted)
    try:
        while not request.done:
            _check_request(core, request)
            yield
    except GeneratorExit:
        core.epr.abandon(request)
        raise
    return list(request.halves)


def next_created(core: ClientCore, request: RequestView) -> Verb[Half | None]:
    """The next pair of a request; None after the last. Raises `EprRequestFailed`."""
    while not request.halves:
        if request.done:
            return None
        _check_request(core, request)
        yield
    return request.halves.popleft()


def abandon(core: ClientCore, request: RequestView) -> Verb[None]:
    """No more pairs of a request; those that have come and were not taken are freed."""
    core.epr.abandon(request)
    yield from ()


def receive_all(core: ClientCore, socket: SocketView, kind: PairKind, number: int) -> Verb[list[Half]]:
    """Wait for `number` pairs that the other end asks for, and take them. Raises `RemoteClosed`, `EprRequestFailed`."""
    if number < 1:
        raise LocalMisuse(f"number {number}: receive at least one pair")
    queue = socket.incoming[kind]
    meant = socket.connection or socket.last + (not queue)  # what has come without the rest is of the last one
    while len(queue) < number:
        _check_remote(core, socket, meant)
        yield
    return [queue.popleft() for _ in range(number)]


def next_received(core: ClientCore, socket: SocketView, kind: PairKind, before: QubitView | None) -> Verb[Half]:
    """The next pair that the other end asks for; with `before` not until that qubit is measured, freed or revoked."""
    while before is not None and before.state is QubitState.HELD:
        check_open(core, socket)
        yield
    [received] = yield from receive_all(core, socket, kind, 1)
    return received


def act(core: ClientCore, gates: Sequence[GateAsked]) -> Verb[None]:
    """Apply gates, in order. Raises `QubitLost` when one found nothing to act on, `RequestRefused`."""
    _check_meant(gates)
    for start in range(0, len(gates), MAXIMUM_ACTS):
        part = gates[start : start + MAXIMUM_ACTS]
        try:
            done = yield from answer(core, core.epr.act(part), RequestRefused)
        except RequestRefused:
            _check_meant(part)
            raise
        assert isinstance(done, QubitsActed)
        for each, fate in zip(part, done.fates, strict=True):
            if fate == Fate.GONE:
                raise QubitLost(f"{each.gate.name}: the qubit is gone", each.qubit.reason)
            if fate != Fate.DONE:
                raise LocalMisuse(f"the device of this node does not have the gate {Gate(each.gate).name}")


def _check_meant(gates: Sequence[GateAsked]) -> None:
    for each in gates:
        for qubit in (each.qubit, each.second):
            if qubit is not None:
                check_held(qubit)


def measure_qubits(
    core: ClientCore, qubits: Sequence[QubitView], bases: Sequence[Basis]
) -> Verb[list[MeasuredQubit | None]]:
    """Measure qubits, each in its basis; None for those that were gone."""
    if len(qubits) != len(bases):
        raise LocalMisuse(f"{len(qubits)} qubits and {len(bases)} bases: each qubit is measured in a basis of its own")
    for qubit in qubits:
        check_held(qubit)
    seen: list[MeasuredQubit | None] = []
    asked = list(zip(qubits, bases, strict=True))
    for start in range(0, len(asked), MAXIMUM_ACTS):
        seen += yield from _measure_part(core, asked[start : start + MAXIMUM_ACTS])
    return seen


def _measure_part(core: ClientCore, asked: Sequence[tuple[QubitView, Basis]]) -> Verb[list[MeasuredQubit | None]]:
    """As `measure_qubits`, in one request; in another one without those that were revoked while it was on its way."""
    qubits = [qubit for qubit, _ in asked]
    try:
        done = yield from answer(core, core.epr.measure(asked), RequestRefused)
    except RequestRefused:
        core.epr.not_measured(qubits)
        left = [each for each in asked if each[0].state is QubitState.HELD]
        if len(left) == len(asked):
            raise
        found = dict(zip(map(id, left), (yield from _measure_part(core, left)) if left else [], strict=True))
        return [found.get(id(each)) for each in asked]
    finally:
        core.epr.measured(qubits)
    assert isinstance(done, QubitsMeasured)
    return [
        MeasuredQubit(told.outcome & 1, basis, qubit.told.bell_state) if told.fate == Fate.DONE else None
        for (qubit, basis), told in zip(asked, done.outcomes, strict=True)
    ]


def free(core: ClientCore, qubits: Sequence[QubitView]) -> Verb[None]:
    """Give qubits up unmeasured; those that are gone already do no harm."""
    core.epr.free(qubits)
    yield from ()


def close_socket(core: ClientCore, socket: SocketView) -> Verb[None]:
    """Give the purpose back; what the socket holds is freed."""
    core.epr.close(socket)
    yield from ()


def check_held(qubit: QubitView) -> None:
    """Raise `QubitLost` or `LocalMisuse` unless the qubit is held."""
    if qubit.state is QubitState.REVOKED:
        raise QubitLost(f"qubit of pair {qubit.told.sequence} was revoked", qubit.reason)
    if qubit.state is not QubitState.HELD:
        raise LocalMisuse(f"qubit of pair {qubit.told.sequence} was {qubit.state.value} already")


def check_open(core: ClientCore, socket: SocketView) -> None:
    """Raise `LocalMisuse` when the socket was closed here, `ConnectionLost`."""
    if socket.closed:
        raise LocalMisuse("this socket was closed here")
    core.check()


def _check_request(core: ClientCore, request: RequestView) -> None:
    if request.failed is not None:
        raise request.failed.holding(request.halves)
    check_open(core, request.socket)


def _check_remote(core: ClientCore, socket: SocketView, meant: int) -> None:
    check_open(core, socket)
    if socket.incomplete:
        raise EprRequestFailed(socket.incomplete.popleft(), "a request of the other end brought only some of its pairs")
    if socket.ended >= meant:
        raise RemoteClosed("the application at the other end has closed its socket")
