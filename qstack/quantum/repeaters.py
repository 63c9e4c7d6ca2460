"""The three generations of quantum repeaters, as what a node of one can do and what it has to be told (HARDWARE-8).

After Muralidharan et al., Scientific Reports 6 (2016) 20463 (arXiv:1509.08435), which sorts repeaters by how they fight
loss and how they fight errors:

| generation | loss | errors | signalling |
|---|---|---|---|
| 1 | heralding | purification | both ways, between ends that may be far apart |
| 2 | heralding | encoding | both ways, between neighbours |
| 3 | encoding | encoding | one way, along with the qubits |

Every generation serves the same units; what differs is how long a qubit waits for words (`waiting_ns`), and what a
logical pair costs (`codes`).
"""

from dataclasses import dataclass
from enum import IntEnum, StrEnum, unique

__all__ = ["GENERATIONS", "Against", "Repeater", "Signalling"]


@unique
class Against(StrEnum):
    """How loss or errors are fought."""

    HERALDING = "heralding"
    PURIFICATION = "purification"
    ENCODING = "encoding"


@unique
class Signalling(IntEnum):
    """Who has to hear from whom before a qubit can be used."""

    ONE_WAY = 0  # only ever forward; nobody waits for an answer
    NEIGHBOURS = 1  # both ways over one link
    ENDS = 2  # both ways over the whole distance between purifying nodes


@dataclass(frozen=True, slots=True)
class Repeater:
    """What a node of a generation does."""

    generation: int
    loss: Against
    errors: Against
    signalling: Signalling

    @property
    def capabilities(self) -> frozenset[str]:
        """What it tells its neighbours, by the names of configurations."""
        told = {"memory", "swap"}
        if self.errors is Against.PURIFICATION:
            told.add("purification")
        if self.errors is Against.ENCODING:
            told.add("encoding")
        if self.loss is Against.ENCODING:
            told.add("one-way")
        return frozenset(told)

    def waiting_ns(self, links_ns: tuple[int, ...], span: int) -> int:
        """Least time for which a node's qubit waits for words of others, when pairs over `span` links are purified.

        `links_ns`: time of flight of each link of the path. Generation 1 waits for the far end of its longest span and
        back, generation 2 for its slowest neighbour and back, generation 3 for nobody.
        """
        if self.signalling is Signalling.ONE_WAY:
            return 0
        reach = max(1, min(span, len(links_ns))) if self.signalling is Signalling.ENDS else 1
        return max(2 * sum(links_ns[first : first + reach]) for first in range(len(links_ns) - reach + 1))


GENERATIONS = {
    1: Repeater(1, Against.HERALDING, Against.PURIFICATION, Signalling.ENDS),
    2: Repeater(2, Against.HERALDING, Against.ENCODING, Signalling.NEIGHBOURS),
    3: Repeater(3, Against.ENCODING, Against.ENCODING, Signalling.ONE_WAY),
}
"""By number."""
