"""Time SeQUeNCe's Bell-diagonal swap formula alone. Runs in the peer's own environment, and prints nanoseconds.

States are set before: what is timed is `swapping_res`, from two Bell-diagonal states to the one that stays, without
events, without a draw, without time in memory.
"""

from __future__ import annotations

import sys
import time
from types import SimpleNamespace

import sequence.entanglement_management.swapping.swapping_bds as swapping
from sequence.constants import BELL_DIAGONAL_STATE_FORMALISM
from sequence.kernel.timeline import Timeline

CALLS = 2000


def main() -> None:
    """Print the quickest of many short rounds, with Bell-diagonal states kept or twirled, whichever is quicker."""
    seconds = float(sys.argv[1])
    states = Timeline(formalism=BELL_DIAGONAL_STATE_FORMALISM).quantum_manager
    keys = [states.new() for _ in range(4)]
    for pair in (keys[:2], keys[2:]):
        states.set(pair, [0.97, 0.01, 0.01, 0.01])
    owner = SimpleNamespace(timeline=SimpleNamespace(quantum_manager=states), gate_fid=0.99, meas_fid=0.99, name="x")
    best = float("inf")
    until = time.perf_counter() + seconds
    while time.perf_counter() < until:
        for twirled in (True, False):
            protocol = SimpleNamespace(
                owner=owner, is_twirled=twirled, left_memo=SimpleNamespace(qstate_key=keys[1]),
                right_memo=SimpleNamespace(qstate_key=keys[2]),
            )  # fmt: skip
            start = time.perf_counter()
            for _ in range(CALLS):
                swapping.EntanglementSwappingA_BDS.swapping_res(protocol)
            best = min(best, (time.perf_counter() - start) / CALLS)
    print(best * 1e9)


if __name__ == "__main__":
    main()
