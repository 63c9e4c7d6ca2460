"""Asking: who is asked how, and which answers were asked for (QARP-4.3).

Law: an answer counts only while its question is open, and only if it comes the way the question went. A question to
one locator is answered from there, one to a group by the same segment, one under the seal under the seal.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from enum import Enum, unique
from typing import Any

from qstack.base.effects import Count, Sender, SendMessage, SendUnsealed
from qstack.base.ids import Qna
from qstack.base.locator import Locator
from qstack.machine.bucket import TokenBucket
from qstack.proto.qarp.draws import Draws
from qstack.proto.qarp.params import QarpParameters
from qstack.proto.qarp.presence import Presence, padded
from qstack.proto.qarp.segment import Segment
from qstack.wire.qarp import Announcement, Answer, Conflict, Probe, Question

__all__ = ["EVERYBODY", "OpenQuestion", "Purpose", "Questions"]

EVERYBODY = Qna(0)
"""Destination of what is meant for everybody on the segment (QARP-4.1-1)."""


@unique
class Purpose(Enum):
    """What an open nonce was sent for."""

    SEARCH = "search"  # unsealed questions for a neighbour
    CHECK = "check"  # sealed question to a connected neighbour
    CLAIM = "claim"  # probes and announcements of the own address
    CHALLENGE = "challenge"  # questions to who may be a rival


@dataclass(frozen=True, slots=True)
class OpenQuestion:
    """What was asked: about whom, why, and where: of one locator, or, when that is None, of a segment's group."""

    peer: Qna
    purpose: Purpose
    segment: str | None = None
    locator: Locator | None = None

    def came_back(self, sender: Sender) -> bool:
        """Whether an answer from `sender` came the way the question went."""
        if self.purpose is Purpose.CHECK or sender.seal is not None:
            return self.purpose is Purpose.CHECK and sender.seal is not None
        if sender.arrival.multicast:
            return False
        return self.locator is not None or sender.arrival.segment == self.segment

    def proves_source(self, source: Locator) -> bool:
        """Whether the answer shows that `source` received the question (QARP-5-1)."""
        return self.locator is None or self.locator == source


class Questions:
    """All questions, probes and announcements of this node whose nonces still count."""

    def __init__(
        self, presence: Presence, segments: dict[str, Segment], parameters: QarpParameters, draws: Draws,
        effects: list[Any],
    ) -> None:  # fmt: skip
        self.presence = presence
        self.segments = segments
        self._draws = draws
        self._effects = effects
        self._bucket = TokenBucket(parameters.questions_s, parameters.questions_s)
        self._open: dict[bytes, OpenQuestion] = {}
        self._nonces: dict[tuple[Qna, Purpose], list[bytes]] = {}

    def __len__(self) -> int:
        return len(self._open)

    # Asking

    def ask_all(self, peer: Qna, singles: Iterable[Locator], now_ns: int) -> None:
        """One round: every segment, and each of `singles` by itself."""
        asked: set[Locator | None] = set()
        for segment, target in self._targets():
            asked.add(target)
            self._ask(peer, Purpose.SEARCH, now_ns, segment, target)
        for locator in singles:
            if locator not in asked and not self.presence.owns(locator):
                asked.add(locator)
                self._ask(peer, Purpose.SEARCH, now_ns, None, locator)

    def ask_sealed(self, peer: Qna) -> None:
        """Ask a connected neighbour whether it is there."""
        nonce = self._note(OpenQuestion(peer, Purpose.CHECK))
        self._effects.append(SendMessage(peer, padded(Question(nonce=nonce, target=peer))))

    def challenge(self, segment: str, locator: Locator, now_ns: int) -> None:
        """Ask who claims our own address at `locator`; an earlier challenge is given up."""
        self.close(self.presence.own, Purpose.CHALLENGE)
        self._ask(self.presence.own, Purpose.CHALLENGE, now_ns, segment, locator)

    def probe(self) -> None:
        """Ask every segment whether anybody else has our address."""
        self.close(self.presence.own, Purpose.CLAIM)
        for segment, target, nonce in self._claims():
            probe = padded(Probe(nonce=nonce, target=self.presence.own))
            self._effects.append(SendUnsealed(probe, EVERYBODY, target, segment))

    def announce(self) -> None:
        """Tell every segment where we are."""
        self.close(self.presence.own, Purpose.CLAIM)
        for segment, target, nonce in self._claims():
            announcement: Announcement = self.presence.announcement(nonce, segment)
            self._effects.append(SendUnsealed(announcement, EVERYBODY, target, segment))

    # Being answered

    def match(self, answer: Answer | Conflict, sender: Sender) -> OpenQuestion | None:
        """The open question that `answer` answers; None, and a counter, when there is none."""
        question = self._open.get(answer.nonce)
        if question is None:
            return self._refused("unsolicited")
        if answer.target != question.peer or answer.target != sender.qna:
            return self._refused("mismatched")
        conflict = isinstance(answer, Conflict)
        if conflict != (question.purpose is Purpose.CLAIM) or not question.came_back(sender):
            return self._refused("misdirected")
        return question

    def asked(self, nonce: bytes) -> bool:
        """Whether `nonce` is one of ours: what carries it is our own echo (RFC 7527)."""
        return nonce in self._open

    def close(self, peer: Qna, purpose: Purpose | None = None) -> None:
        """Answers about `peer` count no more."""
        for each in Purpose if purpose is None else (purpose,):
            for nonce in self._nonces.pop((peer, each), ()):
                del self._open[nonce]

    def _ask(self, peer: Qna, purpose: Purpose, now_ns: int, segment: str | None, locator: Locator | None) -> None:
        if not self._bucket.take(now_ns):
            self._effects.append(Count("qarp.questions_limited"))
            return
        nonce = self._note(OpenQuestion(peer, purpose, segment, locator))
        question = padded(Question(nonce=nonce, target=peer))
        self._effects.append(SendUnsealed(question, peer, locator, segment))

    def _claims(self) -> Iterable[tuple[str, Locator | None, bytes]]:
        for segment, target in self._targets():
            question = OpenQuestion(self.presence.own, Purpose.CLAIM, segment, target)
            yield segment, target, self._note(question)

    def _targets(self) -> Iterable[tuple[str, Locator | None]]:
        for segment in self.segments.values():
            for target in segment.targets():
                if target is None or not self.presence.owns(target):
                    yield segment.name, target

    def _note(self, question: OpenQuestion) -> bytes:
        nonce = self._draws.nonce()
        self._open[nonce] = question
        self._nonces.setdefault((question.peer, question.purpose), []).append(nonce)
        return nonce

    def _refused(self, why: str) -> OpenQuestion | None:
        self._effects.append(Count(f"qarp.{why}"))
        return None
