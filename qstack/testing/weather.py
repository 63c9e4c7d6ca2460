"""A bad network, by seed: loss, duplication, delay and hence reordering, corruption, partition.

Each fate is drawn from (seed, number of the datagram), so the same seed gives the same weather whatever else happens.
"""

from dataclasses import dataclass

from qstack.base.chance import Chance
from qstack.base.locator import Locator
from qstack.base.units import MICROSECOND_NS, MILLISECOND_NS

__all__ = ["CALM", "ROUGH", "Partition", "Weather", "WeatherReport"]


@dataclass(frozen=True, slots=True)
class WeatherReport:
    """What the network does to datagrams. Probabilities in 0..1; each copy is delayed by base + a part of jitter.

    `late`: probability that a copy is held up besides, for up to `late_ns`.
    """

    loss: float = 0.0
    duplication: float = 0.0
    corruption: float = 0.0
    delay_ns: int = 200 * MICROSECOND_NS
    jitter_ns: int = 0
    late: float = 0.0
    late_ns: int = 0


CALM = WeatherReport()
ROUGH = WeatherReport(0.35, 0.10, 0.05, 20 * MILLISECOND_NS, 40 * MILLISECOND_NS)


@dataclass(frozen=True, slots=True)
class Partition:
    """From `begin_ns` to `end_ns` nothing crosses between `island` and the rest (or only one way)."""

    begin_ns: int
    end_ns: int
    island: frozenset[Locator]
    one_way: bool = False

    def blocks(self, source: Locator, destination: Locator, now_ns: int) -> bool:
        """Whether a datagram sent now is stopped."""
        if not self.begin_ns <= now_ns < self.end_ns:
            return False
        leaves = source in self.island and destination not in self.island
        enters = destination in self.island and source not in self.island
        return leaves or (enters and not self.one_way)


class Weather:
    """Decides what becomes of each datagram."""

    def __init__(self, report: WeatherReport, chance: Chance, partitions: tuple[Partition, ...] = ()) -> None:
        self.report = report
        self.partitions = partitions
        self.sent = self.lost = self.duplicated = self.corrupted = self.blocked = 0
        self._chance = chance

    def fates(self, datagram: bytes, source: Locator, destination: Locator, now_ns: int) -> list[tuple[int, bytes]]:
        """The copies that arrive, each as (instant, octets); empty when it is lost."""
        self.sent += 1
        if any(each.blocks(source, destination, now_ns) for each in self.partitions):
            self.blocked += 1
            return []
        draws = self._chance.octets(b"fate" + self.sent.to_bytes(8, "big"), 64)
        lost, doubled, damaged = (int.from_bytes(draws[at : at + 4], "big") / 2**32 for at in (0, 4, 8))
        if lost < self.report.loss:
            self.lost += 1
            return []
        copies = 2 if doubled < self.report.duplication else 1
        self.duplicated += copies - 1
        if damaged < self.report.corruption:
            self.corrupted += 1
            datagram = _damage(datagram, draws[32:64])
        return [(now_ns + self._delay(draws[12 + 8 * copy : 20 + 8 * copy]), datagram) for copy in range(copies)]

    def _delay(self, draw: bytes) -> int:
        usual, late = (int.from_bytes(draw[at : at + 4], "big") for at in (0, 4))
        held_ns = 0 if not self.report.late or late >= self.report.late * 2**32 else (
            self.report.late_ns * int(late / self.report.late) // 2**32
        )
        return self.report.delay_ns + self.report.jitter_ns * usual // 2**32 + held_ns


def _damage(datagram: bytes, draws: bytes) -> bytes:
    """Flip a few bits, or cut, or lengthen: UDP's checksum is taken to have been mended."""
    kind, place = draws[0] % 8, int.from_bytes(draws[1:5], "big") % max(1, len(datagram))
    if kind == 0:
        return datagram[:place]
    if kind == 1:
        return datagram + draws[5:9]
    damaged = bytearray(datagram)
    for draw in draws[5 : 5 + kind]:
        damaged[(place + draw) % len(damaged)] ^= 1 << draw % 8
    return bytes(damaged)
