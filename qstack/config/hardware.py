"""Models of links and memories as configurations name them, for the twin's file and for topologies."""

from collections.abc import Iterator
from typing import Annotated, Any, Literal

from qstack.base.bell import BellIndex
from qstack.base.errors import LocalMisuse
from qstack.config.problem import Problem, shown
from qstack.config.value import Section, about
from qstack.quantum.formulas import Correlations
from qstack.quantum.links import LinkModel
from qstack.quantum.memories import MemoryModel

__all__ = ["ArmDelays", "DoubleClick", "Hardware", "Memory", "SingleClick", "Werner", "check_hardware", "check_memory",
           "expected_states", "link_model", "memory_model"]  # fmt: skip

BellName = Literal["phi+", "phi-", "psi+", "psi-"]
Probability = Annotated[float, about("probability, 0 to 1", 0.5, ge=0.0, le=1.0)]

ArmDelays = Annotated[
    tuple[Annotated[int, about("time of flight in ns", 50_000, ge=0)], ...],
    about("time of flight from each end to the station in ns", [50_000, 50_000], min_length=2, max_length=2),
]

_BELLS: dict[str, BellIndex] = {
    "phi+": BellIndex.PHI_PLUS, "phi-": BellIndex.PHI_MINUS, "psi+": BellIndex.PSI_PLUS, "psi-": BellIndex.PSI_MINUS,
}  # fmt: skip


class Werner(Section, tag="werner", tag_field="kind"):
    """A link whose fresh pairs are Werner states around the heralded Bell states."""

    fidelity: Annotated[float, about("fidelity of a fresh pair, 0 to 1", 0.97, ge=0.0, le=1.0)] = 1.0
    success_probability: Annotated[float, about("probability that an attempt succeeds, above 0", 0.1, gt=0.0,
                                                le=1.0)] = 1.0  # fmt: skip
    bells: Annotated[tuple[BellName, ...], about("Bell states that the station tells apart", ["psi+", "psi-"],
                                                 min_length=1, max_length=4)] = ("psi+", "psi-")  # fmt: skip


class SingleClick(Section, tag="single-click", tag_field="kind"):
    """A link on which one photon heralds."""

    bright: Annotated[tuple[Probability, ...], about("bright-state population at each end", [0.05, 0.05],
                                                     min_length=2, max_length=2)]  # fmt: skip
    detection: Annotated[tuple[Probability, ...], about("probability at each end that its photon is detected",
                                                        [0.1, 0.1], min_length=2, max_length=2)]  # fmt: skip
    dark_count_probability: Annotated[float, about("probability of a dark count of a detector in a cycle", 1e-6, ge=0.0,
                                                   le=1.0)] = 0.0  # fmt: skip
    visibility: Annotated[float, about("visibility of the interference", 0.9, ge=0.0, le=1.0)] = 1.0


class DoubleClick(Section, tag="double-click", tag_field="kind"):
    """A link on which two photons herald."""

    detection: Annotated[tuple[Probability, ...], about("probability at each end that its photon is detected",
                                                        [0.1, 0.1], min_length=2, max_length=2)]  # fmt: skip
    dark_count_probability: Annotated[float, about("probability of a dark count of a detector in a round", 1e-6, ge=0.0,
                                                   le=1.0)] = 0.0  # fmt: skip
    visibility: Annotated[float, about("visibility of the interference", 0.9, ge=0.0, le=1.0)] = 1.0


Hardware = Werner | SingleClick | DoubleClick


class Memory(Section):
    """The memories of a node."""

    t1_ns: Annotated[int, about("relaxation time of the memories in ns, 0 for infinite", 1_000_000_000, ge=0)] = 0
    t2_ns: Annotated[int, about("dephasing time of the memories in ns, 0 for infinite, at most twice t1-ns",
                                500_000_000, ge=0)] = 0  # fmt: skip
    depolarising_ns: Annotated[int, about("time in ns in which correlations of a stored qubit shrink to 1/e, 0 for "
                                          "infinite", 1_000_000_000, ge=0)] = 0  # fmt: skip
    readout_error: Annotated[
        float | tuple[float, ...],
        about("probability that a measured bit is told wrongly, 0 to 0.5; a list of two: that a 0 is, that a 1 is",
              [0.05, 0.005]),
    ] = 0.0  # fmt: skip


def memory_model(memory: Memory) -> MemoryModel:
    """The quantum room's model. Raises `LocalMisuse` when T2 > 2 T1, and for what is no readout error."""
    told = memory.readout_error
    zero, one = (told, told) if isinstance(told, float) else told
    return MemoryModel(memory.t1_ns, memory.t2_ns, memory.depolarising_ns, (zero, one))


def link_model(hardware: Hardware, cycle_ns: int, arm_delays_ns: tuple[int, ...] = (0, 0)) -> LinkModel:
    """The quantum room's model. Raises `LocalMisuse` when the link could never succeed."""
    arms = (arm_delays_ns[0], arm_delays_ns[1])
    match hardware:
        case Werner():
            return LinkModel.werner(
                cycle_ns=cycle_ns, success_probability=hardware.success_probability, fidelity=hardware.fidelity,
                bells=tuple(_BELLS[name] for name in hardware.bells), arm_delays_ns=arms,
            )  # fmt: skip
        case SingleClick():
            return LinkModel.single_click(
                cycle_ns=cycle_ns, bright=_two(hardware.bright), detection=_two(hardware.detection),
                dark_count_probability=hardware.dark_count_probability, visibility=hardware.visibility,
                arm_delays_ns=arms,
            )  # fmt: skip
        case DoubleClick():
            return LinkModel.double_click(
                cycle_ns=cycle_ns, detection=_two(hardware.detection),
                dark_count_probability=hardware.dark_count_probability, visibility=hardware.visibility,
                arm_delays_ns=arms,
            )  # fmt: skip


def _two(values: tuple[float, ...]) -> tuple[float, float]:
    return values[0], values[1]


def expected_states(model: LinkModel) -> tuple[Correlations, ...]:
    """The state behind each Bell index, the link's first end first."""
    return model.expected_states()


def check_memory(memory: Memory, path: str) -> Iterator[Problem]:
    """T2 <= 2 T1, and readout errors that are probabilities of at most a half."""
    told = memory.readout_error
    errors = (told, told) if isinstance(told, float) else told
    if len(errors) != 2 or not all(0.0 <= error <= 0.5 for error in errors):
        remedy = "write a number from 0 to 0.5, or [of a 0, of a 1]"
        yield Problem(f"{path}.readout-error", shown(told), "is no readout error", remedy)
        return
    try:
        memory_model(memory)
    except LocalMisuse as error:
        yield Problem(f"{path}.t2-ns", str(memory.t2_ns), str(error), "no memory dephases slower: lower t2-ns")


def check_hardware(hardware: Hardware, cycle_ns: int, path: str) -> Iterator[Problem]:
    """A link must be able to succeed."""
    try:
        model = link_model(hardware, cycle_ns)
    except LocalMisuse as error:
        yield Problem(path, _as_shown(hardware), str(error), "raise its probabilities")
        return
    if model.success_probability <= 0.0:
        yield Problem(path, _as_shown(hardware), "no attempt can ever succeed", "raise its probabilities")


def _as_shown(hardware: Any) -> str:
    return shown({name: getattr(hardware, name) for name in hardware.__struct_fields__})
