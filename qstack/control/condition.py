"""What can be waited for.

| condition | holds when |
|---|---|
| `ready` | the daemon serves: sockets are open, the device is attached |
| `connected` | sealed traffic flows with every configured neighbour |
| `neighbour=QNA` | sealed traffic flows with this neighbour |
| `link=QNA` | the quantum link to this neighbour can be used |
| `endpoint=URN` | an application serves this endpoint |
| `unit=STATE` | a service unit is in this state |
| `FIGURE OP NUMBER` | the comparison is true |

FIGURE is `neighbours`, `links` (those that are up), `circuits`, `units`, `endpoints`, or a counter, which has a dot in
its name; OP is one of `>=`, `<=`, `!=`, `=`, `>`, `<`.
"""

import operator
import re
from collections.abc import Callable
from dataclasses import dataclass

from qstack.base.errors import LocalMisuse, WireError
from qstack.base.ids import format_qna, parse_qna
from qstack.control.service import ControlService
from qstack.wire.urn import parse_endpoint

__all__ = ["CONDITIONS", "Condition", "parse_condition"]

CONDITIONS = ("ready", "connected", "neighbour=QNA", "link=QNA", "endpoint=URN", "unit=STATE", "FIGURE>=NUMBER")
"""How conditions are written, for people."""

Holds = Callable[[ControlService], bool]

_COMPARISON = re.compile(r"([a-z_.]+)\s*(>=|<=|!=|=|>|<)\s*([0-9]{1,20})")
_OPERATORS: dict[str, Callable[[int, int], bool]] = {
    ">=": operator.ge, "<=": operator.le, "!=": operator.ne, "=": operator.eq, ">": operator.gt, "<": operator.lt,
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Condition:
    """A condition as it was written, and its test."""

    text: str
    holds: Holds


def parse_condition(text: str) -> Condition:
    """Read a condition. Raises `LocalMisuse` that tells what there is."""
    if text in _PLAIN:
        return Condition(text, _PLAIN[text])
    name, equals, value = text.partition("=")
    if equals and name in _NAMED:
        return Condition(text, _NAMED[name](value))
    found = _COMPARISON.fullmatch(text)
    if found is None or (found[1] not in _FIGURES and "." not in found[1]):
        raise LocalMisuse(f"{text!r} is no condition: there are {', '.join(CONDITIONS)}; a FIGURE is one of "
                          f"{', '.join(_FIGURES)}, or a counter with a dot in its name")  # fmt: skip
    return Condition(text, _comparison(found[1], _OPERATORS[found[2]], int(found[3])))


def _ready(service: ControlService) -> bool:
    return service.status().state == "ready"


def _connected(service: ControlService) -> bool:
    return all(each.up for each in service.neighbours().neighbours if each.configured)


def _neighbour(text: str) -> Holds:
    node = format_qna(parse_qna(text))
    return lambda service: any(each.up and each.node == node for each in service.neighbours().neighbours)


def _link(text: str) -> Holds:
    node = format_qna(parse_qna(text))
    return lambda service: any(each.up and each.neighbour == node for each in service.links().links)


def _endpoint(text: str) -> Holds:
    try:
        wanted = parse_endpoint(text).canonical_with_q
    except WireError as error:
        raise LocalMisuse(f"endpoint={text}: {error}") from error
    return lambda service: any(
        parse_endpoint(each.urn).canonical_with_q == wanted for each in service.units().endpoints
    )


def _unit(text: str) -> Holds:
    return lambda service: any(each.state.lower() == text.lower() for each in service.units().units)


def _comparison(name: str, compare: Callable[[int, int], bool], number: int) -> Holds:
    if name in _FIGURES:
        figure = _FIGURES[name]
        return lambda service: compare(figure(service), number)
    return lambda service: compare(service.counters().counters.get(name, 0), number)


_PLAIN: dict[str, Holds] = {"ready": _ready, "connected": _connected}
_NAMED: dict[str, Callable[[str], Holds]] = {
    "neighbour": _neighbour, "link": _link, "endpoint": _endpoint, "unit": _unit,
}  # fmt: skip
_FIGURES: dict[str, Callable[[ControlService], int]] = {
    "neighbours": lambda service: sum(each.up for each in service.neighbours().neighbours),
    "links": lambda service: sum(each.up for each in service.links().links),
    "circuits": lambda service: len(service.circuits().circuits),
    "units": lambda service: len(service.units().units),
    "endpoints": lambda service: len(service.units().endpoints),
}
