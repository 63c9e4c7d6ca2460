"""The command behind tools/sim."""

import argparse
import json
import os
import sys
import time
from collections.abc import Iterable
from pathlib import Path

from qstack.testing.campaign import Summary, each_result
from qstack.testing.trial import Result, try_seed

__all__ = ["main"]


def main(arguments: list[str] | None = None) -> int:
    """Run what the arguments ask for; the exit code."""
    options = _parser().parse_args(arguments)
    if options.replay is not None:
        return _replay(options.replay)
    summary = Summary()
    began = time.monotonic()
    for result in each_result(options.seeds, options.jobs):
        summary.add(result)
        summary.wall_s = time.monotonic() - began
        _tell(result, summary, len(options.seeds), options.verbose)
    if sys.stderr.isatty():
        print("\r\033[K", end="", file=sys.stderr)
    print(summary.text())
    if summary.failed:
        print(f"replay with: tools/sim --replay {summary.failed[0].seed}")
    if options.json is not None:
        Path(options.json).write_text(json.dumps(summary.as_json(), indent=1) + "\n")
    return int(bool(summary.failed))


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="tools/sim", description="deterministic simulation of whole networks")
    what = parser.add_mutually_exclusive_group(required=True)
    what.add_argument("--seeds", type=_range, metavar="A:B", help="the seeds A to B - 1")
    what.add_argument("--replay", type=int, metavar="SEED", help="carry one seed out again, twice, and tell its story")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1, help="processes (default: one a processor)")
    parser.add_argument("--verbose", action="store_true", help="a line for each seed, the story of each that fails")
    parser.add_argument("--json", metavar="FILE", help="write the summary there")
    return parser


def _range(text: str) -> range:
    first, separator, last = text.partition(":")
    try:
        seeds = range(int(first or 0), int(last if separator else first) + (not separator))
    except ValueError as error:
        raise argparse.ArgumentTypeError(f"{text!r}: write A:B, for example 0:1000") from error
    if not seeds or seeds.start < 0:
        raise argparse.ArgumentTypeError(f"{text!r} names no seeds")
    return seeds


def _tell(result: Result, summary: Summary, total: int, verbose: bool) -> None:
    if verbose:
        verdict = "FAILED" if result.faults else "ok"
        units = ", ".join(result.outcomes.elements()) or "no units"
        print(f"seed {result.seed}: {verdict} ({result.mood}; {units}; {result.spent_s:.2f} s; trace {result.trace})")
        _print_faults([result])
    elif result.faults:
        print(f"seed {result.seed} FAILED: {result.faults[0].splitlines()[-1]}")
    if sys.stderr.isatty() and not verbose:
        print(f"\r\033[K{summary.trials}/{total} seeds, {len(summary.failed)} failed, {summary.rate:.1f}/s", end="",
              file=sys.stderr, flush=True)  # fmt: skip


def _print_faults(results: Iterable[Result]) -> None:
    for result in results:
        if result.faults:
            print(result.story)
            for fault in result.faults:
                print(f"  FAULT {fault}")


def _replay(seed: int) -> int:
    first, second = try_seed(seed), try_seed(seed)
    print(first.story)
    for fault in first.faults:
        print(f"  FAULT {fault}")
    same = first.trace == second.trace and first.faults == second.faults
    print(f"seed {seed}: {len(first.faults)} faults, trace {first.trace}, {first.spent_s:.2f} s, "
          f"{'the same the second time' if same else 'and SOMETHING ELSE the second time'}")  # fmt: skip
    return int(bool(first.faults) or not same)


if __name__ == "__main__":
    sys.exit(main())
