"""How a link makes pairs, as configurations name it."""

from typing import Annotated, Literal

from qstack.base.bell import BellIndex
from qstack.config.light import Probability
from qstack.config.value import Section, about
from qstack.quantum import codes, schemes
from qstack.quantum.photons import DownConversion, ManyModes, OnePair
from qstack.quantum.schemes import BRIGHTEST, Scheme
from qstack.quantum.sources import PairSource as Source

__all__ = ["DoubleClick", "Encoding", "Model", "OneWay", "PairSource", "SingleClick", "Werner"]

BellName = Literal["phi+", "phi-", "psi+", "psi-"]
Detection = Annotated[
    tuple[Probability, ...],
    about("probability at each end that it emits into the channel and that its photon is detected when the `arms` and "
          "the `detector` lose nothing", [0.1, 0.1], min_length=2, max_length=2),
]  # fmt: skip
Visibility = Annotated[float, about("visibility of the interference of two photons", 0.9, ge=0.0, le=1.0)]
DarkCount = Annotated[float, about("probability of a dark count of a detector in an attempt, besides those of "
                                   "`detector`", 1e-6, ge=0.0, le=1.0)]  # fmt: skip

_BELLS: dict[str, BellIndex] = {
    "phi+": BellIndex.PHI_PLUS, "phi-": BellIndex.PHI_MINUS, "psi+": BellIndex.PSI_PLUS, "psi-": BellIndex.PSI_MINUS,
}  # fmt: skip


class Werner(Section, tag="werner", tag_field="kind"):
    """A link whose fresh pairs are Werner states around the heralded Bell states."""

    fidelity: Annotated[float, about("fidelity of a fresh pair, 0 to 1", 0.97, ge=0.0, le=1.0)] = 1.0
    success_probability: Annotated[
        float, about("probability that an attempt succeeds when the `arms` and the `detector` lose nothing, above 0",
                     0.1, gt=0.0, le=1.0),
    ] = 1.0  # fmt: skip
    bells: Annotated[tuple[BellName, ...], about("Bell states that the station tells apart", ["psi+", "psi-"],
                                                 min_length=1, max_length=4)] = ("psi+", "psi-")  # fmt: skip

    @property
    def dark_counts(self) -> float:
        """None in this model."""
        return 0.0

    def value(self) -> Scheme:
        """The quantum room's."""
        return schemes.Werner(self.success_probability, self.fidelity, tuple(_BELLS[name] for name in self.bells))


class SingleClick(Section, tag="single-click", tag_field="kind"):
    """A link on which one photon heralds; it can be tuned."""

    bright: Annotated[tuple[Probability, ...], about("bright-state population at each end, unless another is asked for",
                                                     [0.05, 0.05], min_length=2, max_length=2)]  # fmt: skip
    detection: Detection
    dark_count_probability: DarkCount = 0.0
    visibility: Visibility = 1.0
    bright_range: Annotated[tuple[Probability, ...], about("least and greatest population that may be asked for",
                                                           [0.01, 0.3], min_length=2, max_length=2)] = (
        0.001, BRIGHTEST,
    )  # fmt: skip

    @property
    def dark_counts(self) -> float:
        """Of one detector in an attempt."""
        return self.dark_count_probability

    def value(self) -> Scheme:
        """The quantum room's."""
        return schemes.SingleClick(
            _two(self.bright), _two(self.detection), self.visibility, _two(self.bright_range)
        )  # fmt: skip


class DoubleClick(Section, tag="double-click", tag_field="kind"):
    """A link on which two photons herald."""

    detection: Detection
    dark_count_probability: DarkCount = 0.0
    visibility: Visibility = 1.0

    @property
    def dark_counts(self) -> float:
        """Of one detector in a round."""
        return self.dark_count_probability

    def value(self) -> Scheme:
        """The quantum room's."""
        return schemes.DoubleClick(_two(self.detection), self.visibility)


