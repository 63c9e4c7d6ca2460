"""Address resolution of one node: takes messages, services and deadlines to those whom they concern (QARP-4.1).

What is believed: nothing but sealed messages and what `session` reports (rfc_notes/qarp.md). Everything else ends in a
hint about an entry that exists already, in one reply no larger than what it replies to, or in a counter.
"""

from collections.abc import Mapping
from typing import Any

from qstack.base.chance import Chance
from qstack.base.effects import Seal, Sender, SendMessage
from qstack.base.errors import LocalMisuse, PeerViolation
from qstack.base.ids import Qna, format_qna
from qstack.base.locator import Locator
from qstack.base.services import ClaimProved, ClaimRefuted, EnsurePeer, PeerDown, PeerHeard, PeerUp
from qstack.machine.timers import Timers
from qstack.proto.qarp.conflict import OwnAddress
from qstack.proto.qarp.description import AddressEntry, NeighbourEntry, describe_address, describe_neighbour
from qstack.proto.qarp.draws import Draws
from qstack.proto.qarp.hints import Hint, HintClass, HintStore
from qstack.proto.qarp.limits import AnswerLimit
from qstack.proto.qarp.locators import listed_locators, usable
from qstack.proto.qarp.neighbour import Cue
from qstack.proto.qarp.neighbourhood import Neighbourhood
from qstack.proto.qarp.params import QarpParameters
from qstack.proto.qarp.presence import Presence
from qstack.proto.qarp.proofs import Proofs
from qstack.proto.qarp.questions import Questions
from qstack.proto.qarp.responder import Responder
from qstack.proto.qarp.rivals import Rivals
from qstack.proto.qarp.segment import Segment, segments_by_name
from qstack.proto.qarp.states import NeighbourEvent
from qstack.proto.qarp.surroundings import Surroundings, Timer
from qstack.wire.qarp import Announcement, Answer, Conflict, Description, Probe, Question, Whereabouts

__all__ = ["QarpMachine"]


