"""`[tuning.*]`: the numbers of the protocols, by the names that the protocols give them.

A protocol's parameters are a dataclass of its own (`qstack.proto.<p>.params`); this room does not repeat them. Whoever
loads a file says which dataclass stands behind which table, so the declaration in the protocol is the only one.
"""

import dataclasses
from collections.abc import Iterator, Mapping
from difflib import get_close_matches
from typing import Any, TypeVar, get_type_hints

import msgspec

from qstack.base.errors import LocalMisuse
from qstack.config.problem import Problem, shown

__all__ = ["check_tuning", "tuned"]

P = TypeVar("P")
Table = Mapping[str, Any]


def tuned(kind: type[P], table: Table) -> P:
    """The parameters `kind` with what `table` says; keys are kebab-case. `table` has passed `check_tuning`."""
    return _changed(kind(), table)


def _changed(parameters: P, table: Table) -> P:
    hints = get_type_hints(type(parameters))
    changes: dict[str, Any] = {}
    for key, value in table.items():
        name = key.replace("-", "_")
        present = getattr(parameters, name)
        nested = dataclasses.is_dataclass(present)
        changes[name] = _changed(present, value) if nested else msgspec.convert(value, hints[name])
    return dataclasses.replace(parameters, **changes)  # type: ignore[type-var]


def check_tuning(tables: Mapping[str, Table], kinds: Mapping[str, type[Any]]) -> Iterator[Problem]:
    """What is wrong with the tables, given the parameters behind each name."""
    for name, table in tables.items():
        path = f"$.tuning.{name}"
        if name not in kinds:
            yield Problem(path, shown(table), "is no protocol with parameters", f"there are {', '.join(kinds)}")
            continue
        problems = list(_wrong_keys(kinds[name](), table, path))
        yield from problems
        if not problems:
            yield from _wrong_whole(kinds[name], table, path)


def _wrong_keys(parameters: Any, table: Table, path: str) -> Iterator[Problem]:
    hints = get_type_hints(type(parameters))
    known = [field.name.replace("_", "-") for field in dataclasses.fields(parameters) if field.init]
    for key, value in table.items():
        where = f"{path}.{key}"
        if key not in known:
            near = get_close_matches(key, known, 1) or known
            yield Problem(where, shown(value), "is not a known parameter", f"there is {', '.join(near)}")
            continue
        present = getattr(parameters, key.replace("-", "_"))
        if dataclasses.is_dataclass(present) and isinstance(value, Mapping):
            yield from _wrong_keys(present, value, where)
            continue
        try:
            msgspec.convert(value, hints[key.replace("-", "_")])
        except (msgspec.ValidationError, TypeError) as error:
            yield Problem(where, shown(value), str(error).replace("`", ""), f"the default is {shown(present)}")


def _wrong_whole(kind: type[Any], table: Table, path: str) -> Iterator[Problem]:
    """Bounds that the parameters themselves keep."""
    try:
        tuned(kind, table)
    except LocalMisuse as error:
        yield Problem(path, shown(table), str(error), "leave the key out to have its default")
