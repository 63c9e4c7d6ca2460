"""The twin: who may ask what, in which order, and when the answer may be known (TWIN-3, TWIN-4, TWIN-5).

Laws
----
1. A request is answered exactly once, by its result or by `Refused`. What is wrong with a request is a status and
   never an exception; what does not decode is counted and dropped.
2. A session serves one node, a node has one session; a node touches its own memories, a station hears its own links.
3. What a qubit has suffered depends on the instants that requests name. `now_ns` only bounds and times answers, and the
   order in which different nodes' requests arrive changes no probability (halves commute). It does decide which of two
   entangled qubits is drawn first, hence single outcomes; by Bell's theorem nothing could make these independent of it.
4. `deliver_at` of a result is the instant at which its asker could know; holding it until then is the client's part.
"""

from collections.abc import Callable
from dataclasses import replace
from typing import Any, NamedTuple

from qstack.base.chance import Chance
from qstack.base.errors import WireError
from qstack.base.ids import Qna, QubitId
from qstack.quantum.formulas import fidelities
from qstack.twin.answers import Answers
from qstack.twin.bank import Bank
from qstack.twin.configuration import TwinConfiguration
from qstack.twin.link_requests import LinkRequests
from qstack.twin.operations import Done, Operations
from qstack.twin.statistics import TwinStatistics
from qstack.twin.store import Store
from qstack.wire.protocols import Protocol
from qstack.wire.twin import (
    FIDELITY_UNIT,
    VERSION,
    ApplyGates,
    Attach,
    Attached,
    Attempt,
    AwaitHeralds,
    CountClicks,
    FetchOutcomes,
    GatesApplied,
    Initialise,
    Initialised,
    InspectPair,
    Measure,
    Measured,
    Move,
    Moved,
    PairInspected,
    Receive,
    Release,
    Released,
    Status,
    Swap,
    Swapped,
    Transmit,
)
from qstack.wire.value import Message, decode_message_untrusted

__all__ = ["Twin"]


class _Act(NamedTuple):
    """A request that acts on memories: where its items stand, what does them, and what answers in which field."""

    items: str
    perform: Callable[[Operations, Bank, Any, int], Done]
    result: Any
    results: str