class QarpMachine:
    """Driven by `receive`, `on_service` and `handle_deadline`; `take_effects` says what is to be done.

    `segments`: where neighbours are looked for. `statics`: configured locators of neighbours. `locators`: where this
    node is, per segment, most preferred first; a segment without an entry says "where this came from". Raises
    `LocalMisuse` for a configuration that cannot be.
    """

    def __init__(
        self, own: Qna, parameters: QarpParameters, segments: tuple[Segment, ...],
        statics: Mapping[Qna, tuple[Locator, ...]], chance: Chance, *,
        locators: Mapping[str, tuple[Locator, ...]] | None = None, device_port: int = 0, capabilities: int = 0,
    ) -> None:  # fmt: skip
        presence = Presence(own, locators or {}, device_port, capabilities)
        self._around = _surroundings(presence, segments_by_name(segments), parameters, chance)
        self._address = OwnAddress(self._around)
        self._rivals = Rivals(self._address, self._around)
        self._responder = Responder(self._address, self._around)
        self._neighbours = Neighbourhood(self._around)
        self._neighbours.configure(_checked_statics(own, statics))

    # --- what drives it ----------------------------------------------------------------------------------------------

    def start(self, now_ns: int) -> None:
        """Begin to probe for the own address, which is in use already (QARP-6-2)."""
        self._address.start(now_ns)

    def receive(self, message: Any, sender: Sender, now_ns: int) -> None:
        """Take a message of the qarp table. Raises `PeerViolation` for a connected neighbour's fault only."""
        if sender.seal is not None:
            self._receive_sealed(message, sender, now_ns)
        else:
            self._receive_unsealed(message, sender, now_ns)

    def on_service(self, service: Any, now_ns: int) -> None:
        """Take a service value; those that do not concern neighbours are ignored."""
        match service:
            case PeerHeard():
                self._neighbours.hear(service.peer, service.locator, now_ns)
            case EnsurePeer(seal=Seal.HOP):
                self._neighbours.want(service.peer, now_ns)
            case ClaimProved():
                self._prove(service.peer, service.locator, now_ns)
            case ClaimRefuted():
                self._refute(service.peer, service.locator, now_ns)
            case PeerUp(seal=Seal.HOP):
                self._greet(service, now_ns)
            case PeerDown(seal=Seal.HOP):
                self._neighbours.tell(service.peer, NeighbourEvent.LOST, Cue(now_ns))

    def handle_deadline(self, now_ns: int) -> None:
        """Do what is due."""
        for kind, peer in self._around.timers.pop_due(now_ns):
            match kind:
                case Timer.NEIGHBOUR:
                    self._neighbours.tell(peer, NeighbourEvent.EXPIRED, Cue(now_ns))
                case Timer.PROOF:
                    self._around.proofs.advance(peer, now_ns)
                case Timer.OWN_ADDRESS:
                    self._address.handle_deadline(now_ns)
                case Timer.CHALLENGE:
                    self._rivals.handle_patience()

    def next_deadline(self) -> int | None:
        """When `handle_deadline` is next to be called; None for never."""
        return self._around.timers.next_deadline()

    def take_effects(self) -> list[Any]:
        """What is to be done since the last call, in order."""
        effects = self._around.effects[:]
        self._around.effects.clear()
        return effects

    def reconfigure(
        self, segments: tuple[Segment, ...], statics: Mapping[Qna, tuple[Locator, ...]], now_ns: int, *,
        locators: Mapping[str, tuple[Locator, ...]] | None = None, device_port: int | None = None,
        capabilities: int | None = None,
    ) -> None:  # fmt: skip
        """Take a new configuration, whole or, raising `LocalMisuse`, not at all. What is None stays as it is.

        A neighbour that is static no longer stays while it is connected or wanted.
        """
        questions = self._around.questions
        by_name, checked = segments_by_name(segments), _checked_statics(self._around.own, statics)
        presence = questions.presence.changed(locators, device_port, capabilities)
        questions.segments = by_name
        self._neighbours.configure(checked)
        if presence.description() != questions.presence.description():
            told = presence.description()
            self._around.effects.extend(SendMessage(n.peer, told) for n in self._neighbours if n.connected)
        questions.presence = presence

    def describe(self) -> tuple[NeighbourEntry, ...]:
        """All neighbours, by QNA."""
        return tuple(describe_neighbour(n) for n in sorted(self._neighbours, key=lambda neighbour: neighbour.peer))

    def describe_address(self) -> AddressEntry:
        """The own address."""
        return describe_address(self._around.own, self._address)

    # --- messages ----------------------------------------------------------------------------------------------------

    def _receive_unsealed(self, message: Any, sender: Sender, now_ns: int) -> None:
        if not isinstance(message, Answer) and sender.arrival.segment not in self._around.questions.segments:
            return self._around.count("off_segment")
        match message:
            case Question():
                self._responder.on_question(message, sender, now_ns)
            case Answer() | Conflict():
                self._on_answer(message, sender, now_ns)
            case Probe() | Announcement():
                self._on_claim(message, sender, now_ns)
            case _:
                self._around.count("unsealed")

    def _receive_sealed(self, message: Any, sender: Sender, now_ns: int) -> None:
        if sender.seal is not Seal.HOP or sender.qna != sender.neighbour:
            raise PeerViolation(f"qarp {message.NAME} that was forwarded, from {format_qna(sender.qna)}")
        match message:
            case Question():
                self._responder.on_sealed_question(message, sender, now_ns)
            case Answer():
                self._on_sealed_answer(message, sender, now_ns)
            case Description():
                self._neighbours.describe(sender.qna, message.whereabouts)
            case _:
                raise PeerViolation(f"qarp {message.NAME} under the seal, from {format_qna(sender.qna)}")

    def _on_answer(self, answer: Answer | Conflict, sender: Sender, now_ns: int) -> None:
        source = sender.arrival.source
        question = self._around.questions.match(answer, sender)
        if question is None:
            return
        shown = question.proves_source(source)
        if question.peer != self._around.own:
            rank = HintClass.ANSWERED if shown else HintClass.RUMOURED
            self._neighbours.hint(Hint(question.peer, source, rank, source), now_ns)
            self._on_listed(question.peer, answer.whereabouts, source, now_ns)
        elif shown:
            self._rivals.on_answer(source, now_ns)

    def _on_claim(self, claim: Probe | Announcement, sender: Sender, now_ns: int) -> None:
        source = sender.arrival.source
        if claim.target != sender.qna:
            return self._around.count("mismatched")
        if claim.target == self._around.own:
            return self._rivals.on_claim(claim, sender, now_ns)
        self._neighbours.hint(Hint(claim.target, source, HintClass.RUMOURED, source), now_ns)
        if isinstance(claim, Announcement):
            self._on_listed(claim.target, claim.whereabouts, source, now_ns)

    def _on_listed(self, peer: Qna, told: Whereabouts, source: Locator, now_ns: int) -> None:
        """What an unsealed message lists is hearsay (QARP-5-2)."""
        listed = [locator for locator in listed_locators(told, source) if locator != source]
        for locator in listed[: self._around.parameters.rumours_asked]:
            self._neighbours.hint(Hint(peer, locator, HintClass.RUMOURED, source), now_ns)

    def _on_sealed_answer(self, answer: Answer, sender: Sender, now_ns: int) -> None:
        if answer.target != sender.qna:
            raise PeerViolation(f"qarp Answer for {format_qna(answer.target)} from {format_qna(sender.qna)}")
        if self._around.questions.match(answer, sender) is not None:
            self._neighbours.describe(sender.qna, answer.whereabouts)
            self._neighbours.tell(sender.qna, NeighbourEvent.HEARD, Cue(now_ns))

    # --- services ----------------------------------------------------------------------------------------------------

    def _prove(self, peer: Qna, locator: Locator, now_ns: int) -> None:
        if peer == self._around.own:
            self._rivals.on_proved(locator, now_ns)
        else:
            self._neighbours.prove(peer, locator, now_ns)

    def _refute(self, peer: Qna, locator: Locator, now_ns: int) -> None:
        if peer == self._around.own:
            self._rivals.on_refuted(locator, now_ns)
        else:
            self._neighbours.refute(peer, locator, now_ns)

    def _greet(self, up: PeerUp, now_ns: int) -> None:
        """A new epoch: whoever it is with is proved, and is told about this node (QARP-4.7-1)."""
        if up.locator is not None:
            self._prove(up.peer, up.locator, now_ns)
        if up.peer != self._around.own:
            self._around.effects.append(SendMessage(up.peer, self._around.questions.presence.description()))


def _surroundings(
    presence: Presence, segments: dict[str, Segment], parameters: QarpParameters, chance: Chance
) -> Surroundings:
    effects: list[Any] = []
    timers: Timers[tuple[Timer, Qna]] = Timers()
    draws = Draws(chance)
    hints = HintStore(parameters, draws)
    return Surroundings(
        own=presence.own, parameters=parameters, effects=effects, timers=timers, draws=draws, hints=hints,
        proofs=Proofs(hints, parameters, timers, effects),
        questions=Questions(presence, segments, parameters, draws, effects),
        limit=AnswerLimit(parameters),
    )  # fmt: skip


def _checked_statics(own: Qna, statics: Mapping[Qna, tuple[Locator, ...]]) -> dict[Qna, tuple[Locator, ...]]:
    """The configured neighbours, those without a locator left out."""
    if own in statics:
        raise LocalMisuse(f"{format_qna(own)} is this node itself: leave it out of the static neighbours")
    for peer, locators in statics.items():
        for locator in locators:
            if not usable(locator):
                raise LocalMisuse(f"{locator} of static neighbour {format_qna(peer)} is not a unicast locator")
    return {peer: tuple(locators) for peer, locators in statics.items() if locators}
