"""Segments: the parts of the classical network on which neighbours are looked for."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from qstack.base.errors import LocalMisuse
from qstack.base.locator import Locator

__all__ = ["Segment", "segments_by_name"]


@dataclass(frozen=True, slots=True)
class Segment:
    """A configured segment: its multicast group, if it has one, and locators to ask one by one."""

    name: str
    multicast: Locator | None = None
    unicast: tuple[Locator, ...] = ()

    def targets(self) -> Iterator[Locator | None]:
        """Whom to send to: None stands for the group."""
        if self.multicast is not None:
            yield None
        yield from self.unicast


def segments_by_name(segments: Iterable[Segment]) -> dict[str, Segment]:
    """The segments by name. Raises `LocalMisuse` for a name used twice."""
    found: dict[str, Segment] = {}
    for segment in segments:
        if segment.name in found:
            raise LocalMisuse(f"segment {segment.name!r} is configured twice: give each segment its own name")
        found[segment.name] = segment
    return found
