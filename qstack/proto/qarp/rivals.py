"""Others who claim our address: replying to them, and finding out whether they can prove it (QARP-6-3, QARP-6-4)."""

from qstack.base.effects import Sender, SendUnsealed
from qstack.base.locator import Locator
from qstack.machine.bucket import TokenBucket
from qstack.proto.qarp.conflict import OwnAddress
from qstack.proto.qarp.hints import Hint, HintClass
from qstack.proto.qarp.questions import Purpose
from qstack.proto.qarp.states import AddressState
from qstack.proto.qarp.surroundings import Surroundings, Timer
from qstack.wire.qarp import PADDED_OCTETS, Announcement, Probe

__all__ = ["Rivals"]


class Rivals:
    """Deals with claims of the own address by others."""

    def __init__(self, address: OwnAddress, around: Surroundings) -> None:
        self._address = address
        self._around = around
        self._challenges = TokenBucket(around.parameters.challenges_s, around.parameters.challenges_s)

    def on_claim(self, claim: Probe | Announcement, sender: Sender, now_ns: int) -> None:
        """Somebody else probes for our address or announces it."""
        source, questions = sender.arrival.source, self._around.questions
        if questions.asked(claim.nonce) or questions.presence.owns(source):
            return  # our own echo
        if not self._address.answers:
            return  # we have given way
        if not self._around.limit.allows(source, now_ns):
            self._around.count("answers_limited")
        elif self._worth_a_challenge(claim) and self._challenges.take(now_ns):
            questions.challenge(sender.arrival.segment, source, now_ns)
            self._around.timers.set((Timer.CHALLENGE, self._around.own), now_ns + self._around.parameters.retransmit_ns)
        else:
            self._defend(claim, sender)

    def on_answer(self, source: Locator, now_ns: int) -> None:
        """Who is at `source` has echoed a nonce of ours, and says that it has our address."""
        if self._around.questions.presence.owns(source):
            return
        self._around.hints.renew(Hint(self._around.own, source, HintClass.ANSWERED, source))
        self._around.proofs.advance(self._around.own, now_ns)

    def on_proved(self, locator: Locator, now_ns: int) -> None:
        """It has."""
        self._forget(locator, now_ns)
        if not self._around.questions.presence.owns(locator):
            self._address.on_rival(locator, now_ns)

    def on_refuted(self, locator: Locator, now_ns: int) -> None:
        """It has not."""
        self._forget(locator, now_ns)

    def handle_patience(self) -> None:
        """What answers the last challenge from now on comes too late."""
        self._around.questions.close(self._around.own, Purpose.CHALLENGE)

    def _worth_a_challenge(self, claim: Probe | Announcement) -> bool:
        if len(claim.encode()) < PADDED_OCTETS:
            return False  # the question would be larger
        return isinstance(claim, Announcement) or self._address.state is AddressState.PROBING

    def _defend(self, claim: Probe | Announcement, sender: Sender) -> None:
        arrival = sender.arrival
        conflict = self._around.questions.presence.conflict(claim, arrival.segment)
        if conflict is not None:
            self._around.effects.append(SendUnsealed(conflict, sender.qna, arrival.source, arrival.segment))

    def _forget(self, locator: Locator, now_ns: int) -> None:
        self._around.proofs.refute(self._around.own, locator)
        self._around.hints.drop(self._around.own, locator)
        self._around.proofs.advance(self._around.own, now_ns)
