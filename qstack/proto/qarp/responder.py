"""Answering questions about this node (rfc_notes/qarp.md sections 4.2 and 7)."""

from qstack.base.effects import Sender, SendMessage, SendUnsealed
from qstack.base.errors import PeerViolation
from qstack.base.ids import format_qna
from qstack.proto.qarp.conflict import OwnAddress
from qstack.proto.qarp.locators import usable
from qstack.proto.qarp.surroundings import Surroundings
from qstack.wire.qarp import Answer, Question

__all__ = ["Responder"]


class Responder:
    """Answers, never with more than was asked with, and not too often. It learns nothing of who asks."""

    def __init__(self, address: OwnAddress, around: Surroundings) -> None:
        self._address = address
        self._around = around

    def on_question(self, question: Question, sender: Sender, now_ns: int) -> None:
        """A stranger asks; questions for others, and our own echo, are passed over."""
        source = sender.arrival.source
        if question.target != self._around.own or self._around.questions.asked(question.nonce):
            return
        if not self._address.answers or not usable(source, source):
            return
        answer = self._answer(question, sender, now_ns)
        if answer is not None:
            self._around.effects.append(SendUnsealed(answer, sender.qna, source, sender.arrival.segment))

    def on_sealed_question(self, question: Question, sender: Sender, now_ns: int) -> None:
        """A connected neighbour asks whether we are there. Raises `PeerViolation` if it takes us for another."""
        if question.target != self._around.own:
            raise PeerViolation(f"qarp Question for {format_qna(question.target)} under the seal with us")
        answer = self._answer(question, sender, now_ns)
        if answer is not None:
            self._around.effects.append(SendMessage(sender.qna, answer))

    def _answer(self, question: Question, sender: Sender, now_ns: int) -> Answer | None:
        if not self._around.limit.allows(sender.arrival.source, now_ns):
            self._around.count("answers_limited")
            return None
        answer = self._around.questions.presence.answer(question, sender.arrival.segment)
        self._around.count("short_questions" if answer is None else "answers")
        return answer
