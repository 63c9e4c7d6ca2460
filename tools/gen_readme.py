"""Fill in the parts of README.md that are made from other files: tools/gen_readme.py [--check]

Between `<!-- NAME: begin -->` and `<!-- NAME: end -->` stands what is generated: the picture of a capture (from
pcap/demo.pcapng, by tshark with our plugin) and the first applications (from tools/examples).
"""

import argparse
import re
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
README = ROOT / "README.md"
FILTER = (
    'frame.number == 1 or qstack.message == "Flight" and frame.number < 40 or qstack.message == "UnitRequest" or '
    'qstack.message == "Reserve" or qstack.message == "Reserved" or qstack.message == "Gen" or '
    'qstack.message == "Reply" or qstack.message == "Track" or qstack.message == "UnitDelivered"'
)
SHOWN = {"SESSION Flight": 1, "LINK Gen": 2, "LINK Reply": 2, "CIRCUIT Track": 4, "UNIT UnitDelivered": 4}
"""How many hops of a kind are shown, where it is not all of them."""


def main() -> int:
    """Write, or with --check say whether the README is fresh."""
    parser = argparse.ArgumentParser(prog="tools/gen_readme.py", description=__doc__.splitlines()[0])
    parser.add_argument("--check", action="store_true", help="change nothing; exit 1 when README.md is stale")
    options = parser.parse_args()
    if shutil.which("tshark") is None:
        print("gen_readme: tshark is not installed, README.md is left as it is (apt-get install tshark)")
        return 0
    text = README.read_text()
    fresh = _fill(text, "capture", f"```\n{picture()}\n```")
    fresh = _fill(fresh, "example", f"```python\n{(ROOT / 'tools/examples/first_application.py').read_text()}```")
    fresh = _fill(fresh, "pairs", f"```python\n{(ROOT / 'tools/examples/first_pairs.py').read_text()}```")
    if options.check:
        if fresh != text:
            print("README.md is stale: run tools/gen_readme.py", file=sys.stderr)
        return int(fresh != text)
    README.write_text(fresh)
    return 0


def picture() -> str:
    """A few lines of the demonstration's capture, one of each kind and hop, as tshark shows them."""
    command = ["tshark", "-n", "-X", f"lua_script:{ROOT / 'pcap/qstack.lua'}", "-r", str(ROOT / "pcap/demo.pcapng"),
               "-Y", FILTER, "-T", "fields", "-e", "frame.time_relative", "-e", "ip.src", "-e", "ip.dst",
               "-e", "_ws.col.Info"]  # fmt: skip
    output = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    seen: dict[str, set[str]] = {}
    chosen = []
    for time, source, destination, info in (line.split("\t") for line in output.splitlines()):
        kind = " ".join(info.split()[:2])
        sources = seen.setdefault(kind, set())
        if source not in sources and len(sources) < SHOWN.get(kind, len(sources) + 1):
            sources.add(source)
            chosen.append(f"{float(time):9.6f}  {source:>15} -> {destination:<15}  {info}")
    return "\n".join(chosen)


def _fill(text: str, name: str, content: str) -> str:
    pattern = re.compile(f"(<!-- {name}: begin -->\n).*?(<!-- {name}: end -->)", re.DOTALL)
    assert pattern.search(text), f"README.md has no place for {name}"
    return pattern.sub(lambda match: f"{match[1]}{content}\n{match[2]}", text)


if __name__ == "__main__":
    sys.exit(main())
