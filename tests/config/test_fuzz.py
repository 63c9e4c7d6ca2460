"""Any TOML is a configuration, or a `ConfigurationError` whose every line says where, what and how to mend it."""

from __future__ import annotations

import copy
import re
import tomllib
from pathlib import Path
from typing import Any
from unittest.mock import patch

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from qstack.config import loading
from qstack.config.loading import load_node, load_topology, load_twin
from qstack.config.problem import ConfigurationError
from qstack.config.writing import to_toml
from qstack.daemon.build import PARAMETERS
from tests.config.files import HARDWARE, NODE, TOPOLOGY, TWIN, write

WORDS = ["", "64512.1", "64512.2", "0.0", "127.0.0.11:4560", "[::1]:4560", "239.0.0.1:1", "urn:qkd:madqci", "any",
         "node.pem", "sha256:" + "0" * 64, "alice", "bob", "werner", "psi+", "0660", "ff" * 70, "\0", "ü",
         "x" * 200]  # fmt: skip
scalars = st.one_of(
    st.sampled_from(WORDS), st.integers(-(1 << 70), 1 << 70), st.integers(-2, 70_000), st.booleans(),
    st.floats(allow_nan=True), st.dates(), st.text(max_size=5),
)  # fmt: skip
values = st.recursive(
    scalars, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["qna", "kind", "x"]), inner),
    max_leaves=5,
)  # fmt: skip
TUNING = "[tuning.link]\nlead-ns = 5\n[tuning.session.retransmission]\nfactor = 2\n"
FILES = {"node": NODE + TUNING, "twin": TWIN, "hardware": HARDWARE, "topology": TOPOLOGY}
LOADERS = {
    "node": lambda path: load_node(path, PARAMETERS), "twin": load_twin, "hardware": load_twin,
    "topology": lambda path: load_topology(path, PARAMETERS),
}  # fmt: skip


def places(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """Every key and index of a document."""
    keys = value.keys() if isinstance(value, dict) else range(len(value)) if isinstance(value, list) else ()
    return [place for key in keys for place in ((*path, key), *places(value[key], (*path, key)))]


@st.composite
def damaged(draw: Any, name: str) -> dict[str, Any]:
    """A good document with a few of its values replaced, removed or doubled, and perhaps a new key."""
    document = copy.deepcopy(tomllib.loads(FILES[name]))
    for _ in range(draw(st.integers(1, 4))):
        *path, last = draw(st.sampled_from(places(document) or [("x",)]))
        inner = document
        for key in path:
            inner = inner[key]
        match draw(st.sampled_from(["replace", "remove", "double", "add"])):
            case "remove" if isinstance(inner, dict):
                inner.pop(last, None)
            case "double" if isinstance(inner, list):
                inner.append(copy.deepcopy(inner[last]))
            case "add" if isinstance(inner, dict):
                inner[draw(st.sampled_from(["states", "multicast", "colour", "locator", "as", "model"]))] = draw(values)
            case _:
                inner[last] = draw(values)
    return document


@pytest.mark.parametrize("name", FILES)
@given(data=st.data())
@settings(max_examples=150)
def test_any_document_loads_or_is_refused_line_by_line(
    name: str, data: st.DataObject, tmp_path_factory: pytest.TempPathFactory
) -> None:
    path = write(tmp_path_factory.getbasetemp(), "", f"{name}.toml")
    document = data.draw(damaged(name))
    with patch.object(loading, "_parse", lambda _: document):
        try:
            loaded = LOADERS[name](path)
        except ConfigurationError as error:
            lines = str(error).split("\n")
            assert len(lines) == len(error.problems) > 0
            assert all(re.match(rf"{re.escape(str(path))}: \$\S* = .+: .+; .+", line) for line in lines), lines
            return
    again = write(path.parent, to_toml(loaded), f"{name}.toml")
    assert LOADERS[name](again) == loaded  # what is accepted survives being written and read


@pytest.mark.parametrize("name", FILES)
def test_good_file_survives_being_written_and_read(name: str, tmp_path: Path) -> None:
    loaded = LOADERS[name](write(tmp_path, FILES[name], f"{name}.toml"))
    assert LOADERS[name](write(tmp_path, to_toml(loaded), f"{name}.toml")) == loaded
