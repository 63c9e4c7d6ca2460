"""Loading a file: syntax, values, rules. It is accepted whole, or refused with every problem that was found."""

import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypeVar

from msgspec import NODEFAULT, Struct
from msgspec.structs import fields

from qstack.config.node import NodeFile
from qstack.config.node_rules import NODE_RULES
from qstack.config.problem import ConfigurationError, Problem
from qstack.config.reading import Reader
from qstack.config.rule import Rule, broken_rules
from qstack.config.topology import TopologyFile
from qstack.config.topology_rules import TOPOLOGY_RULES
from qstack.config.tuning import check_tuning
from qstack.config.twin import TwinFile
from qstack.config.twin_rules import TWIN_RULES

__all__ = ["load_node", "load_topology", "load_twin"]

F = TypeVar("F", bound=Struct)
Tunables = Mapping[str, type[Any]]


def load_node(path: str | Path, tunables: Tunables | None = None) -> NodeFile:
    """The file of a node. `tunables`: the parameters (dataclasses) behind each `[tuning.NAME]`; without them `tuning`
    is not checked. Raises `ConfigurationError`."""
    return _load(Path(path), NodeFile, NODE_RULES, tunables)


def load_twin(path: str | Path) -> TwinFile:
    """The file of a twin. Raises `ConfigurationError`."""
    return _load(Path(path), TwinFile, TWIN_RULES)


def load_topology(path: str | Path, tunables: Tunables | None = None) -> TopologyFile:
    """The topology of a laboratory; `tunables` as in `load_node`. Raises `ConfigurationError`."""
    return _load(Path(path), TopologyFile, TOPOLOGY_RULES, tunables)


def _load(path: Path, kind: type[F], rules: tuple[Rule, ...], tunables: Tunables | None = None) -> F:
    raw = _parse(path)
    reader = Reader(path.parent)
    found, broken = reader.sections(kind, raw)
    sections = _defaults(kind) | found
    problems = [*reader.problems, *broken_rules(rules, sections, broken)]
    if tunables is not None and "tuning" not in broken:
        problems += check_tuning(sections["tuning"], tunables)
    if problems:
        raise ConfigurationError(path, problems)
    return kind(**sections)


def _parse(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        fault, remedy = f"cannot be read: {error.strerror}", "give the path of a file that can be read"
    except UnicodeDecodeError as error:
        fault, remedy = f"is not UTF-8 at octet {error.start}", "save it as UTF-8"
    except tomllib.TOMLDecodeError as error:
        fault, remedy = f"is not TOML: {error}", "see https://toml.io for the syntax"
    raise ConfigurationError(path, [Problem("$", "(the file)", fault, remedy)])


def _defaults(kind: type[Struct]) -> dict[str, Any]:
    """What the sections are that a file leaves out."""
    values: dict[str, Any] = {}
    for info in fields(kind):
        if info.default is not NODEFAULT:
            values[info.name] = info.default
        elif info.default_factory is not NODEFAULT:
            values[info.name] = info.default_factory()
    return values
