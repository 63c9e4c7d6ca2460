"""One node composed of its protocols, still sans-IO.

`node` is the driver's interface, `ingress` takes a datagram apart, `egress` makes one, `forwarding` decides on those
for others, `reports` tells why one went no further, `flows` holds the reliable exchanges, `recall` calls neighbours
that are down, `switchboard` is the one table by which protocols' services find one another, `assembly` makes the
machines, `configuration` says what a node is, `counters` what bad input has cost it.
"""
