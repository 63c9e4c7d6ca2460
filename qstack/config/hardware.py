"""A physical link, as all files describe it: written once, read by the twin for what happens and by nodes for what to
expect (HARDWARE-11)."""

from collections.abc import Callable, Iterator
from typing import Annotated, Any

from msgspec import field
from msgspec.structs import replace

from qstack.base.errors import LocalMisuse
from qstack.config.light import Arm, Detector, Turns
from qstack.config.problem import Problem, shown
from qstack.config.schemes import DoubleClick, Encoding, Model, OneWay, PairSource, SingleClick, Werner
from qstack.config.value import Section, about
from qstack.quantum.channels import Channel, Lossless
from qstack.quantum.hardware import LinkHardware
from qstack.quantum.raman import ClassicalLight

__all__ = ["PhysicalLink", "check_hardware", "link_hardware", "turned_round"]


class PhysicalLink(Section):
    """What a link is made of. All that comes in twos is in the order of the link's ends."""

    model: Model = field(default_factory=Werner)
    arms: Annotated[tuple[Arm, ...] | None, about("channel between each end and the station, or the source",
                                                  min_length=2, max_length=2)] = None  # fmt: skip
    arm_delays_ns: Annotated[
        tuple[Annotated[int, about("time of flight in ns", 50_000, ge=0)], ...],
        about("time of flight from each end to the station in ns, where `arms` do not say it", [50_000, 50_000],
              min_length=2, max_length=2),
    ] = (0, 0)  # fmt: skip
    detector: Detector = field(default_factory=Detector)
    turns: Turns | None = None
    encoding: Encoding | None = None


def link_hardware(link: PhysicalLink, cycle_ns: int) -> LinkHardware:
    """The quantum room's value. Raises `LocalMisuse` for what cannot be."""
    arms, classical = _arms(link)
    scheme = link.model.value()
    if link.encoding is not None:
        scheme = link.encoding.value(scheme)
    return LinkHardware(
        cycle_ns, scheme, arms, link.detector.value(link.model.dark_counts), classical,
        None if link.turns is None else link.turns.value(), link.turns is None or link.turns.blanks,
    )  # fmt: skip


def _arms(
    link: PhysicalLink,
) -> tuple[tuple[Channel, Channel], tuple[ClassicalLight | None, ClassicalLight | None]]:
    if link.arms is None:
        return (Lossless(link.arm_delays_ns[0]), Lossless(link.arm_delays_ns[1])), (None, None)
    first, second = link.arms
    light = [None if (each := getattr(arm, "classical", None)) is None else each.value() for arm in link.arms]
    return (first.value(), second.value()), (light[0], light[1])


def turned_round(link: PhysicalLink) -> PhysicalLink:
    """The same link with its ends named the other way round."""
    model: Any = link.model
    match model:
        case SingleClick():
            model = replace(model, bright=model.bright[::-1], detection=model.detection[::-1])
        case DoubleClick():
            model = replace(model, detection=model.detection[::-1])
        case PairSource():
            model = replace(model, absorption=model.absorption[::-1])
        case OneWay():
            model = replace(model, backward=not model.backward)
    arms = None if link.arms is None else link.arms[::-1]
    return replace(link, model=model, arms=arms, arm_delays_ns=link.arm_delays_ns[::-1])


def check_hardware(link: PhysicalLink, cycle_ns: int, path: str) -> Iterator[Problem]:
    """Each part can be, and attempts can succeed."""
    if link.arms is not None and any(link.arm_delays_ns):
        remedy = 'leave it out, or write arms of kind "given" with their flight-ns'
        yield Problem(f"{path}.arm-delays-ns", shown(link.arm_delays_ns), "is said by `arms` already", remedy)
    told = [*_check_parts(link, path)]
    yield from told
    if told:
        return
    try:
        hardware = link_hardware(link, cycle_ns)
    except LocalMisuse as error:
        yield Problem(f"{path}.model", _as_shown(link.model), str(error), "correct the link's arms, detector or model")
        return
    if hardware.best().success_probability <= 0.0:
        remedy = "raise its probabilities"
        yield Problem(f"{path}.model", _as_shown(link.model), "no attempt can ever succeed", remedy)


def _check_parts(link: PhysicalLink, path: str) -> Iterator[Problem]:
    parts: list[tuple[str, Any, Callable[[], Any]]] = [
        ("model", link.model, link.model.value),
        ("detector", link.detector, lambda: link.detector.value(link.model.dark_counts)),
    ]
    for n, arm in enumerate(link.arms or ()):
        parts.append((f"arms[{n}]", arm, arm.value))
    if link.turns is not None:
        parts.append(("turns", link.turns, link.turns.value))
    for name, section, make in parts:
        try:
            make()
        except LocalMisuse as error:
            remedy = "see the hardware note for what it may be"
            yield Problem(f"{path}.{name}", _as_shown(section), str(error), remedy)


def _as_shown(section: Any) -> str:
    return shown({name: getattr(section, name) for name in section.__struct_fields__})
