"""The link layer of one node: its links, and the links that it is a station for.

Dispatch only: rules are in `states`, what they do in `end`, `window`, `planner` and `station`.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

from qstack.base.chance import Chance
from qstack.base.effects import Seal, Sender
from qstack.base.errors import ErrorCode, LocalMisuse, PeerViolation
from qstack.base.ids import Label, LinkId, Qna, QubitId
from qstack.base.services import (
    CancelCreate,
    CancelPairs,
    CreateFailed,
    CreatePairs,
    DataFailed,
    DeviceGone,
    DeviceReady,
    LinkRefused,
    ListenData,
    ListenPairs,
    PairsFailed,
    PeerDown,
    PeerUp,
    QubitsFreed,
    ReleaseLink,
    RequestPairs,
    ReserveLink,
    SendData,
    UnlistenData,
    UnlistenPairs,
)  # fmt: skip
from qstack.base.time import Instant, Timescale
from qstack.proto.link.calibrating import ClickCounter
from qstack.proto.link.end import LinkDescription, LinkEnd, ToStation
from qstack.proto.link.memory import MemoryBank
from qstack.proto.link.params import LinkConfiguration, LinkParameters, StationConfiguration
from qstack.proto.link.station import Station, StationDescription
from qstack.proto.link.surroundings import Surroundings
from qstack.wire.link import (
    CalibrationPlan,
    CalibrationReport,
    ClockEcho,
    ClockProbe,
    Expire,
    Gen,
    Pass,
    Reply,
    ReplyCopy,
)  # fmt: skip
from qstack.wire.twin import (
    ClicksCounted,
    GatesApplied,
    Heralds,
    Measured,
    Moved,
    OutcomesFetched,
    Received,
    Refused,
    Released,
    Swapped,
    Transmitted,
)  # fmt: skip
from qstack.wire.value import Message

__all__ = ["LinkLayerDescription", "LinkMachine", "MemoryDescription"]

_RESULTS = (ClicksCounted, GatesApplied, Heralds, Measured, Moved, OutcomesFetched, Received, Refused, Released,
            Swapped, Transmitted)  # fmt: skip


@dataclass(frozen=True, slots=True)
class LinkLayerDescription:
    """All of it, for operators."""

    links: tuple[LinkDescription, ...]
    stations: tuple[StationDescription, ...]


@dataclass(frozen=True, slots=True)
class MemoryDescription:
    """A memory of a link, for operators. `label`: of the circuit that uses it, 0 for none, or for an
    application."""

    qubit: QubitId
    link: LinkId
    neighbour: Qna
    place: str
    label: Label
    sequence: int


class LinkMachine:
    """The link layer of the node `own`. One link to a neighbour; links may share memories."""

    def __init__(
        self, own: Qna, parameters: LinkParameters, chance: Chance, *, timescale: Callable[[], Timescale],
        links: Iterable[LinkConfiguration] = (), stations: Iterable[StationConfiguration] = (),
    ) -> None:  # fmt: skip
        self.own = own
        self._around = Surroundings(own, parameters, timescale, chance)
        bank = self._bank = MemoryBank()
        self._ends = {link.link: LinkEnd(link, self._around, bank, self._tell_station) for link in links}
        self._stations = {link.link: Station(link, self._around, self._send_reply) for link in stations}
        self._counters = {link.link: ClickCounter(link, self._around, self._tell_end) for link in stations}
        self._by_neighbour = {end.configuration.neighbour: end for end in self._ends.values()}
        self._sharers = {
            link: {other: each for other, each in self._ends.items() if each.pool.shares_with(end.pool)}
            for link, end in self._ends.items()
        }
        self._by_pool = {id(end.pool): end for end in self._ends.values()}
        self._touched: dict[LinkId, LinkEnd] = {}
        if len(self._by_neighbour) < len(self._ends):
            raise LocalMisuse("two links lead to one neighbour")

    # --- driven by the node --------------------------------------------------------------------------------------

    def receive(self, message: Message, sender: Sender, now_ns: Instant) -> None:
        """A message of the link table. Raises `PeerViolation` before anything has changed."""
        self._around.now_ns = now_ns
        if sender.seal is not Seal.HOP or sender.qna != sender.neighbour:
            raise PeerViolation(f"{message.NAME} did not come from a neighbour under the hop seal")
        link = LinkId(getattr(message, "link", 0))
        if isinstance(message, Gen | Pass):
            self._hear(self._station(link), message, sender.qna)
            return
        if isinstance(message, CalibrationPlan | CalibrationReport | ClockProbe | ClockEcho):
            self._calibrate(message, sender.qna)
            return
        end = self._end(link)
        if isinstance(message, Reply):
            end.windows.reply(message, sender.qna)
            return
        if isinstance(message, ReplyCopy):
            end.windows.hear_copy(_original(message), sender.qna)
            return
        if sender.qna != end.configuration.neighbour:
            raise PeerViolation(f"{message.NAME} for link {link}, of which the sender is no end")
        if isinstance(message, Expire):
            end.expired_by_peer(message)
        else:
            end.receive(message)

    def on_service(self, service: Any, now_ns: Instant) -> None:
        """What circuits and applications ask, what becomes of the device and of neighbours."""
        self._around.now_ns = now_ns
        match service:
            case ReserveLink():
                end = self._towards(service.neighbour)
                no_route = LinkRefused(service.neighbour, service.label, ErrorCode.NO_ROUTE)
                self._around.emit(no_route if end is None else end.reserve(service))
            case ReleaseLink():
                end = self._towards(service.neighbour)
                if end is not None:
                    end.release(service.label)
            case RequestPairs():
                end = self._towards(service.neighbour)
                reason = ErrorCode.NO_ROUTE if end is None else end.asking.request(service)
                if reason is not None:
                    self._around.emit(PairsFailed(service.neighbour, service.label, reason))
            case CancelPairs():
                end = self._towards(service.neighbour)
                if end is not None:
                    end.asking.cancel_label(service.label)
            case CreatePairs() | CancelCreate() | ListenPairs() | UnlistenPairs():
                self._serve_application(service)
            case QubitsFreed():
                self._give_back(service)
            case DeviceGone():
                self._lose_device()
            case DeviceReady():
                self._around.has_device = True
                for end in self._ends.values():
                    end.release_again()
            case PeerUp(seal=Seal.HOP) | PeerDown(seal=Seal.HOP):
                self._meet_or_lose(service)
            case SendData() | ListenData() | UnlistenData():
                self._serve_data(service)

    def on_device_result(self, result: Message, now_ns: Instant) -> None:
        """What the device has seen or done; AttemptAccepted says nothing."""
        self._around.now_ns = now_ns
        number = getattr(result, "request_id", 0)
        if number not in self._around.asked or not isinstance(result, _RESULTS):
            return
        what, link, which = self._around.asked.pop(number)
        match result:
            case Heralds() if what == "heralds" and link in self._stations:
                self._stations[LinkId(link)].heralds(result)
            case Released() if what == "release":
                self._end(LinkId(link)).windows.released(which, result.statuses)
            case _ if what in ("fetch", "measure", "move", "turn"):
                self._end(LinkId(link)).windows.delivery.answered(which, result)
            case _ if what == "densely":
                self._end(LinkId(link)).dense.result(which, result)
            case ClicksCounted() | Refused() if what == "count":
                self._counters[LinkId(link)].result(which, result)
            case Refused() if what == "heralds" and link in self._stations:
                self._stations[LinkId(link)].device_refused(which)
            case _ if what == "samples":
                self._end(LinkId(link)).samples.result(which, result)
            case Refused() if what == "attempt":
                self._end(LinkId(link)).windows.refused(which)
            case _:
                self._around.count("stray_results")

    def handle_deadline(self, now_ns: Instant) -> None:
        """Fire what is due."""
        self._around.now_ns = now_ns
        for what, link, which in self._around.timers.pop_due(now_ns):
            if what in ("partner", "begin", "herald"):
                self._stations[LinkId(link)].time_out(what, which)
                continue
            end = self._end(LinkId(link))
            match what:
                case "plan":
                    end.plan()
                case "offer":
                    end.windows.begin(which)
                case "reply":
                    end.windows.unanswered(which)
                case "stock":
                    end.stock.look()
                case "release":
                    end.windows.release_again()
                case "dense":
                    end.dense.time_out()
                case "dense-in":
                    end.dense.forget_theirs()
                case "calibrate":
                    end.calibrate()
                case _:
                    end.asking.expire(which, mine=what == "mine")

    def next_deadline(self) -> Instant | None:
        """When `handle_deadline` wants to be called."""
        deadline = self._around.timers.next_deadline()
        return None if deadline is None else Instant(deadline)

    def take_effects(self) -> list[Any]:
        """What is to be done, in order. Links that something happened to plan, or advertise, once a turn."""
        touched, self._touched = self._touched, {}
        for end in list(touched.values()):  # what one link gives back, others may have waited for
            touched |= self._sharers[end.configuration.link]
        for end in touched.values():
            end.finish_turn()
        taken, self._around.effects[:] = list(self._around.effects), []
        return taken

    def describe(self) -> LinkLayerDescription:
        """For operators."""
        return LinkLayerDescription(
            tuple(end.describe() for end in self._ends.values()),
            tuple(station.describe() for station in self._stations.values()),
        )

    def describe_memories(self) -> tuple[MemoryDescription, ...]:
        """Every memory of every link."""
        return tuple(
            MemoryDescription(each.qubit, end.configuration.link, end.configuration.neighbour, each.place.value,
                              Label(max(0, each.label)), each.sequence)
            for end in self._ends.values() for each in end.pool if each.user in (None, end.pool)
        )  # fmt: skip

    # --- small print ---------------------------------------------------------------------------------------------

    def _end(self, link: LinkId) -> LinkEnd:
        end = self._ends.get(link)
        if end is None:
            raise PeerViolation(f"link {link} does not end here")
        self._touched[link] = end
        return end

    def _towards(self, neighbour: Qna) -> LinkEnd | None:
        end = self._by_neighbour.get(neighbour)
        if end is not None:
            self._touched[end.configuration.link] = end
        return end

    def _station(self, link: LinkId) -> Station:
        station = self._stations.get(link)
        if station is None:
            raise PeerViolation(f"this node is no station of link {link}")
        return station

    def _serve_application(self, service: CreatePairs | CancelCreate | ListenPairs | UnlistenPairs) -> None:
        end = self._towards(service.neighbour)
        match service:
            case CreatePairs():
                reason = ErrorCode.NO_ROUTE if end is None else end.asking.create(service)
                if reason is not None:
                    self._around.emit(CreateFailed(service.neighbour, service.purpose, service.create_id, True, reason))
            case CancelCreate() if end is not None:
                end.asking.cancel_create(service.create_id)
            case ListenPairs() if end is not None:
                end.asking.listen(service.purpose)
            case UnlistenPairs() if end is not None:
                end.asking.unlisten(service.purpose)

    def _serve_data(self, service: SendData | ListenData | UnlistenData) -> None:
        end = self._towards(service.neighbour)
        match service:
            case SendData():
                reason = ErrorCode.NO_ROUTE if end is None else end.data.send(service)
                if reason is not None:
                    self._around.emit(DataFailed(service.neighbour, service.purpose, service.number, reason))
            case ListenData() if end is not None:
                end.data.listen(service.purpose)
            case UnlistenData() if end is not None:
                end.data.unlisten(service.purpose)

    def _give_back(self, freed: QubitsFreed) -> None:
        by_end: dict[LinkId, list[QubitId]] = {}
        for qubit in freed.qubits:
            end = self._by_pool.get(id(self._bank.user(qubit)))
            if end is None:
                self._around.count("stray_frees")
            else:
                by_end.setdefault(end.configuration.link, []).append(qubit)
        for link, qubits in by_end.items():
            self._end(link).give_back(qubits, freed.discard)

    def _meet_or_lose(self, service: PeerUp | PeerDown) -> None:
        if isinstance(service, PeerDown):
            self._lose(service.peer)
            return
        end = self._towards(service.peer)
        if end is not None:
            end.begin()

    def _lose(self, peer: Qna) -> None:
        for station in self._stations.values():
            if peer in station.configuration.ends:
                station.lose_end()
        for end in self._ends.values():
            self._touched[end.configuration.link] = end
            if peer == end.configuration.neighbour:
                end.restart(ErrorCode.SESSION_LOST)
            elif peer in end.configuration.stations:
                end.lose_station(peer, ErrorCode.SESSION_LOST)

    def _lose_device(self) -> None:
        """LINK-5.5-5: no label has a future here. Its circuit gives it back, and so its memories."""
        self._around.has_device = False
        for end in self._ends.values():
            end.windows.lose_device()
            end.stock.lose()
            end.asking.fail_applications(ErrorCode.NO_RESOURCES)
            for label in end.pool.kept:
                self._around.emit(PairsFailed(end.configuration.neighbour, label, ErrorCode.NO_RESOURCES))

    def _hear(self, station: Station, message: Gen | Pass, end: Qna) -> None:
        if isinstance(message, Gen):
            station.receive_gen(message, end)
        else:
            station.receive_pass(message, end)

    def _calibrate(self, message: CalibrationPlan | CalibrationReport | ClockProbe | ClockEcho, sender: Qna) -> None:
        """Some is for the station, some for an end; a plan may be for both parts of this node."""
        end, counter = self._ends.get(message.link), self._counters.get(message.link)
        match message:
            case CalibrationReport() | ClockEcho():
                if end is None or sender not in end.configuration.stations:
                    raise PeerViolation(f"{message.NAME} from a node that is no station of a link that ends here")
                self._tell_calibrator(end, message)
            case ClockProbe() if counter is not None:
                counter.tell_clock(message, sender)
            case CalibrationPlan():
                is_for_end = end is not None and sender == end.configuration.neighbour
                is_for_station = counter is not None and message.station == self.own
                if not is_for_end and not is_for_station:
                    raise PeerViolation("a CalibrationPlan that is not for this node")
                if end is not None and is_for_end:
                    end.calibrator.hear_plan(message)
                if counter is not None and is_for_station:
                    counter.hear_plan(message, sender)
            case _:
                raise PeerViolation(f"this node is no station of link {message.link}")

    def _tell_calibrator(self, end: LinkEnd, message: CalibrationReport | ClockEcho) -> None:
        if isinstance(message, CalibrationReport):
            end.calibrator.hear_report(message)
        else:
            end.calibrator.hear_clock(message)

    def _tell_station(self, message: ToStation) -> None:
        if message.station != self.own:
            self._around.send(message.station, message)
        elif isinstance(message, Gen | Pass):
            self._tell_itself(lambda: self._hear(self._station(message.link), message, self.own))
        else:
            self._tell_itself(lambda: self._calibrate(message, self.own))

    def _tell_end(self, end: Qna, message: CalibrationReport | ClockEcho) -> None:
        if end == self.own:
            self._tell_itself(lambda: self._tell_calibrator(self._end(message.link), message))
        else:
            self._around.send(end, message)

    def _send_reply(self, end: Qna, reply: Reply) -> None:
        if end == self.own:
            self._tell_itself(lambda: self._end(reply.link).windows.reply(reply, self.own))
        else:
            self._around.send(end, reply)
            self._around.send(end, _copy(reply))

    def _tell_itself(self, tell: Callable[[], None]) -> None:
        """Between a link's end and its station, where this node is both.

        The other end can make the two disagree: about a window that another station heralds, or one that is offered for
        a second time. It must not be a violation in the middle of what else is being done; the window times out.
        """
        try:
            tell()
        except PeerViolation:
            self._around.count("stray_to_itself")


def _copy(reply: Reply) -> ReplyCopy:
    return ReplyCopy(**{field.name: getattr(reply, field.name) for field in ReplyCopy.LAYOUT.fields})


def _original(copy: ReplyCopy) -> Reply:
    return Reply(**{field.name: getattr(copy, field.name) for field in Reply.LAYOUT.fields})
