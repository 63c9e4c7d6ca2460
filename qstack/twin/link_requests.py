"""Requests about links: attempts, heralds, clicks, outcomes, flights. Who may ask, when, and who is told (TWIN-5.2,
TWIN-5.3, TWIN-5.9, TWIN-5.12, TWIN-5.13)."""

from typing import Any

from qstack.base.ids import Cycle, LinkId, QubitId
from qstack.base.pairs import BasisChoice, PairKind
from qstack.twin.answers import Answers
from qstack.twin.attempts import Attempts
from qstack.twin.bank import Bank
from qstack.twin.configuration import TwinConfiguration, TwinLink
from qstack.twin.flight import Flight, FlightBook, FlightName, Flights, arrival_ns
from qstack.twin.statistics import TwinStatistics
from qstack.twin.store import Store
from qstack.twin.window import MAXIMUM_WINDOWS, Ask, Offer, Window, WindowBook, WindowName, reading_of
from qstack.wire.twin import (
    MAXIMUM_COUNTED_CYCLES,
    PROBABILITY_UNIT,
    Attempt,
    AttemptAccepted,
    AwaitHeralds,
    ClicksCounted,
    CountClicks,
    FetchOutcomes,
    Heralds,
    OutcomesFetched,
    Receive,
    Received,
    Status,
    Transmit,
    Transmitted,
)

__all__ = ["LinkRequests"]

Windowed = Attempt | AwaitHeralds | CountClicks


