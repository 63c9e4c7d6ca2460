"""Octets between two applications on the two nodes of a link: first_data.py ALICE.sock REPEATER.sock"""

import sys

from qstack.sockets.blocking import open_node

with open_node(sys.argv[1]) as alice, open_node(sys.argv[2]) as repeater:
    theirs = repeater.open_data_socket("64512.1", purpose=9)
    with alice.open_data_socket("64512.2", purpose=9) as ours:
        ways = ours.send(b"two bits a qubit", timeout=10)
        print(f"{ways.qubits} octets in qubits, {ways.plain} plainly")
    for message in theirs:
        print(message.decode())
