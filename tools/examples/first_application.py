"""Two applications, each on the socket of its own node, share a key: first_application.py ALICE.sock BOB.sock"""

import sys
import time

from qstack.sockets.blocking import open_node

SERVED = "urn:qkd:quditto:emulator:ipsec:controller"
LIFECYCLE = f"urn:qkd:lifecycle?=size=256&valid-until={int(time.time()) + 3600}"

with open_node(sys.argv[1]) as alice, open_node(sys.argv[2]) as bob:
    bob.claim(SERVED)
    unit = alice.open_unit(["urn:qkd:madqci:ccips?=nonce=177923", f"{SERVED}?=nid=af33017", LIFECYCLE])
    print(unit.key().hex())
    print(bob.next_unit().key().hex())
