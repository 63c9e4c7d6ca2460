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
from typing import Any

from qstack.base.chance import Chance
from qstack.base.errors import WireError
from qstack.base.ids import Cycle, LinkId, Qna, QubitId
from qstack.base.pairs import PairKind
from qstack.base.time import DomainTime
from qstack.quantum.formulas import fidelities
from qstack.twin.bank import Bank
from qstack.twin.configuration import TwinConfiguration, TwinLink
from qstack.twin.pairs import Pairs
from qstack.twin.statistics import TwinStatistics
from qstack.twin.window import Ask, Window, WindowBook, WindowName
from qstack.wire.protocols import Protocol
from qstack.wire.twin import (
    FIDELITY_UNIT,
    PROBABILITY_UNIT,
    VERSION,
    ApplyGates,
    Attach,
    Attached,
    Attempt,
    AttemptAccepted,
    AwaitHeralds,
    ClicksCounted,
    CountClicks,
    GatesApplied,
    Heralds,
    InspectPair,
    Measure,
    Measured,
    PairInspected,
    Refused,
    Release,
    Released,
    Status,
    Swap,
    Swapped,
)
from qstack.wire.value import Message, decode_message_untrusted

__all__ = ["Twin"]

_Handler = Callable[[Any, Bank, Any, int], Status]
"""Acts on a request and answers it, or gives the status with which it is refused."""


