"""One end of link.pairs and link.connect: epr_application.py ROLE SOCKET REMOTE PAIRS BATCH

Opens an EPR socket, waits until it is connected, then creates (ROLE `create`) or receives (`receive`) pairs in batches
and measures each in Z. Prints one JSON object: seconds to connect, seconds for all pairs, outcomes in one frame.
"""

from __future__ import annotations

import json
import sys
import time

from qstack.sockets.blocking import open_node

PURPOSE = 7
PATIENCE_S = 60.0


def main() -> None:
    role, path, remote, pairs, batch = *sys.argv[1:4], int(sys.argv[4]), int(sys.argv[5])
    start = time.perf_counter()
    with open_node(path) as node, node.open_epr_socket(remote, PURPOSE) as socket:
        opened = time.perf_counter()
        socket.wait_connected(PATIENCE_S)
        connected = time.perf_counter()
        outcomes: list[int] = []
        while len(outcomes) < pairs:
            number = min(batch, pairs - len(outcomes))
            if role == "create":
                qubits = socket.create_keep(number, timeout=PATIENCE_S)
            else:
                qubits = socket.recv_keep(number, timeout=PATIENCE_S)
            for measured in socket.measure_all(qubits):
                assert measured is not None
                outcomes.append(measured.outcome if role == "create" else measured.in_frame)
        done = time.perf_counter()
        print(json.dumps({"open_s": opened - start, "connect_s": connected - start, "loop_s": done - connected,
                          "outcomes": "".join(map(str, outcomes))}), flush=True)  # fmt: skip


if __name__ == "__main__":
    main()