class Twin:
    """A network of quantum devices. Driven by messages and deadlines, emptied by `take_results`.

    Sessions are small numbers of the caller's choice, one a connection. `now_ns` is domain time, TAI nanoseconds.
    """

    def __init__(self, configuration: TwinConfiguration, chance: Chance) -> None:
        self._horizon_ns = configuration.horizon_ns
        self._secret = chance.secret
        self._identity = chance.integer(b"identity", 64)
        self._statistics = TwinStatistics()
        self._banks = {node: Bank(node, device) for node, device in configuration.nodes.items()}
        self._store = Store(self._banks, chance.derive(b"outcomes"))
        self._answers = Answers(configuration.pace, self._statistics)
        self._operations = Operations(self._store, self._statistics)
        self._links = LinkRequests(configuration, self._store, self._answers, self._statistics)
        self._served: dict[int, Bank] = {}
        self._operators: set[int] = set()
        self._allowed: dict[int, frozenset[Qna]] = {}

    # ---- driven by ----

    def receive_datagram(self, session: int, datagram: bytes, now_ns: int) -> None:
        """Take a datagram of a connection. One that does not decode is counted, and that is all."""
        try:
            message = decode_message_untrusted(Protocol.TWIN, datagram)
        except WireError:
            self._statistics.malformed += 1
            return
        self.receive(session, message, now_ns)

    def receive(self, session: int, message: Message, now_ns: int) -> None:
        """Take a request of a connection."""
        if isinstance(message, Attach):
            refusal = self._on_attach(session, message, now_ns)
        elif session in self._operators:
            refusal = self._on_operator(session, message, now_ns)
        elif session in self._served:
            refusal = self._on_request(self._served[session], message, now_ns)
        else:
            refusal = Status.NOT_ATTACHED
        if refusal is not Status.OK:
            self._answers.refuse(session, message, refusal, now_ns)

    def handle_deadline(self, now_ns: int) -> None:
        """Forget windows and flights whose grace is over; tell who still waits that a partner is missing."""
        self._links.handle_deadline(now_ns)

    def next_deadline(self) -> int | None:
        """Domain time at which `handle_deadline` has something to do."""
        return self._links.next_deadline()

    def admit_operator(self, session: int) -> None:
        """Let this connection inspect states, for as long as it does not attach as a node."""
        self._operators.add(session)

    def restrict(self, session: int, nodes: frozenset[Qna]) -> None:
        """Let this connection attach as one of `nodes` and as no other (TWIN-5.1-8)."""
        self._allowed[session] = nodes

    def close_session(self, session: int, now_ns: int) -> None:
        """A connection is gone: its node's memories are emptied and its attempts withdrawn (TWIN-3-5)."""
        self._operators.discard(session)
        self._allowed.pop(session, None)
        bank = self._served.get(session)
        if bank is not None:
            self._detach(bank, now_ns)

    def take_results(self) -> list[tuple[int, Message]]:
        """Results by session, in the order in which they were made."""
        return self._answers.take()

    # ---- seen by operators ----

    @property
    def identity(self) -> int:
        """64 bits, others after the states have been lost."""
        return self._identity

    @property
    def statistics(self) -> TwinStatistics:
        """A copy of the counters."""
        return replace(self._statistics)

    @property
    def live_pairs(self) -> int:
        """Pairs, lone qubits and registers of which at least one qubit is in a memory, or on its way to one."""
        return self._store.engine.live

    @property
    def open_windows(self) -> int:
        """Windows that are not resolved, and flights that are not settled."""
        return self._links.open_windows

    # ---- attaching ----

    def _on_attach(self, session: int, message: Attach, now_ns: int) -> Status:
        if message.version != VERSION:
            return Status.UNSUPPORTED
        if message.node not in self._allowed.get(session, (message.node,)):
            return Status.NOT_ALLOWED
        bank = self._banks.get(message.node)
        if bank is None:
            return Status.UNKNOWN_NODE
        if self._served.get(session, bank) is not bank:
            return Status.NOT_ALLOWED
        self._detach(bank, now_ns)
        bank.session = session
        self._store.attach(bank)
        self._served[session] = bank
        self._operators.discard(session)  # the true fidelity never reaches a node (TWIN-5.8-2)
        attached = Attached(
            request_id=message.request_id,
            identity=self._identity,
            secret=int(self._secret),
            qubits=len(bank),
            memories=bank.kinds(),
            operations=bank.operations(),
        )
        self._answers.put(session, attached)
        return Status.OK

    def _detach(self, bank: Bank, now_ns: int) -> None:
        """Forget a node's host and all that only it knew of."""
        if bank.session is not None:
            del self._served[bank.session]
            bank.session = None
        self._statistics.released += self._store.release_all(bank, now_ns)
        self._links.detach(bank)

    # ---- requests of nodes ----

    def _on_request(self, bank: Bank, message: Message, now_ns: int) -> Status:
        kind = type(message)
        act = _ACTS.get(kind)
        if act is not None:
            return self._act(bank, message, act, now_ns)
        if kind is Release:
            return self._act(bank, message, _Act("qubits", self._release, Released, "statuses"), now_ns)
        ask = _ASKS.get(kind)
        return Status.UNSUPPORTED if ask is None else ask(self._links, bank, message, now_ns)

    def _act(self, bank: Bank, message: Any, act: _Act, now_ns: int) -> Status:
        if message.instant > now_ns + self._horizon_ns:
            return Status.TOO_FAR
        results, completed_ns = act.perform(self._operations, bank, getattr(message, act.items), message.instant)
        self._answers.count_refused(getattr(each, "status", each) for each in results)
        assert bank.session is not None
        self._answers.give(
            bank.session, act.result, message.request_id, completed_ns=completed_ns, ideal_ns=completed_ns,
            now_ns=now_ns, **{act.results: tuple(results)},
        )  # fmt: skip
        return Status.OK

    def _release(self, operations: Operations, bank: Bank, qubits: tuple[QubitId, ...], instant_ns: int) -> Done:
        """Empty memories, whatever they are: what they wait for is withdrawn."""
        return Done([
            Status.OK if self._links.withdraw(bank, qubit, instant_ns) else operations.release(bank, qubit, instant_ns)
            for qubit in qubits
        ], instant_ns)  # fmt: skip

    # ---- operators ----

    def _on_operator(self, session: int, message: Message, now_ns: int) -> Status:
        if not isinstance(message, InspectPair):
            return Status.NOT_ALLOWED
        bank = self._banks.get(message.node)
        if bank is None:
            return Status.UNKNOWN_NODE
        handle = bank.filled(message.qubit)
        if isinstance(handle, Status):
            return handle
        engine = self._store.engine
        companions = engine.companions(handle)
        told: tuple[int, ...] = ()
        if len(companions) <= 2:
            state = engine.inspect_pair(handle, now_ns)
            assert state is not None, "a memory holds a stale handle"
            # Rounding of a sum of four can leave a fidelity some 1e-16 outside 0..1.
            told = tuple(min(FIDELITY_UNIT, max(0, round(f * FIDELITY_UNIT))) for f in fidelities(state))
        node, qubit = self._store.where(engine.partner(handle)) or (Qna(0), QubitId(0))
        others = [self._store.where(each) for each in companions if each != handle]
        self._answers.give(
            session, PairInspected, message.request_id, completed_ns=now_ns, ideal_ns=now_ns, now_ns=now_ns,
            alone=int(not any(others)), qubits=len(companions), partner_node=node, partner_qubit=qubit,
            fidelities=told,
        )  # fmt: skip
        return Status.OK


_ACTS: dict[type[Message], _Act] = {
    Initialise: _Act("qubits", Operations.initialise, Initialised, "statuses"),
    ApplyGates: _Act("gates", Operations.apply, GatesApplied, "statuses"),
    Move: _Act("moves", Operations.move, Moved, "statuses"),
    Swap: _Act("couples", Operations.swap, Swapped, "outcomes"),
    Measure: _Act("measurements", Operations.measure, Measured, "outcomes"),
}

_ASKS: dict[type[Message], Callable[[LinkRequests, Bank, Any, int], Status]] = {
    Attempt: LinkRequests.attempt,
    AwaitHeralds: LinkRequests.await_heralds,
    CountClicks: LinkRequests.count_clicks,
    FetchOutcomes: LinkRequests.fetch,
    Transmit: LinkRequests.transmit,
    Receive: LinkRequests.receive,
    InspectPair: lambda links, bank, message, now_ns: Status.NOT_ALLOWED,
}
