"""A unit at the node whose application asked for it."""

from dataclasses import dataclass, field

from qstack.base.errors import ErrorCode
from qstack.base.services import RequestCircuit
from qstack.base.units import fidelity_from_wire
from qstack.proto.unit.end import Ending, Outcome, UnitEnd, unit_context
from qstack.proto.unit.key import Raw, bits_to_octets, flag_octets, flags_of
from qstack.proto.unit.states import HEAD, HeadState
from qstack.wire.unit import KeyConfirm, KeyConfirmed, Rounds, UnitAccept, UnitDelivered

__all__ = ["HeadUnit"]


@HEAD.drives
@dataclass(slots=True, eq=False)
class HeadUnit(UnitEnd):
    """The asking end."""

    raw: Raw | None = field(default=None, repr=False)
    asked_again: bool = False

    IS_HEAD = True
    OVER = HeadState.OVER

    def _may_ask_again(self, ending: Ending) -> bool:
        return ending.reason is ErrorCode.SESSION_LOST and not self.asked_again

    def _act_ask_again(self, ending: object) -> None:
        """Under the next epoch; what the other end made of the request under the last one ended there with it."""
        self.asked_again = True
        self.send(self.request)

    def _act_ask_circuit(self, accept: UnitAccept) -> None:
        self.context = unit_context(self.identifier, self.request, accept)
        self.around.effects.append(RequestCircuit(
            self.remote, self.context, self.request.pairs, fidelity_from_wire(self.request.min_fidelity),
            self.deadline_ns,
        ))  # fmt: skip

    def _may_have_enough(self, outcomes: list[Outcome], application_request: int | None) -> bool:
        assert self.plan is not None
        return not self.plan.needed(self.outcomes | self._shared(outcomes))

    def _act_tell_rounds(self, outcomes: list[Outcome], application_request: int | None) -> None:
        assert self.plan is not None
        first, count, present = flags_of(self.outcomes)
        self.send(Rounds(
            request=self.request.request, sender_is_head=1, first=first, count=count, present=present,
            outcomes=bits_to_octets(self.plan.tests(self.outcomes)),
        ))  # fmt: skip

    def _may_have_enough_in_common(self, rounds: Rounds) -> bool:
        """Take what the tail has: count the errors in the tests, and see whether the rest makes a key."""
        assert self.plan is not None
        common = self._common(rounds)
        return self.plan.raw({number: self.outcomes[number] for number in common}) is not None

    def _act_send_tag(self, rounds: Rounds) -> None:
        assert self.plan is not None
        common = {number: self.outcomes[number] for number in self._common(rounds)}
        own = self.plan.tests(common)
        self.tests = len(own)
        theirs = flag_octets(rounds.outcomes, len(own))
        self.errors = sum(mine != other for mine, other in zip(own, theirs, strict=True))
        self.raw = self.plan.raw(common)
        assert self.raw is not None
        self.send(KeyConfirm(request=self.request.request, tag=self.plan.tag(self.raw)))

    def _common(self, rounds: Rounds) -> list[int]:
        present = enumerate(flag_octets(rounds.present, rounds.count), rounds.first)
        return [number for number, bit in present if bit and number in self.outcomes]

    def _act_tell_delivered(self, confirmed: KeyConfirmed) -> None:
        self.send(UnitDelivered(request=self.request.request))

    def _act_deliver(self, confirmed: KeyConfirmed) -> None:
        assert self.raw is not None
        self.deliver_key(self.raw.key, confirmed=True)