class PairSource(Section, tag="pair-source", tag_field="kind"):
    """A source of photon pairs at the station, and memories at the ends that absorb and tell."""

    numbers: Annotated[Literal["one-pair", "down-conversion", "many-modes"],
                       about("law of how many pairs are emitted at once", "down-conversion")] = "one-pair"  # fmt: skip
    mean_pairs: Annotated[float, about("mean number of pairs of an attempt; of one-pair, the probability of one", 0.05,
                                       ge=0.0, le=10.0)] = 1.0  # fmt: skip
    absorption: Annotated[
        tuple[Probability, ...],
        about("probability at each end that a photon which arrives is held", [0.7, 0.7], min_length=2, max_length=2),
    ] = (1.0, 1.0)  # fmt: skip
    fidelity: Annotated[float, about("fidelity of a single pair as it leaves the source", 0.98, ge=0.0, le=1.0)] = 1.0
    bell: Annotated[BellName, about("Bell state of the source", "psi-")] = "psi-"
    counting: Annotated[bool, about("whether memories tell one photon from several, and refuse those", False)] = False
    dark_count_probability: DarkCount = 0.0

    @property
    def dark_counts(self) -> float:
        """Of one memory: that it tells of a photon that is not there."""
        return self.dark_count_probability

    def value(self) -> Scheme:
        """The quantum room's. Raises `LocalMisuse` for a probability above 1."""
        law = {"one-pair": OnePair, "down-conversion": DownConversion, "many-modes": ManyModes}[self.numbers]
        numbers: OnePair | DownConversion | ManyModes = law(self.mean_pairs)
        return Source(numbers, _two(self.absorption), self.fidelity, _BELLS[self.bell], self.counting)


class OneWay(Section, tag="one-way", tag_field="kind"):
    """A link of repeaters of the third generation: logical qubits in a quantum parity code, sent without an answer."""

    blocks: Annotated[int, about("blocks of a logical qubit", 10, ge=1)]
    photons: Annotated[int, about("photons of a block", 5, ge=1)]
    detection: Annotated[float, about("share of photons that gets into the channel and out of it", 0.95, ge=0.0,
                                      le=1.0)] = 1.0  # fmt: skip
    fidelity: Annotated[float, about("fidelity of a logical pair that arrived", 0.99, ge=0.0, le=1.0)] = 1.0
    backward: Annotated[bool, about("whether it is the second end that sends", False)] = False

    @property
    def dark_counts(self) -> float:
        """None in this model."""
        return 0.0

    def value(self) -> Scheme:
        """The quantum room's."""
        code = codes.ParityCode(self.blocks, self.photons)
        return schemes.OneWay(code, self.detection, self.fidelity, self.backward)


Model = Werner | SingleClick | DoubleClick | PairSource | OneWay


class Encoding(Section):
    """Pairs of the model encoded, as repeaters of the second generation do it. A cycle of the link is then a block of
    tries, and a memory of the link a logical one, of as many physical ones as the code has qubits."""

    code: Annotated[Literal["steane", "golay"], about("Steane [[7, 1, 3]] or Golay [[23, 1, 7]]", "steane")] = "steane"
    tries: Annotated[int, about("tries of each physical link in a block", 100, ge=1)] = 1
    gate_error: Annotated[float, about("depolarising probability of the gate that each physical pair goes through",
                                       0.001, ge=0.0, le=1.0)] = 0.0  # fmt: skip
    readout_error: Annotated[float, about("probability that its measurement is told wrongly", 0.001, ge=0.0,
                                          le=1.0)] = 0.0  # fmt: skip

    def value(self, scheme: Scheme) -> Scheme:
        """The quantum room's, around the scheme of the physical pairs."""
        return schemes.Encoded(scheme, codes.CODES[self.code], self.tries, self.gate_error, self.readout_error)


def _two(values: tuple[float, ...]) -> tuple[float, float]:
    return values[0], values[1]
