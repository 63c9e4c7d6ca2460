"""Run benchmarks and tell their results: `tools/bench [--json FILE] [NAME ...]`."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable
from pathlib import Path

from tools.benchmarks import circuit, codec, engine, epr, seal, session, starting, twin
from tools.benchmarks.comparison import Comparison

Entry = Callable[[], Comparison]

ENTRIES: dict[str, Entry] = {
    **codec.ENTRIES,
    **session.ENTRIES,
    **seal.ENTRIES,
    **starting.ENTRIES,
    **engine.ENTRIES,
    **circuit.ENTRIES,
    **epr.ENTRIES,
    **twin.ENTRIES,
}


def chosen(names: list[str]) -> list[Entry]:
    """The entries asked for: by name, or by the beginning of it up to a `.` or `/`; all when none is named."""
    unknown = [name for name in names if not any(fits(name, entry) for entry in ENTRIES)]
    if unknown:
        sys.exit(f"bench: no entry {', '.join(unknown)}. There are: {', '.join(ENTRIES)}")
    return [run for entry, run in ENTRIES.items() if not names or any(fits(name, entry) for name in names)]


def fits(name: str, entry: str) -> bool:
    return entry == name or (entry.startswith(name) and entry[len(name)] in "./")


def as_json(result: Comparison) -> dict[str, object]:
    return {
        "name": result.name, "ours": rounded(result.ours), "theirs": rounded(result.theirs), "peer": result.peer,
        "unit": result.unit, "ratio": rounded(result.ratio), "command": result.command,
    }  # fmt: skip


def rounded(figure: float | None) -> float | None:
    return None if figure is None else float(f"{figure:.4g}")


def line(result: Comparison) -> str:
    theirs = "absent" if result.theirs is None else f"{result.theirs:,.4g}"
    ratio = "" if result.ratio is None else f"{result.ratio:.3g} x"
    return f"{result.name:<24} {result.ours:>12,.4g} {theirs:>12} {ratio:>10}  {result.unit}; {result.peer}"


def main() -> int:
    """Run the chosen entries one after the other."""
    parser = argparse.ArgumentParser(prog="tools/bench", description=__doc__)
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the results there as well")
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"{', '.join(ENTRIES)} (all)")
    asked = parser.parse_args()
    results = []
    print(f"{'':<24} {'ours':>12} {'theirs':>12} {'ratio':>10}")
    for entry in chosen(asked.names):
        results.append(entry())
        print(line(results[-1]), flush=True)
    if asked.json:
        asked.json.write_text(json.dumps([as_json(result) for result in results], indent=2) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
