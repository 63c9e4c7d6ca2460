"""Configuration files for the tests of this room."""

from __future__ import annotations

from pathlib import Path

NODE = """
[node]
qna = "64512.1"
name = "alice"
[[segment]]
name = "lab"
locator = "127.0.0.11:4560"
ask = ["127.0.0.12:4560"]
[session]
certificate = "node.pem"
key = "node.key"
[[session.trust]]
ca = "ca.pem"
as = 64512
urn-prefixes = ["urn:qkd:madqci"]
[[neighbour]]
qna = "64512.2"
[[neighbour]]
qna = "64512.9"
locator = "127.0.0.19"
[[link]]
id = 1
neighbour = "64512.2"
stations = ["64512.2"]
memories = 4
[[link]]
id = 2
neighbour = "64512.9"
stations = ["64512.1", "64512.2"]
memories = [1, 7]
[[station]]
link = 9
ends = ["64512.2", "64512.9"]
[[route]]
prefix = "urn:qkd:madqci:ccips"
node = "64512.1"
[[route]]
destination = "64512.3"
next-hop = "64512.2"
[[route]]
as = 64513
next-hop = "64512.2"
[[endpoint]]
prefix = "urn:qkd:madqci:ccips"
users = [1000, "root"]
[twin]
socket = "qtwind.sock"
[chance]
seed = "00ff"
"""

TWIN = """
[listen]
socket = "qtwind.sock"
[[node]]
qna = "64512.1"
qubits = 4
t1-ns = 1000
t2-ns = 2000
[[node]]
qna = "64512.2"
qubits = 4
[[link]]
id = 1
ends = ["64512.1", "64512.2"]
station = "64512.2"
model = { kind = "werner", fidelity = 0.9 }
"""

HARDWARE = """
[listen]
socket = "qtwind.sock"
[[node]]
qna = "64512.1"
qubits = 4
device = "nv"
storage-qubits = 2
readout-error = [0.05, 0.005]
storage = { t2-ns = 1000 }
[node.gates]
move = { duration-ns = 5, error = 0.5 }
storage-one-qubit = { error = 0.5 }
[[node]]
qna = "64512.2"
qubits = 4
device = "ensemble"
[[link]]
id = 1
ends = ["64512.1", "64512.2"]
station = "64512.2"
model = { kind = "single-click", bright = [0.1, 0.1], detection = [0.1, 0.1], bright-range = [0.01, 0.3] }
detector = { efficiency = 0.8, dark-count-hz = 10.0, window-ns = 10.0, dead-ns = 20000 }
turns = { frame-cycles = 100, burst-cycles = 10, guard-cycles = 2, most-cycles = 50, backlog-cycles = 90 }
[[link.arms]]
kind = "fibre"
length-km = 10.0
classical = { launch-dbm = 0.0, direction = "both" }
[[link.arms]]
kind = "satellite"
altitude-km = 500.0
waist-m = 0.1
aperture-m = 0.5
highest-deg = 60.0
repeat-ns = 600_000_000_000
[[link]]
id = 2
ends = ["64512.1", "64512.2"]
station = "64512.2"
model = { kind = "pair-source", numbers = "down-conversion", mean-pairs = 0.1, absorption = [0.5, 0.5] }
encoding = { code = "steane", tries = 10, gate-error = 0.001 }
[[link.arms]]
kind = "free-space"
length-km = 10.0
waist-m = 0.1
aperture-m = 0.5
pointing-rad = 1e-6
[[link.arms]]
kind = "given"
flight-ns = 5
[[link]]
id = 3
ends = ["64512.1", "64512.2"]
station = "64512.2"
model = { kind = "one-way", blocks = 3, photons = 4, detection = 0.9 }
"""

TOPOLOGY = """
[lab]
name = "two"
[[node]]
name = "alice"
qna = "64512.1"
urn = ["urn:qkd:a"]
[[node]]
name = "bob"
qna = "64512.2"
urn = ["urn:qkd:b"]
[[link]]
between = ["alice", "bob"]
memories = 8
"""


def write(folder: Path, text: str, name: str = "node.toml") -> Path:
    """Put a file and the certificates that it may name into a folder."""
    for needed in ("node.pem", "node.key", "ca.pem"):
        (folder / needed).touch()
    path = folder / name
    path.write_text(text)
    return path
