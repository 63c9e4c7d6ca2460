"""What both ends of a unit have in common: pairs, measurements, outcomes, release.

A `UnitEnd` is driven by its table alone (`states`); the methods named `_may_` and `_act_` are the table's guards and
actions. Its effects go to the list that it shares with its machine.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from enum import Enum
from hashlib import sha256
from typing import Any, ClassVar

from qstack.base.bell import Basis
from qstack.base.effects import Seal, SendMessage, TellClient
from qstack.base.errors import ErrorCode
from qstack.base.ids import CircuitId, Qna, QubitId
from qstack.base.services import CircuitReady, EndPairReady, QubitsFreed, ReleaseCircuit
from qstack.base.time import Instant
from qstack.base.units import fidelity_to_wire
from qstack.proto.unit.key import KeyPlan
from qstack.proto.unit.params import CONTEXT_OCTETS, MAXIMUM_ROUNDS
from qstack.wire.control import Delivered, Failed, PairDelivered, PairOutcome, PairsMeasured
from qstack.wire.unit import UnitAccept, UnitClose, UnitKind, UnitRequest
from qstack.wire.urn import UnitIdentifier

__all__ = ["Asked", "Ending", "HeldPair", "Outcome", "Surroundings", "UnitEnd", "unit_context"]


@dataclass(frozen=True, slots=True)
class HeldPair:
    """This end's half of an end-to-end pair."""

    pair: int
    qubit: QubitId
    bell_index: int
    fidelity: float


@dataclass(frozen=True, slots=True)
class Asked:
    """A measurement that the device is asked for: of which pair, and, for an application, in answer to what."""

    held: HeldPair
    basis: Basis


@dataclass(frozen=True, slots=True)
class Outcome:
    """A measurement that is done; `outcome` None: the device could not."""

    held: HeldPair
    basis: Basis
    outcome: int | None


@dataclass(frozen=True, slots=True)
class Ending:
    """Why a unit ends, for people too."""

    reason: ErrorCode
    text: str = ""
    refused_by: Qna = Qna(0)


@dataclass(slots=True)
class Surroundings:
    """What a unit needs of its machine."""

    effects: list[Any]
    end_secret: Callable[[Qna, bytes, int], bytes]
    is_secret: Callable[[], bool]
    measure: Callable[["UnitEnd", HeldPair, Basis], None]  # queue for the device, in one batch per turn
    wait: Callable[["UnitEnd", int], None]  # rounds timeout


