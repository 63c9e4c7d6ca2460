"""What all tests share: where the tree is, which outside tools are at hand, how hard Hypothesis looks."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

ROOT = Path(__file__).resolve().parent.parent

# No deadlines: the machine may be busy. In CI the examples are the same each time, so that red means a change.
settings.register_profile("qstack", deadline=None, print_blob=True, suppress_health_check=[HealthCheck.too_slow])
settings.register_profile("qstack-ci", parent=settings.get_profile("qstack"), derandomize=True)
settings.load_profile("qstack-ci" if os.environ.get("CI") else "qstack")


@pytest.fixture(scope="session")
def root() -> Path:
    """The top of the source tree."""
    return ROOT


@pytest.fixture(scope="session")
def tshark() -> str:
    """The path of tshark; the test is skipped, with the remedy, where it is not installed."""
    found = shutil.which("tshark")
    if found is None:
        pytest.skip("tshark is not installed. On Debian or Ubuntu: apt-get install tshark")
    return found
