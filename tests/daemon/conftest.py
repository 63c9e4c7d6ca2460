"""One network of real processes for all tests that leave it as they found it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.daemon.network import Network, running


@pytest.fixture(scope="session")
def network(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Network]:
    """The demonstration's network, up and connected."""
    with running(tmp_path_factory.mktemp("network")) as found:
        found.connected()
        yield found