class LinkRequests:
    """What is asked of links. Every function gives OK when it has answered, or will, else why it is refused."""

    def __init__(
        self, configuration: TwinConfiguration, store: Store, answers: Answers, statistics: TwinStatistics
    ) -> None:
        self._configuration = configuration
        self._store = store
        self._answers = answers
        self._statistics = statistics
        self._windows = WindowBook()
        self._flying = FlightBook()
        self._attempts = Attempts(store, statistics)
        self._flights = Flights(store, statistics)

    # ---- time ----

    def handle_deadline(self, now_ns: int) -> None:
        """Forget windows and flights whose grace is over, and tell those who still wait."""
        for window in self._windows.forget(now_ns):
            if window.counts:
                self._tell_counts(window, now_ns)
            if window.heralds is None:
                self._give_up(window, now_ns)
        for flight in self._flying.forget(now_ns):
            self._settle(flight, now_ns, now_ns)

    def next_deadline(self) -> int | None:
        """When `handle_deadline` has something to do."""
        deadlines = (self._windows.next_deadline(), self._flying.next_deadline())
        return min((each for each in deadlines if each is not None), default=None)

    @property
    def open_windows(self) -> int:
        """Windows that are not resolved, and flights that are not settled."""
        return sum(1 for _ in self._windows.unresolved()) + len(self._flying)

    def detach(self, bank: Bank) -> None:
        """A node's host is gone: its attempts are withdrawn, and nobody waits for it."""
        for window in self._windows.unresolved():
            window.offers.pop(bank.node, None)
            if window.link.station == bank.node:
                window.asks.clear()
                window.counts.clear()
        for flight in self._flying.awaiting(bank.node):
            flight.memories = flight.ask = flight.offered = None
        self._attempts.forget(bank.node)

    def withdraw(self, bank: Bank, qubit: int, instant_ns: int) -> bool:
        """Throw away what would come into an offered memory (TWIN-5.7-1); False when it is not offered."""
        memory = bank.memory(qubit)
        if memory is None or memory.offered is None:
            return False
        flight = self._flying.waiting_as(bank.node, memory.offered)
        window = self._windows.find(memory.offered)
        if flight is not None and flight.memories is not None:
            until_ns = arrival_ns(flight.link, flight.name.first_cycle + len(flight.memories))
            places: list[Any] = flight.memories
        else:
            assert window is not None, "a memory is offered to a window that is forgotten"
            until_ns, places = window.end_ns, window.offers[bank.node].qubits
        places[places.index(qubit)] = None
        # Its light is on the way until then: nothing else may use it before.
        bank.vacate(QubitId(qubit), max(instant_ns, until_ns))
        return True

    # ---- attempts and heralds ----

    def attempt(self, bank: Bank, message: Attempt, now_ns: int) -> Status:
        """An end attempts."""
        link = self._configuration.links.get(message.link)
        if link is None or bank.node not in link.ends:
            return Status.UNKNOWN_LINK
        refusal = self._attempt_refusal(bank, link, message, now_ns)
        if refusal is not Status.OK:
            return refusal
        window = self._open(link, message)
        bank.offer(message.qubits, window.name)
        bright = message.bright / PROBABILITY_UNIT if message.bright else None
        self._windows.attempt(window, bank.node, Offer.of(message, bright))
        self._give(bank, AttemptAccepted, message, completed_ns=now_ns, ideal_ns=now_ns, now_ns=now_ns)
        self._resolve(window, now_ns)
        return Status.OK

    def _attempt_refusal(self, bank: Bank, link: TwinLink, message: Attempt, now_ns: int) -> Status:
        measured = message.kind == PairKind.MEASURE
        if not (measured or message.kind == PairKind.KEEP) or not isinstance(message.choice, BasisChoice):
            return Status.UNSUPPORTED
        if measured and (len(message.qubits) != 1 or not reading_of(message).is_possible):
            return Status.UNSUPPORTED
        refusal = self._window_refusal(link, message, now_ns)
        if refusal is Status.OK and message.first_cycle < self._windows.next_cycle(message.link, bank.node):
            refusal = Status.EARLY
        if refusal is Status.OK:
            refusal = bank.may_offer(message.qubits, link.start_ns(message.first_cycle))
        return refusal

    def await_heralds(self, bank: Bank, message: AwaitHeralds, now_ns: int) -> Status:
        """A station listens."""
        link = self._configuration.links.get(message.link)
        if link is None or bank.node != link.station:
            return Status.UNKNOWN_LINK
        refusal = self._window_refusal(link, message, now_ns)
        if refusal is not Status.OK:
            return refusal
        window = self._open(link, message)
        window.asks.append(_ask(bank, message))
        self._resolve(window, now_ns)
        return Status.OK

    def count_clicks(self, bank: Bank, message: CountClicks, now_ns: int) -> Status:
        """A station counts."""
        link = self._configuration.links.get(message.link)
        if link is None or bank.node != link.station:
            return Status.UNKNOWN_LINK
        refusal = self._window_refusal(link, message, now_ns)
        if refusal is Status.OK and not link.hardware.tunable:
            refusal = Status.UNSUPPORTED
        if refusal is Status.OK and message.cycles > MAXIMUM_COUNTED_CYCLES:
            refusal = Status.NO_ROOM
        if refusal is not Status.OK:
            return refusal
        self._open(link, message).counts.append(_ask(bank, message))
        return Status.OK

    def _window_refusal(self, link: TwinLink, message: Windowed, now_ns: int) -> Status:
        if message.cycles == 0:
            return Status.UNSUPPORTED
        refusal = self._span_refusal(link, message.first_cycle, message.cycles, now_ns)
        if refusal is not Status.OK:
            return refusal
        if self._windows.find(_name(message)) is None and self._windows.full(message.link):
            return Status.NO_ROOM
        return Status.OK

    def _span_refusal(self, link: TwinLink, first_cycle: int, cycles: int, now_ns: int) -> Status:
        end_ns = link.start_ns(first_cycle + cycles)
        if end_ns + self._configuration.grace_ns <= now_ns:
            return Status.LATE
        if end_ns > now_ns + self._configuration.horizon_ns:
            return Status.TOO_FAR
        return Status.OK

    def _open(self, link: TwinLink, message: Windowed) -> Window:
        end_ns = link.start_ns(message.first_cycle + message.cycles)
        return self._windows.open(_name(message), link, end_ns + self._configuration.grace_ns)

    def _resolve(self, window: Window, now_ns: int) -> None:
        """Let the attempts happen once both are known and the station listens; answer whoever listens."""
        if window.complete:
            window.heralds = self._attempts.resolve(window)
        if window.heralds is not None:
            ideal_ns = window.end_ns + window.link.hardware.at(None, window.end_ns).herald_delay_ns
            self._tell_heralds(window, Status.OK, ideal_ns, now_ns)

    def _give_up(self, window: Window, now_ns: int) -> None:
        self._statistics.unmatched += not window.counts
        self._attempts.give_up(window)
        self._tell_heralds(window, Status.NO_PARTNER, now_ns, now_ns)

    def _tell_heralds(self, window: Window, status: Status, ideal_ns: int, now_ns: int) -> None:
        for ask in window.asks:
            self._answers.give(
                ask.session, Heralds, ask.request_id, completed_ns=window.end_ns, ideal_ns=ideal_ns, now_ns=now_ns,
                status=status, link=window.name.link, first_cycle=window.name.first_cycle, cycles=window.name.cycles,
                attempted=window.attempted, heralds=window.heralds or (),
            )  # fmt: skip
        window.asks.clear()

    def _tell_counts(self, window: Window, now_ns: int) -> None:
        """Who attempts is only known when nobody can attempt any more (TWIN-5.13-2)."""
        clicks, arrival = self._attempts.count(window)
        for ask in window.counts:
            self._answers.give(
                ask.session, ClicksCounted, ask.request_id, completed_ns=window.end_ns, ideal_ns=now_ns, now_ns=now_ns,
                attempted=window.attempted, clicks=clicks, arrival_ns=arrival,
            )  # fmt: skip

    def fetch(self, bank: Bank, message: FetchOutcomes, now_ns: int) -> Status:
        """An end asks for what it measured."""
        link = self._configuration.links.get(message.link)
        if link is None or bank.node not in link.ends:
            return Status.UNKNOWN_LINK
        if self._windows.measures(message.link, message.first_cycle, bank.node):
            return Status.EARLY
        found = self._attempts.fetch(bank.node, message.link, message.first_cycle, message.offsets, now_ns)
        if isinstance(found, Status):
            return found
        offsets = [offset for offset, each in zip(message.offsets, found, strict=True) if each.status == Status.OK]
        last_ns = link.start_ns(message.first_cycle + max(offsets, default=0)) + bank.device.gates.measure.duration_ns
        known_ns = max(now_ns, last_ns)
        self._give(bank, OutcomesFetched, message, completed_ns=known_ns, ideal_ns=known_ns, now_ns=now_ns,
                   outcomes=tuple(found))  # fmt: skip
        return Status.OK

    # ---- flights ----

    def transmit(self, bank: Bank, message: Transmit, now_ns: int) -> Status:
        """An end lets qubits go."""
        link = self._configuration.links.get(message.link)
        if link is None or bank.node not in link.ends:
            return Status.UNKNOWN_LINK
        refusal = self._flight_refusal(bank, link, message, now_ns)
        if refusal is not Status.OK:
            return refusal
        flight = self._open_flight(FlightName(message.link, message.first_cycle, bank.node), link, len(message.qubits))
        self._windows.use(_span(message), bank.node)
        flight.sent = []
        statuses = self._flights.leave(bank, flight, message.qubits)
        self._answers.count_refused(statuses)
        last_ns = link.start_ns(message.first_cycle + len(message.qubits) - 1)
        self._give(bank, Transmitted, message, completed_ns=last_ns, ideal_ns=last_ns, now_ns=now_ns,
                   statuses=tuple(statuses))  # fmt: skip
        self._settle_when_known(flight, now_ns)
        return Status.OK

    def receive(self, bank: Bank, message: Receive, now_ns: int) -> Status:
        """An end takes qubits up."""
        link = self._configuration.links.get(message.link)
        if link is None or bank.node not in link.ends:
            return Status.UNKNOWN_LINK
        refusal = self._flight_refusal(bank, link, message, now_ns)
        if refusal is Status.OK:
            refusal = bank.may_offer(message.qubits, link.start_ns(message.first_cycle))
        if refusal is not Status.OK:
            return refusal
        sender = link.ends[0] if bank.node == link.ends[1] else link.ends[1]
        flight = self._open_flight(FlightName(message.link, message.first_cycle, sender), link, len(message.qubits))
        self._windows.use(_span(message), bank.node)
        flight.memories, flight.ask, flight.offered = list(message.qubits), _ask(bank, message), _span(message)
        bank.offer(message.qubits, flight.offered)
        self._settle_when_known(flight, now_ns)
        return Status.OK

    def _flight_refusal(self, bank: Bank, link: TwinLink, message: Transmit | Receive, now_ns: int) -> Status:
        refusal = self._span_refusal(link, message.first_cycle, len(message.qubits), now_ns)
        if refusal is Status.OK and message.first_cycle < self._windows.next_cycle(message.link, bank.node):
            refusal = Status.EARLY
        if refusal is Status.OK and self._flying.count(message.link) >= MAXIMUM_WINDOWS:
            refusal = Status.NO_ROOM
        return refusal

    def _open_flight(self, name: FlightName, link: TwinLink, cycles: int) -> Flight:
        end_ns = link.start_ns(name.first_cycle + cycles)
        return self._flying.open(name, link, end_ns + self._configuration.grace_ns)

    def _settle_when_known(self, flight: Flight, now_ns: int) -> None:
        if flight.sent is not None and flight.memories is not None:
            self._flying.close(flight)
            last_ns = arrival_ns(flight.link, flight.name.first_cycle + len(flight.memories) - 1)
            self._settle(flight, last_ns, now_ns)

    def _settle(self, flight: Flight, known_ns: int, now_ns: int) -> None:
        statuses = self._flights.settle(flight)
        if flight.ask is not None:
            self._answers.give(flight.ask.session, Received, flight.ask.request_id, completed_ns=known_ns,
                               ideal_ns=known_ns, now_ns=now_ns, statuses=tuple(statuses))  # fmt: skip

    def _give(self, bank: Bank, kind: Any, request: Any, **values: Any) -> None:
        assert bank.session is not None
        self._answers.give(bank.session, kind, request.request_id, **values)


def _name(message: Windowed) -> WindowName:
    return WindowName(LinkId(message.link), Cycle(message.first_cycle), message.cycles)


def _span(message: Transmit | Receive) -> WindowName:
    """The cycles that a flight uses at one end."""
    return WindowName(LinkId(message.link), Cycle(message.first_cycle), len(message.qubits))


def _ask(bank: Bank, message: Any) -> Ask:
    assert bank.session is not None
    return Ask(bank.session, message.request_id)
