"""A unit at the node of the other endpoint."""

from dataclasses import dataclass, field

from qstack.proto.unit.end import Outcome, UnitEnd
from qstack.proto.unit.key import Raw, bits_to_octets, flag_octets, flags_of
from qstack.proto.unit.states import TAIL, TailState
from qstack.wire.unit import KeyConfirm, KeyConfirmed, Rounds

__all__ = ["TailUnit"]


@TAIL.drives
@dataclass(slots=True, eq=False)
class TailUnit(UnitEnd):
    """The answering end."""

    told: Rounds | None = field(default=None, repr=False)  # what the head has
    raw: Raw | None = field(default=None, repr=False)

    OVER = TailState.OVER

    def _may_have_all(self, rounds: Rounds) -> bool:
        return _numbers(rounds) <= self.outcomes.keys()

    def _act_note_rounds(self, rounds: Rounds) -> None:
        self.told = rounds

    def _act_wait_for_rounds(self, rounds: Rounds) -> None:
        self.around.wait(self, len(_numbers(rounds) - self.outcomes.keys()))

    def _may_complete_rounds(self, outcomes: list[Outcome], application_request: int | None) -> bool:
        assert self.told is not None
        return _numbers(self.told) <= (self.outcomes | self._shared(outcomes)).keys()

    def _act_answer_rounds(self, *_: object) -> None:
        assert self.told is not None and self.plan is not None
        common = {number: self.outcomes[number] for number in sorted(_numbers(self.told) & self.outcomes.keys())}
        self._count_errors(common)
        self.raw = self.plan.raw(common)
        first, count, present = flags_of(common)
        self.send(Rounds(
            request=self.request.request, sender_is_head=0, first=first, count=count, present=present,
            outcomes=bits_to_octets(self.plan.tests(common)),
        ))  # fmt: skip

    def _count_errors(self, common: dict[int, int]) -> None:
        """Compare the tests that both have; the head's list also holds tests that this end has not."""
        assert self.told is not None and self.plan is not None
        tested = [number for number in sorted(_numbers(self.told)) if self.plan.is_test(number)]
        theirs = dict(zip(tested, flag_octets(self.told.outcomes, len(tested)), strict=True))
        both = [number for number in tested if number in common]
        self.tests = len(both)
        self.errors = sum(common[number] != theirs[number] for number in both)

    def _may_find_tag_right(self, confirm: KeyConfirm) -> bool:
        assert self.plan is not None
        return self.raw is not None and self.plan.agrees(self.raw, confirm.tag)

    def _act_send_confirmed(self, confirm: KeyConfirm) -> None:
        self.send(KeyConfirmed(request=self.request.request))

    def _act_deliver_confirmed(self, *_: object) -> None:
        assert self.raw is not None
        self.deliver_key(self.raw.key, confirmed=True)

    def _act_deliver_unconfirmed(self, *_: object) -> None:
        assert self.raw is not None
        self.deliver_key(self.raw.key, confirmed=False)


def _numbers(rounds: Rounds) -> set[int]:
    return {number for number, bit in enumerate(flag_octets(rounds.present, rounds.count), rounds.first) if bit}