class Twin:
    """A network of quantum devices. Driven by messages and deadlines, emptied by `take_results`.

    Sessions are small numbers of the caller's choice, one a connection. `now_ns` is domain time, TAI nanoseconds.
    """

    def __init__(self, configuration: TwinConfiguration, chance: Chance) -> None:
        self._configuration = configuration
        self._chance = chance
        self._identity = chance.integer(b"identity", 64)
        self._statistics = TwinStatistics()
        self._banks = {node: Bank(node, kind) for node, kind in configuration.nodes.items()}
        self._pairs = Pairs(self._banks, chance.derive(b"outcomes"), self._statistics)
        self._windows = WindowBook()
        self._served: dict[int, Bank] = {}
        self._operators: set[int] = set()
        self._allowed: dict[int, frozenset[Qna]] = {}
        self._results: list[tuple[int, Message]] = []

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
            handler = _HANDLERS.get(type(message))
            bank = self._served[session]
            refusal = Status.UNSUPPORTED if handler is None else handler(self, bank, message, now_ns)
        else:
            refusal = Status.NOT_ATTACHED
        if refusal is not Status.OK:
            self._refuse(session, message, refusal, now_ns)

    def handle_deadline(self, now_ns: int) -> None:
        """Forget windows whose grace is over; tell stations that still wait that a partner is missing."""
        for window in self._windows.forget(now_ns):
            if window.counts:
                self._tell_counts(window, now_ns)
            if window.heralds is None:
                self._give_up(window, now_ns)

    def next_deadline(self) -> int | None:
        """Domain time at which `handle_deadline` has something to do."""
        return self._windows.next_deadline()

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
        results, self._results = self._results, []
        return results

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
        """Pairs of which at least one half is in a memory."""
        return self._pairs.live

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
        bank.session, bank.attachments, bank.primitives = session, bank.attachments + 1, 0
        self._served[session] = bank
        self._operators.discard(session)  # the true fidelity never reaches a node (TWIN-5.8-2)
        attached = Attached(
            request_id=message.request_id,
            identity=self._identity,
            secret=int(self._chance.secret),
            qubits=len(bank),
            memories=bank.kinds(),
        )
        self._results.append((session, attached))
        return Status.OK

    def _detach(self, bank: Bank, now_ns: int) -> None:
        """Forget a node's host and all that only it knew of."""
        if bank.session is not None:
            del self._served[bank.session]
            bank.session = None
        self._pairs.release_all(bank, now_ns)
        for window in self._windows.unresolved():
            window.offers.pop(bank.node, None)
            if window.link.station == bank.node:
                window.asks.clear()
                window.counts.clear()

    # ---- making pairs ----

    def _on_attempt(self, bank: Bank, message: Attempt, now_ns: int) -> Status:
        link = self._configuration.links.get(message.link)
        if link is None or bank.node not in link.ends:
            return Status.UNKNOWN_LINK
        if message.kind != PairKind.KEEP:
            return Status.UNSUPPORTED
        refusal = self._window_refusal(link, message, now_ns)
        if refusal is Status.OK and message.first_cycle < self._windows.next_cycle(message.link, bank.node):
            refusal = Status.EARLY
        if refusal is Status.OK:
            refusal = bank.may_offer(message.qubits, link.start_ns(message.first_cycle))
        if refusal is not Status.OK:
            return refusal
        window = self._open(link, message)
        bright = message.bright / PROBABILITY_UNIT if message.bright else None
        bank.offer(message.qubits, window.name)
        self._windows.attempt(window, bank.node, message.qubits, bright)
        self._emit(bank, AttemptAccepted, message, ideal_ns=now_ns, completed_ns=now_ns, now_ns=now_ns)
        self._resolve(window, now_ns)
        return Status.OK

    def _on_await(self, bank: Bank, message: AwaitHeralds, now_ns: int) -> Status:
        link = self._configuration.links.get(message.link)
        if link is None or bank.node != link.station:
            return Status.UNKNOWN_LINK
        refusal = self._window_refusal(link, message, now_ns)
        if refusal is not Status.OK:
            return refusal
        window = self._open(link, message)
        assert bank.session is not None
        window.asks.append(Ask(bank.session, message.request_id))
        self._resolve(window, now_ns)
        return Status.OK

    def _on_count(self, bank: Bank, message: CountClicks, now_ns: int) -> Status:
        link = self._configuration.links.get(message.link)
        if link is None or bank.node != link.station:
            return Status.UNKNOWN_LINK
        refusal = self._window_refusal(link, message, now_ns)
        if refusal is Status.OK and not link.hardware.tunable:
            refusal = Status.UNSUPPORTED
        if refusal is not Status.OK:
            return refusal
        assert bank.session is not None
        self._open(link, message).counts.append(Ask(bank.session, message.request_id))
        return Status.OK

    def _window_refusal(self, link: TwinLink, message: Attempt | AwaitHeralds | CountClicks, now_ns: int) -> Status:
        end_ns = link.start_ns(message.first_cycle + message.cycles)
        if message.cycles == 0:
            return Status.UNSUPPORTED
        if end_ns + self._configuration.grace_ns <= now_ns:
            return Status.LATE
        if end_ns > now_ns + self._configuration.horizon_ns:
            return Status.TOO_FAR
        if self._windows.find(_name(message)) is None and self._windows.full(message.link):
            return Status.NO_ROOM
        return Status.OK

    def _open(self, link: TwinLink, message: Attempt | AwaitHeralds | CountClicks) -> Window:
        end_ns = link.start_ns(message.first_cycle + message.cycles)
        return self._windows.open(_name(message), link, end_ns + self._configuration.grace_ns)

    def _resolve(self, window: Window, now_ns: int) -> None:
        """Let the attempts happen once both are known and the station listens; answer whoever listens."""
        if window.complete:
            window.heralds = self._pairs.resolve(window)
        if window.heralds is not None:
            ideal_ns = window.end_ns + window.link.hardware.at(None, window.end_ns).herald_delay_ns
            self._answer_asks(window, Status.OK, window.end_ns, ideal_ns, now_ns)

    def _give_up(self, window: Window, now_ns: int) -> None:
        self._statistics.unmatched += not window.counts
        for end, qubits in window.offers.items():
            for qubit in qubits:
                if qubit is not None:
                    self._banks[end].vacate(qubit, window.end_ns)
        self._answer_asks(window, Status.NO_PARTNER, window.end_ns, now_ns, now_ns)

    def _answer_asks(self, window: Window, status: Status, completed_ns: int, ideal_ns: int, now_ns: int) -> None:
        for ask in window.asks:
            heralds = Heralds(
                request_id=ask.request_id,
                status=status,
                completed_at=DomainTime(completed_ns),
                deliver_at=self._deliver_at(ideal_ns, now_ns),
                link=window.name.link,
                first_cycle=window.name.first_cycle,
                cycles=window.name.cycles,
                attempted=window.attempted,
                heralds=window.heralds or (),
            )
            self._results.append((ask.session, heralds))
        window.asks.clear()

    def _tell_counts(self, window: Window, now_ns: int) -> None:
        """Who attempts is only known when nobody can attempt any more (TWIN-5.13-2)."""
        clicks, arrival_ns = self._pairs.count(window)
        for ask in window.counts:
            counted = ClicksCounted(
                request_id=ask.request_id,
                completed_at=DomainTime(window.end_ns),
                deliver_at=DomainTime(now_ns),
                attempted=window.attempted,
                clicks=clicks,
                arrival_ns=arrival_ns,
            )
            self._results.append((ask.session, counted))

    # ---- acting on qubits ----

    def _on_swap(self, bank: Bank, message: Swap, now_ns: int) -> Status:
        if self._too_far(message.instant, now_ns):
            return Status.TOO_FAR
        outcomes = tuple(self._pairs.swap(bank, message.couples, message.instant))
        self._count_refusals([outcome.status for outcome in outcomes])
        self._emit_done(bank, Swapped, message, now_ns, outcomes=outcomes)
        return Status.OK

    def _on_measure(self, bank: Bank, message: Measure, now_ns: int) -> Status:
        if self._too_far(message.instant, now_ns):
            return Status.TOO_FAR
        outcomes = tuple(self._pairs.measure(bank, message.measurements, message.instant))
        self._count_refusals([outcome.status for outcome in outcomes])
        self._emit_done(bank, Measured, message, now_ns, outcomes=outcomes)
        return Status.OK

    def _on_gates(self, bank: Bank, message: ApplyGates, now_ns: int) -> Status:
        if self._too_far(message.instant, now_ns):
            return Status.TOO_FAR
        statuses = tuple(self._pairs.apply(bank, message.gates, message.instant))
        self._count_refusals(statuses)
        self._emit_done(bank, GatesApplied, message, now_ns, statuses=statuses)
        return Status.OK

    def _on_release(self, bank: Bank, message: Release, now_ns: int) -> Status:
        if self._too_far(message.instant, now_ns):
            return Status.TOO_FAR
        statuses = tuple(self._release(bank, qubit, message.instant) for qubit in message.qubits)
        self._count_refusals(statuses)
        self._emit_done(bank, Released, message, now_ns, statuses=statuses)
        return Status.OK

    def _release(self, bank: Bank, qubit: QubitId, instant_ns: int) -> Status:
        memory = bank.memory(qubit)
        if memory is None or memory.offered is None:
            return self._pairs.release(bank, qubit, instant_ns)
        window = self._windows.find(memory.offered)
        assert window is not None, "a memory is offered to a window that is forgotten"
        offers = window.offers[bank.node]
        offers[offers.index(qubit)] = None
        # Its light is on the way until the window ends: no other window may use it before.
        bank.vacate(qubit, max(instant_ns, window.end_ns))
        return Status.OK

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
        seen = self._pairs.inspect(handle, now_ns)
        node, qubit = seen.partner or (Qna(0), QubitId(0))
        # Rounding of a sum of four can leave a fidelity some 1e-16 outside 0..1.
        told = tuple(min(FIDELITY_UNIT, max(0, round(f * FIDELITY_UNIT))) for f in fidelities(seen.state))
        inspected = PairInspected(
            request_id=message.request_id,
            completed_at=DomainTime(now_ns),
            deliver_at=DomainTime(now_ns),
            alone=int(seen.partner is None),
            partner_node=node,
            partner_qubit=qubit,
            fidelities=told,
        )
        self._results.append((session, inspected))
        return Status.OK

    def _on_inspect(self, bank: Bank, message: InspectPair, now_ns: int) -> Status:
        del bank, message, now_ns
        return Status.NOT_ALLOWED

    # ---- answering ----

    def _too_far(self, instant_ns: int, now_ns: int) -> bool:
        return instant_ns > now_ns + self._configuration.horizon_ns

    def _deliver_at(self, ideal_ns: int, now_ns: int) -> DomainTime:
        """When a result may be known, at the twin's pace (TWIN-4-5)."""
        self._statistics.note_delivery(ideal_ns, now_ns)
        ahead_ns = ideal_ns - now_ns
        if ahead_ns <= 0 or self._configuration.pace == 1.0:
            return DomainTime(ideal_ns)
        return DomainTime(now_ns + round(ahead_ns * self._configuration.pace))

    def _emit(
        self,
        bank: Bank,
        kind: Any,
        request: Any,
        *,
        ideal_ns: int,
        completed_ns: int,
        now_ns: int,
        **values: Any,
    ) -> None:
        assert bank.session is not None
        deliver_at = self._deliver_at(ideal_ns, now_ns)
        result = kind(request_id=request.request_id, completed_at=completed_ns, deliver_at=deliver_at, **values)
        self._results.append((bank.session, result))

    def _emit_done(self, bank: Bank, kind: Any, request: Any, now_ns: int, **values: Any) -> None:
        """Answer a primitive that takes no time: complete, and known, at its instant."""
        self._emit(bank, kind, request, ideal_ns=request.instant, completed_ns=request.instant, now_ns=now_ns, **values)

    def _refuse(self, session: int, message: Any, status: Status, now_ns: int) -> None:
        self._statistics.refused += 1
        now = DomainTime(now_ns)
        refused = Refused(request_id=message.request_id, status=status, completed_at=now, deliver_at=now)
        self._results.append((session, refused))

    def _count_refusals(self, statuses: list[int] | tuple[int, ...]) -> None:
        self._statistics.refused += sum(status not in (Status.OK, Status.EMPTY) for status in statuses)


def _name(message: Attempt | AwaitHeralds | CountClicks) -> WindowName:
    return WindowName(LinkId(message.link), Cycle(message.first_cycle), message.cycles)


_HANDLERS: dict[type[Message], _Handler] = {
    Attempt: Twin._on_attempt,
    AwaitHeralds: Twin._on_await,
    CountClicks: Twin._on_count,
    Swap: Twin._on_swap,
    Measure: Twin._on_measure,
    ApplyGates: Twin._on_gates,
    Release: Twin._on_release,
    InspectPair: Twin._on_inspect,
}
