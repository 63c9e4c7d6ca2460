"""What must hold for the links of a node's file."""

from collections.abc import Iterator, Mapping
from typing import Any

from qstack.base.errors import LocalMisuse
from qstack.base.ids import Qna, format_qna
from qstack.config.hardware import check_hardware
from qstack.config.node import MAXIMUM_MEMORIES, Device, Link, Neighbour, Own, Station
from qstack.config.problem import Problem, shown
from qstack.config.rule import repeated
from qstack.quantum.states import check_state

__all__ = ["check_cutoff", "check_device", "check_links", "check_memories"]

_CORRELATIONS = 16


def check_links(
    own: Own, neighbours: tuple[Neighbour, ...], links: tuple[Link, ...], stations: tuple[Station, ...],
    twin: Device | None,
) -> Iterator[Problem]:  # fmt: skip
    """Who is at the ends and at the stations, and that there is a device."""
    near = {neighbour.qna for neighbour in neighbours}
    yield from repeated("link", "id", [each.id for each in links], "give each link its own number")
    remedy = "one link to a neighbour is possible; give it more memories instead"
    yield from repeated("link", "neighbour", [format_qna(each.neighbour) for each in links], remedy)
    yield from repeated("station", "link", [each.link for each in stations], "list each link once")
    for n, link in enumerate(links):
        yield from _check_link(f"$.link[{n}]", own.qna, near, link)
    own_links = {link.id for link in links}
    for n, station in enumerate(stations):
        yield from _check_station(f"$.station[{n}]", own.qna, near, own_links, station)
    if (links or stations) and twin is None:
        remedy = 'add [twin] socket = "qtwind.sock"'
        yield Problem("$.twin", "(missing)", "there are links but no quantum device", remedy)


def check_device(twin: Device | None) -> Iterator[Problem]:
    """One way to the device."""
    if twin is None:
        return
    remedy = 'write either socket = "qtwind.sock" or [twin.mqtt]'
    if twin.socket is None and twin.mqtt is None:
        yield Problem("$.twin.socket", "(missing)", "there is no way to the device", remedy)
    elif twin.socket is not None and twin.mqtt is not None:
        yield Problem("$.twin.socket", shown(str(twin.socket)), "is a second way to the device", remedy)
    if twin.mqtt is not None and (twin.mqtt.certificate is None) != (twin.mqtt.key is None):
        remedy = "write both, or neither to use those of [session]"
        yield Problem("$.twin.mqtt", "(certificate, key)", "one of the two is missing", remedy)


def _check_link(path: str, own: Qna, near: set[Qna], link: Link) -> Iterator[Problem]:
    neighbour = format_qna(link.neighbour)
    if link.neighbour == own:
        yield Problem(f"{path}.neighbour", shown(neighbour), "is this node itself", "write the node at the other end")
    elif link.neighbour not in near:
        yield from _not_near(f"{path}.neighbour", link.neighbour)
    stations = [format_qna(each) for each in link.stations]
    if len(set(stations)) != len(stations):
        yield Problem(f"{path}.stations", shown(stations), "names a node twice", "list each station once")
    for n, station in enumerate(link.stations):
        if station not in near | {own, link.neighbour}:
            yield from _not_near(f"{path}.stations[{n}]", station)
    if link.hardware is not None:
        yield from check_hardware(link.hardware, link.cycle_ns, f"{path}.hardware")
        if link.states is not None or link.fidelity != 1.0 or link.success_probability != 1.0:
            remedy = "leave out success-probability, fidelity and states"
            yield Problem(f"{path}.hardware", "{ ... }", "says already what to expect of the link", remedy)
    for bell, state in enumerate(link.states or ()):
        yield from _check_state(f"{path}.states[{bell}]", bell, state)


def _not_near(path: str, node: Qna) -> Iterator[Problem]:
    text = format_qna(node)
    yield Problem(path, shown(text), "is not among the neighbours", f'add [[neighbour]] qna = "{text}"')


def _check_state(path: str, bell: int, state: tuple[float, ...]) -> Iterator[Problem]:
    if len(state) != _CORRELATIONS or state[0] != 1.0 or not all(-1.0 <= value <= 1.0 for value in state):
        fault, remedy = "is not 16 correlations in -1..1 beginning with 1", "write R_ij row by row over I, X, Y, Z"
        yield Problem(path, shown(state), fault, remedy)
        return
    try:
        check_state(state)
    except LocalMisuse as error:
        remedy = f"write the state of a fresh pair with Bell index {bell}"
        yield Problem(path, shown(state), f"is no state of two qubits: {error}", remedy)


def _check_station(path: str, own: Qna, near: set[Qna], own_links: set[int], station: Station) -> Iterator[Problem]:
    ends = [format_qna(end) for end in station.ends]
    if ends[0] == ends[1]:
        yield Problem(f"{path}.ends", shown(ends), "is one node twice", "name the two ends of the link")
    if station.link in own_links or own in station.ends:
        remedy = "leave it out: an end that heralds is named in [[link]] stations"
        yield Problem(path, shown(station.link), "is a link of this node", remedy)
        return
    for n, end in enumerate(station.ends):
        if end not in near:
            yield from _not_near(f"{path}.ends[{n}]", end)


def check_cutoff(links: tuple[Link, ...], tuning: Mapping[str, Mapping[str, Any]]) -> Iterator[Problem]:
    """A repeater must be given the time to wait for the other side's pair, which comes in a slot of its own."""
    cutoff_ns = tuning.get("circuit", {}).get("cutoff-ns")
    slot_ns = max((link.slot_cycles * link.cycle_ns for link in links), default=0)
    if isinstance(cutoff_ns, int) and 0 < cutoff_ns < slot_ns:
        fault = f"is shorter than the longest slot of a link, {slot_ns} ns: no pair would wait for its partner"
        yield Problem("$.tuning.circuit.cutoff-ns", shown(cutoff_ns), fault, "make it several slots, or 0 for never")


def check_memories(links: tuple[Link, ...]) -> Iterator[Problem]:
    """Memories exist, and there are as many as a device can have. Links may name the same ones."""
    total = 0
    for n, link in enumerate(links):
        path = f"$.link[{n}].memories"
        numbers = () if isinstance(link.memories, int) else link.memories
        count = link.memories if isinstance(link.memories, int) else len(numbers)
        total += count
        if not 1 <= count <= 0xFFFF:
            yield Problem(path, shown(link.memories), f"gives the link {count} memories", "a link has 1 to 65535")
        for number in numbers:
            yield from _check_memory(path, number, numbers)
    if total > MAXIMUM_MEMORIES:
        remedy = f"give them {MAXIMUM_MEMORIES} at most"
        yield Problem("$.link", shown(total), "memories are more than a device has", remedy)


def _check_memory(path: str, number: int, numbers: tuple[int, ...]) -> Iterator[Problem]:
    if not 0 <= number < MAXIMUM_MEMORIES:
        yield Problem(path, shown(number), "is no memory's number", f"they go from 0 to {MAXIMUM_MEMORIES - 1}")
    elif numbers.count(number) > 1:
        yield Problem(path, shown(number), "is named twice", "list each memory of a link once")