@dataclass(slots=True, eq=False)
class UnitEnd:
    """One end of one unit. `handle` names it to applications, `(head QNA, request)` between the ends."""

    state: Any
    handle: int
    head: Qna
    remote: Qna
    client: int
    user: int
    identifier: UnitIdentifier
    request: UnitRequest
    around: Surroundings = field(repr=False)  # its effects hold what is to be told, keys too
    context: bytes = b""
    deadline_ns: Instant = Instant(0)
    circuit: CircuitId | None = None
    plan: KeyPlan | None = None
    held: dict[int, HeldPair] = field(default_factory=dict)  # pairs whose qubit has not been measured or given up
    outcomes: dict[int, int] = field(default_factory=dict, repr=False)  # shared bit by round
    fidelity_sum: float = 0.0
    pairs: int = 0
    errors: int = 0
    tests: int = 0

    IS_HEAD: ClassVar[bool] = False
    OVER: ClassVar[Enum]  # the final state

    def ended(self) -> bool:
        """Whether nothing can happen to it any more."""
        return self.state is self.OVER

    @property
    def size(self) -> int:
        """Bits of the key, or number of pairs."""
        return self.identifier.lifecycle.size or 1

    def wants(self, pair: EndPairReady) -> bool:
        """Whether a pair is of use: no other one of its number is here, and a key is not long complete.

        Which number a pair has is what the nodes on its way say. Pairs are delivered as good as they were asked for
        (UNIT-4.1-5), rounds are measured all: a key is judged by its tests.
        """
        worse = self.request.kind == UnitKind.PAIRS and fidelity_to_wire(pair.fidelity) < self.request.min_fidelity
        new = pair.pair not in self.held and pair.pair not in self.outcomes
        return new and not worse and len(self.outcomes) < 2 * MAXIMUM_ROUNDS

    def send(self, message: Any) -> None:
        """To the other end."""
        self.around.effects.append(SendMessage(self.remote, message, Seal.END))

    def tell(self, message: Any) -> None:
        """To the application."""
        self.around.effects.append(TellClient(self.client, message))

    def discard(self, held: HeldPair) -> None:
        """Give a pair's qubit back unmeasured."""
        self.around.effects.append(QubitsFreed((held.qubit,), discard=True))

    # --- guards and actions that both tables name ---------------------------------------------------------------

    def _may_share_key(self, ready: CircuitReady) -> bool:
        return self.request.kind == UnitKind.KEY

    def _act_bind(self, ready: CircuitReady) -> None:
        self.circuit = ready.circuit
        if self.request.kind == UnitKind.KEY:
            secret = self.around.end_secret(self.remote, b"unit key" + self.context, 32)
            self.plan = KeyPlan(secret, self.size, self.request.tests)

    def _act_measure(self, pair: EndPairReady) -> None:
        assert self.plan is not None
        held = self._note_pair(pair)
        self.around.measure(self, held, self.plan.basis(held.pair))

    def _act_hand_over(self, pair: EndPairReady) -> None:
        held = self._note_pair(pair)
        self.held[held.pair] = held
        self.tell(PairDelivered(
            unit=self.handle, pair=held.pair, qubit=held.qubit, bell_index=held.bell_index,
            fidelity=fidelity_to_wire(held.fidelity), as_of=pair.as_of,
        ))  # fmt: skip

    def _note_pair(self, pair: EndPairReady) -> HeldPair:
        self.pairs += 1
        self.fidelity_sum += pair.fidelity
        return HeldPair(pair.pair, pair.qubit, pair.bell_index, pair.fidelity)

    def _act_keep(self, outcomes: list[Outcome], application_request: int | None) -> None:
        self.outcomes |= self._shared(outcomes)

    def _shared(self, outcomes: list[Outcome]) -> dict[int, int]:
        assert self.plan is not None
        return {
            done.held.pair: self.plan.shared_outcome(done.held.pair, done.outcome, done.held.bell_index, self.IS_HEAD)
            for done in outcomes if done.outcome is not None
        }  # fmt: skip

    def _act_tell_outcomes(self, outcomes: list[Outcome], application_request: int | None) -> None:
        if application_request is not None:
            seen = tuple(PairOutcome(pair=o.held.pair, outcome=o.outcome) for o in outcomes if o.outcome is not None)
            self.tell(PairsMeasured(request=application_request, outcomes=seen))

    def _act_release(self, *cause: object) -> None:
        for held in self.held.values():
            self.discard(held)
        self.held.clear()
        if self.circuit is not None:
            # The circuit may be torn down before the UnitClose is there: the other end learns the reason either way.
            reason = next((each.reason for each in cause if isinstance(each, Ending)), ErrorCode.UNSPECIFIED)
            self.around.effects.append(ReleaseCircuit(self.circuit, reason))

    def _act_close_peer(self, ending: object) -> None:
        reason = self._ending(ending).reason
        self.send(UnitClose(request=self.request.request, by_head=int(self.IS_HEAD), reason=reason))

    def _act_fail(self, ending: object) -> None:
        told = self._ending(ending)
        self.tell(Failed(unit=self.handle, reason=told.reason, refused_by=told.refused_by, text=told.text[:500]))

    def _ending(self, ending: object) -> Ending:
        """Events that bring no reason of their own end a unit only because the ends have no key in common."""
        told = ending if isinstance(ending, Ending) else Ending(ErrorCode.CONFIRMATION_FAILED)
        if told.reason is ErrorCode.CONFIRMATION_FAILED and not told.text:
            told = Ending(told.reason, self.why_no_key())
        return told

    def why_no_key(self) -> str:
        """What an application is told when the ends do not come to one key."""
        mean = self.mean_fidelity
        return (f"the ends did not come to one key: {self.errors} of {self.tests} test rounds disagreed, pairs were "
                f"estimated at fidelity {mean:.4f}; kind PAIRS delivers noisy pairs as they are")  # fmt: skip

    @property
    def mean_fidelity(self) -> float:
        """Mean estimated fidelity of the pairs so far, 0 without pairs."""
        return self.fidelity_sum / self.pairs if self.pairs else 0.0

    def deliver_key(self, key: bytes, confirmed: bool) -> None:
        """Give the application its key."""
        self.tell(Delivered(
            unit=self.handle, confirmed=int(confirmed), secret=int(self.around.is_secret()), quality_pairs=self.pairs,
            quality_fidelity=fidelity_to_wire(min(1.0, self.mean_fidelity)), tests=self.tests, errors=self.errors,
            key=key,
        ))  # fmt: skip


def unit_context(identifier: UnitIdentifier, request: UnitRequest, accept: UnitAccept) -> bytes:
    """What binds the circuit to this establishment of the unit (UNIT-4.2-2)."""
    return sha256(identifier.digest() + request.nonce + accept.nonce).digest()[:CONTEXT_OCTETS]
