"""The test rounds of one end of one link: terms, measurements of samples, and what both ends tell (ESTIMATION-3)."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from qstack.base.bell import PAULI_BASES, Basis
from qstack.base.errors import PeerViolation
from qstack.base.ids import Cycle, QubitId
from qstack.base.time import DomainTime
from qstack.proto.link.estimation import EstimationUnit
from qstack.proto.link.memory import MemoryPool
from qstack.proto.link.params import LinkConfiguration
from qstack.proto.link.rounds import SHARE_UNIT, OwnSample, PairName, Sampler, SamplingTerms, Seen
from qstack.proto.link.surroundings import Surroundings
from qstack.wire.link import MAXIMUM_SAMPLES, SampleOutcome, SampleOutcomes, SampleTerms
from qstack.wire.twin import FetchOutcomes, Measure, Measured, MeasureItem, OutcomesFetched, Status
from qstack.wire.value import Message

__all__ = ["Sample", "Samples"]

_SEED_OCTETS = 16


@dataclass(frozen=True, slots=True)
class Sample:
    """A pair that is tested, and where this end's half is; None where it was measured at once, in a basis that only
    the device knows yet, and not in `basis`."""

    name: PairName
    basis: Basis
    qubit: QubitId | None
    bell_index: int
    bright: int
    born: DomainTime


class Samples:
    """Of one end. `release` has the device empty memories."""

    def __init__(
        self, configuration: LinkConfiguration, around: Surroundings, unit: EstimationUnit, pool: MemoryPool,
        release: Callable[[tuple[QubitId, ...]], None],
    ) -> None:  # fmt: skip
        self.configuration = configuration
        self.terms = 0  # by which samples are drawn now: the master's choice, 0 for none
        self.taken = 0
        self._around = around
        self._unit = unit
        self._pool = pool
        self._release = release
        self._sampler = Sampler()
        self._seeds = 0

    # --- terms -------------------------------------------------------------------------------------------------------

    def restart(self) -> None:
        """The epoch with the other end is over."""
        self.terms = 0
        self._sampler.restart()

    def give_terms(self) -> None:
        """Master, at the beginning of an epoch: draw samples from now on, if any are wanted."""
        share = round(self._unit.parameters.share * SHARE_UNIT)
        if not share:
            return
        self._seeds += 1
        event = b"samples" + self.configuration.link.to_bytes(4, "big") + self._seeds.to_bytes(8, "big")
        seed = self._around.chance.octets(event, _SEED_OCTETS)
        self.terms = self._seeds
        terms = SamplingTerms(self.terms, seed, min(share, SHARE_UNIT - 1))
        self._sampler.agree(terms)
        self._around.send(self.configuration.neighbour, SampleTerms(
            link=self.configuration.link, terms=terms.number, seed=terms.seed, share=terms.share,
        ))  # fmt: skip

    def hear_terms(self, told: SampleTerms) -> None:
        """Terms of the master. Raises `PeerViolation` before anything has changed."""
        if self._around.own < self.configuration.neighbour or told.terms <= self.terms:
            raise PeerViolation("terms of samples from the end that is not master, or out of order")
        self.terms = told.terms
        self._sampler.agree(SamplingTerms(told.terms, told.seed, told.share))

    def knows(self, terms: int) -> bool:
        """Whether pairs can be made under these terms."""
        return self._sampler.knows(terms)

    def basis_of(self, terms: int, pair: PairName) -> Basis | None:
        """Whether, and how, a pair is tested."""
        return self._sampler.basis_of(terms, pair)

    # --- measuring ---------------------------------------------------------------------------------------------------

    def measure(self, samples: list[Sample]) -> None:
        """Measure halves that are held, all of one station."""
        for some in self._parts(samples):
            instant = self._around.domain_now()
            self._around.call(
                Measure, ("samples", self.configuration.link, (some, instant)), instant=instant,
                measurements=tuple(MeasureItem(qubit=q, basis=s.basis) for s in some if (q := s.qubit) is not None),
            )  # fmt: skip

    def fetch(self, samples: list[Sample], first_cycle: Cycle) -> None:
        """Ask what was measured of halves that did not stay, all of one window."""
        for some in self._parts(samples):
            self._around.call(
                FetchOutcomes, ("samples", self.configuration.link, (some, DomainTime(0))),
                link=self.configuration.link, first_cycle=first_cycle,
                offsets=tuple(each.name.cycle - first_cycle for each in some),
            )  # fmt: skip

    def result(self, asked: tuple[tuple[Sample, ...], DomainTime], result: Message) -> None:
        """The device's answer: memories are free, the other end is told."""
        samples, instant = asked
        told: list[SampleOutcome] = []
        for sample, seen in zip(samples, _seen(samples, instant, result), strict=False):
            if seen is None or (sample.qubit is not None and not self._is_held(sample)):
                continue
            if sample.qubit is not None:
                self._pool.give_back(sample.qubit)
            name = sample.name
            told.append(SampleOutcome(sequence=name.sequence, basis=seen.basis, bit=seen.bit, measured=seen.measured))
            own = OwnSample(seen, sample.bell_index, sample.bright, sample.born)
            self._compare(self._sampler.measured(name.station, name.sequence, own))
        self._release(tuple(q for s in samples if (q := s.qubit) is not None and self._is_held(s)))
        if told:
            self._around.send(self.configuration.neighbour, SampleOutcomes(
                link=self.configuration.link, station=samples[0].name.station, outcomes=tuple(told),
            ))  # fmt: skip

    def _parts(self, samples: list[Sample]) -> Iterator[tuple[Sample, ...]]:
        """What one message can tell of."""
        self.taken += len(samples)
        return (tuple(samples[n : n + MAXIMUM_SAMPLES]) for n in range(0, len(samples), MAXIMUM_SAMPLES))

    def hear(self, told: SampleOutcomes) -> None:
        """What the other end saw. Raises `PeerViolation` before anything has changed."""
        if any(each.basis not in PAULI_BASES or each.bit > 1 for each in told.outcomes):
            raise PeerViolation("outcomes of samples in no basis, or of no bit")
        for each in told.outcomes:
            seen = Seen(Basis(each.basis), each.bit, each.measured)
            self._compare(self._sampler.told(told.station, each.sequence, seen))

    def _is_held(self, sample: Sample) -> bool:
        """Whether its memory has not been emptied, and filled again, since."""
        return sample.qubit is not None and self._pool.holds_half(sample.qubit, sample.name.sequence)

    def _compare(self, both: tuple[OwnSample, Seen] | None) -> None:
        if both is not None:
            self._unit.note_sample(*both, self._around.now_ns)


def _seen(samples: tuple[Sample, ...], instant: DomainTime, result: Message) -> list[Seen | None]:
    """What the device tells of each; nothing of what it refused, and of bases in which nothing is compared."""
    match result:
        case Measured():
            return [
                Seen(sample.basis, told.bit, instant) if told.status == Status.OK else None
                for sample, told in zip(samples, result.outcomes, strict=False)
            ]
        case OutcomesFetched():
            return [
                Seen(Basis(told.basis), told.bit, sample.born)
                if told.status == Status.OK and told.basis in PAULI_BASES else None
                for sample, told in zip(samples, result.outcomes, strict=False)
            ]  # fmt: skip
    return []
