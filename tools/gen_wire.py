#!/usr/bin/env python3
"""Write what is generated from the tables of the wire: gen_wire.py [--check]

The Wireshark plugin, the pages below rfc_notes/wire/, and the capture of samples with its entry in pcap/MANIFEST.toml.
With --check nothing is written: stale files are named and the exit code is 1.
"""

import argparse
import hashlib
import sys
import tempfile
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from qstack.dissect import catalogue, lua, markdown  # noqa: E402
from qstack.dissect.capture import UdpDatagram, write_capture  # noqa: E402
from qstack.dissect.sample import datagrams  # noqa: E402
from qstack.wire.protocols import UDP_PORT  # noqa: E402

PLUGIN = Path("pcap/qstack.lua")
PAGES = Path("rfc_notes/wire")
SAMPLE = Path("pcap/samples.pcapng")
MANIFEST = Path("pcap/MANIFEST.toml")

MANIFEST_HEAD = """\
# Captures in this folder. The entry of samples.pcapng is written by tools/gen_wire.py, the others by hand.
"""
ADDRESSES = (bytes((192, 0, 2, 1)), bytes((192, 0, 2, 2)))  # RFC 5737
FIRST_SECOND, STEP = 1_767_225_600, 1 / 1024  # 2026-01-01 UTC; a step that binary fractions hold exactly


def samples() -> Iterator[UdpDatagram]:
    """Every message, from the node with the lower address to the other or back."""
    for position, datagram in enumerate(datagrams("samples")):
        ends = [(address, UDP_PORT) for address in ADDRESSES]
        if datagram.source > datagram.destination:
            ends.reverse()
        yield UdpDatagram(position + 1, FIRST_SECOND + position * STEP, ends[0], ends[1], datagram.octets)


def sample_capture() -> tuple[bytes, int]:
    """The octets of the capture of samples, and the number of its packets."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / SAMPLE.name
        packets = write_capture(path, samples())
        return path.read_bytes(), packets


def manifest(capture: bytes, packets: int) -> str:
    """The manifest with a new entry for the samples; other entries stay as they are."""
    path = ROOT / MANIFEST
    old: list[dict[str, Any]] = tomllib.loads(path.read_text())["capture"] if path.exists() else []
    entry = {
        "file": SAMPLE.name,
        "what": "Every message that crosses UDP: unsealed where that is allowed, and sealed.",
        "made": "tools/gen_wire.py: values are made up, seals are not real.",
        "packets": packets,
        "sha256": hashlib.sha256(capture).hexdigest(),
    }
    entries = [entry, *(other for other in old if other["file"] != SAMPLE.name)]
    return "\n".join([MANIFEST_HEAD, *("[[capture]]\n" + _toml(entry) for entry in entries)])


def _toml(entry: dict[str, Any]) -> str:
    quoted = {key: value if isinstance(value, int) else _quoted(value) for key, value in entry.items()}
    return "".join(f"{key} = {value}\n" for key, value in quoted.items())


def _quoted(text: str) -> str:
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


def generated() -> dict[Path, bytes]:
    """Every generated file with what it must hold."""
    capture, packets = sample_capture()
    pages = {
        PAGES / f"{protocol.name.lower()}.md": markdown.page(protocol).encode() for protocol in catalogue.namespaces()
    }
    return {
        PLUGIN: lua.render().encode(),
        **pages,
        SAMPLE: capture,
        MANIFEST: manifest(capture, packets).encode(),
    }


def stale(wanted: dict[Path, bytes]) -> list[Path]:
    """Files that are missing, differ, or are pages of tables that are no more."""
    changed = [path for path, octets in wanted.items() if _present(path) != octets]
    pages = (path.relative_to(ROOT) for path in sorted((ROOT / PAGES).glob("*.md")))
    return [*changed, *(page for page in pages if page not in wanted)]


def _present(path: Path) -> bytes | None:
    return (ROOT / path).read_bytes() if (ROOT / path).exists() else None


def write(wanted: dict[Path, bytes]) -> None:
    """Bring the tree up to date; say what was changed."""
    for path in stale(wanted):
        print(path)
        if path in wanted:
            (ROOT / path).parent.mkdir(parents=True, exist_ok=True)
            (ROOT / path).write_bytes(wanted[path])
        else:
            (ROOT / path).unlink()


def main() -> int:
    """Write or check; give the exit code."""
    parser = argparse.ArgumentParser(description="Write what is generated from the tables of the wire.")
    parser.add_argument("--check", action="store_true", help="write nothing; name what is stale and exit with 1")
    wanted = generated()
    if not parser.parse_args().check:
        write(wanted)
        return 0
    found = stale(wanted)
    for path in found:
        print(f"{path} is stale: run tools/gen_wire.py", file=sys.stderr)
    return 1 if found else 0


if __name__ == "__main__":
    raise SystemExit(main())
