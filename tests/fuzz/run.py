"""Run the fuzzer for a while: `tools/fuzz --seconds N`."""

from __future__ import annotations

import argparse
import secrets
import sys
import time
import traceback

from tests.fuzz.codec import case_octets, run_case


def main() -> int:
    """Run cases until the time is over or one fails; a failing case is printed with the command that repeats it."""
    parser = argparse.ArgumentParser(prog="tools/fuzz", description=__doc__)
    parser.add_argument("--seconds", type=float, default=60, help="how long (60)")
    parser.add_argument("--seed", type=int, default=secrets.randbelow(1 << 32), help="which cases (others each time)")
    parser.add_argument("--first", type=int, default=0, help="number of the first case (0)")
    parser.add_argument("--cases", type=int, default=None, help="how many cases at most (as time allows)")
    asked = parser.parse_args()
    print(f"fuzz: seed {asked.seed}", flush=True)
    until, number = time.monotonic() + asked.seconds, asked.first
    while time.monotonic() < until and (asked.cases is None or number < asked.first + asked.cases):
        try:
            run_case(asked.seed, number)
        except Exception:
            traceback.print_exc()
            vector, octets = case_octets(asked.seed, number)
            print(f"fuzz: {vector.name} {octets.hex()}")
            print(f"fuzz: again: tools/fuzz --seed {asked.seed} --first {number} --cases 1")
            return 1
        number += 1
    print(f"fuzz: {number - asked.first} cases, none failed")
    return 0


if __name__ == "__main__":
    sys.exit(main())
