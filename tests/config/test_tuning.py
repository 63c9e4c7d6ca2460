"""Numbers of protocols by file."""

from __future__ import annotations

from pathlib import Path

from qstack.config.loading import load_node
from qstack.config.tuning import tuned
from qstack.proto.link.params import LinkParameters
from qstack.proto.session.params import SessionParameters
from tests.config.files import NODE, write

TABLES = """
[tuning.link]
lead-ns = 5
[tuning.session]
probes = 3
[tuning.session.retransmission]
factor = 3
"""


def test_tuning_changes_what_it_names_and_nothing_else(tmp_path: Path) -> None:
    node = load_node(write(tmp_path, NODE + TABLES), {"link": LinkParameters, "session": SessionParameters})
    assert tuned(LinkParameters, node.tuning["link"]) == LinkParameters(lead_ns=5)
    session = tuned(SessionParameters, node.tuning["session"])
    assert (session.probes, session.retransmission.factor) == (3, 3)
    assert session.retransmission.initial_ns == SessionParameters().retransmission.initial_ns


def test_tuning_of_nothing_is_the_default() -> None:
    assert tuned(LinkParameters, {}) == LinkParameters()
