"""One end of link.pairs and link.connect on SimulaQron, by its own Python: simulaqron_application.py ROLE PAIRS BATCH

The same program as epr_application.py, by NetQASM's SDK: create_keep or recv_keep, measure each, flush. To be run where
network.json and settings.json are.
"""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path

from netqasm.logging.glob import set_log_level  # type: ignore[import-not-found]
from netqasm.sdk import EPRSocket  # type: ignore[import-not-found]
from simulaqron.settings import network_config, simulaqron_settings  # type: ignore[import-not-found]


def main() -> None:
    role, pairs, batch = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
    network_config.read_from_file(Path("network.json"))
    simulaqron_settings.read_from_file(Path("settings.json"))
    from simulaqron.sdk import SimulaQronConnection  # type: ignore[import-not-found] # noqa: PLC0415 - reads settings

    set_log_level("ERROR")
    own, peer = ("Alice", "Bob") if role == "create" else ("Bob", "Alice")
    start = time.perf_counter()
    socket = EPRSocket(peer)
    with SimulaQronConnection(own, max_qubits=20, epr_sockets=[socket]) as connection:
        connected = time.perf_counter()
        outcomes: list[int] = []
        while len(outcomes) < pairs:
            number = min(batch, pairs - len(outcomes))
            qubits = socket.create_keep(number=number) if role == "create" else socket.recv_keep(number=number)
            measured = [qubit.measure() for qubit in qubits]
            connection.flush()
            outcomes += [int(each) for each in measured]
        done = time.perf_counter()
    print(json.dumps({"connect_s": connected - start, "loop_s": done - connected,
                      "outcomes": "".join(map(str, outcomes))}), flush=True)  # fmt: skip


if __name__ == "__main__":
    main()
