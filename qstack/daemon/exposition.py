"""Metrics as Prometheus reads them: text exposition format 0.0.4."""

from bisect import bisect_left
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from math import isinf

__all__ = ["CONTENT_TYPE", "Family", "Histogram", "Labels", "counter", "exposition", "gauge", "histogram"]

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"

Labels = Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Family:
    """A metric: its name, what kind it is, one line of help, and lines of (suffix, labels, value)."""

    name: str
    kind: str
    help: str
    samples: tuple[tuple[str, Labels, float], ...]


@dataclass(slots=True)
class Histogram:
    """How often a value was at most each of `bounds` (rising, without infinity)."""

    bounds: tuple[float, ...]
    counts: list[int] = field(default_factory=list)
    total: float = 0.0

    def __post_init__(self) -> None:
        self.counts = [0] * (len(self.bounds) + 1)

    def observe(self, value: float) -> None:
        """Count one value."""
        self.counts[bisect_left(self.bounds, value)] += 1
        self.total += value

    def samples(self, labels: Labels) -> Iterable[tuple[str, Labels, float]]:
        """As lines: cumulative buckets, sum and count."""
        below = 0
        for bound, count in zip((*self.bounds, float("inf")), self.counts, strict=True):
            below += count
            yield "_bucket", {**labels, "le": _number(bound)}, below
        yield "_sum", labels, self.total
        yield "_count", labels, below


def counter(name: str, text: str, samples: Sequence[tuple[Labels, float]]) -> Family:
    """What only grows; its name ends in `_total`."""
    return Family(name, "counter", text, tuple(("", labels, value) for labels, value in samples))


def gauge(name: str, text: str, samples: Sequence[tuple[Labels, float]]) -> Family:
    """What goes up and down."""
    return Family(name, "gauge", text, tuple(("", labels, value) for labels, value in samples))


def histogram(name: str, text: str, samples: Sequence[tuple[Labels, Histogram]]) -> Family:
    """How values are distributed."""
    lines = tuple(line for labels, values in samples for line in values.samples(labels))
    return Family(name, "histogram", text, lines)


def exposition(families: Iterable[Family]) -> bytes:
    """The page. A family without samples is left out."""
    return "".join(line for family in families if family.samples for line in _lines(family)).encode()


def _lines(family: Family) -> Iterable[str]:
    yield f"# HELP {family.name} {_escaped(family.help, quotes=False)}\n"
    yield f"# TYPE {family.name} {family.kind}\n"
    for suffix, labels, value in family.samples:
        inside = ",".join(f'{name}="{_escaped(text, quotes=True)}"' for name, text in labels.items())
        yield f"{family.name}{suffix}{{{inside}}} {_number(value)}\n" if inside else (
            f"{family.name}{suffix} {_number(value)}\n"
        )


def _number(value: float) -> str:
    if isinf(value):
        return "+Inf" if value > 0 else "-Inf"
    return str(int(value)) if value == int(value) else repr(float(value))


def _escaped(text: str, *, quotes: bool) -> str:
    text = text.replace("\\", "\\\\").replace("\n", "\\n")
    return text.replace('"', '\\"') if quotes else text
