"""Two applications on the two nodes of a link measure entangled pairs: first_pairs.py ALICE.sock REPEATER.sock"""

import sys

from qstack.sockets.blocking import open_node

with open_node(sys.argv[1]) as alice, open_node(sys.argv[2]) as repeater:
    ours = alice.open_epr_socket("64512.2", purpose=7)
    theirs = repeater.open_epr_socket("64512.1", purpose=7)
    qubits, others = ours.create_keep(8, min_fidelity=0.9, max_time=10), theirs.recv_keep(8)
    for qubit, other in zip(qubits, others, strict=True):
        qubit.x()
        print(qubit.sequence, qubit.bell_state.name, qubit.measure("Z").outcome, other.measure("Z").outcome)
