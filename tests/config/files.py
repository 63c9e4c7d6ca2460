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
