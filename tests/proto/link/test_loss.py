"""Lost control messages cost hardly a pair, and never make one pair of another (LINK-5.2-3, LINK-4.7-9)."""

from qstack.base.services import PairReady, QubitsFreed
from tests.proto.link.test_link import HIGH, LOW, THIRD, Fabric, request, reserve

SECONDS = 12


def delivered(loss: float, probability: float, memories: int) -> tuple[int, int]:
    """Pairs of which both ends were told in `SECONDS`, each used as soon as both know it; and how many disagreed."""
    fabric = Fabric([LOW, HIGH], stations=[THIRD], probability=probability, memories=memories, loss=loss)
    reserve(fabric, memories=1)
    request(fabric, 1 << 30, LOW, seconds=1e6)
    waiting: dict[int, dict[int, PairReady]] = {LOW: {}, HIGH: {}}
    heard = {LOW: 0, HIGH: 0}
    count = wrong = 0
    while fabric.now < SECONDS * 10**9:
        fabric.run(0.002)
        for own in (LOW, HIGH):
            told = fabric.places[own].told
            waiting[own] |= {ready.sequence: ready for ready in told[heard[own] :] if isinstance(ready, PairReady)}
            heard[own] = len(told)
        for sequence in set(waiting[LOW]) & set(waiting[HIGH]):
            mine, theirs = waiting[LOW].pop(sequence), waiting[HIGH].pop(sequence)
            true = fabric.device.pairs[LOW, mine.qubit]
            wrong += true is not fabric.device.pairs[HIGH, theirs.qubit] or true.frame != theirs.bell_index
            count += 1
            for own, ready in ((LOW, mine), (HIGH, theirs)):
                fabric.serve(own, QubitsFreed((ready.qubit,), discard=True))
    assert not fabric.violations
    return count, wrong


def test_a_tenth_of_the_messages_lost_costs_less_than_a_twentieth_of_the_pairs() -> None:
    whole, wrong = delivered(0.0, 2e-3, 32)
    lossy, wrong_lossy = delivered(0.1, 2e-3, 32)
    assert wrong == wrong_lossy == 0
    assert whole > 0.9 * SECONDS * 2e-3 * 1e5, "the link attempts without a break"
    assert abs(lossy - whole) < 0.05 * whole, (whole, lossy)
