"""Rules that no single value can be judged by.

A rule names the sections that it looks at and yields the problems it finds. It is asked only when all of them could be
read, so it never accuses a section for what is wrong in another.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, NamedTuple

from qstack.config.problem import Problem, shown

__all__ = ["Rule", "broken_rules", "repeated"]


class Rule(NamedTuple):
    """`check` is called with the sections (attributes of the file's struct) in the order named."""

    sections: tuple[str, ...]
    check: Callable[..., Iterator[Problem]]


def broken_rules(rules: Iterable[Rule], sections: Mapping[str, Any], broken: set[str]) -> Iterator[Problem]:
    """What the rules find, in their order."""
    for rule in rules:
        if broken.isdisjoint(rule.sections):
            yield from rule.check(*(sections[name] for name in rule.sections))


def repeated(section: str, key: str, values: Iterable[object], remedy: str) -> Iterator[Problem]:
    """A problem for each entry of `[[section]]` whose value of `key` an earlier entry has too; None is no value."""
    first: dict[str, str] = {}
    for n, value in enumerate(values):
        path = f"$.{section}[{n}].{key}"
        if value is not None and first.setdefault(repr(value), path) != path:
            yield Problem(path, shown(value), f"is said already by {first[repr(value)]}", remedy)
