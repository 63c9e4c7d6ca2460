"""The link layer: pairs between neighbours, heralded by a station (rfc_notes/link.md), sans-IO.

`machine` is the door. Of an `end` of a link, `asking` brings requests into the `queue` and out of it; the master's
`planner` makes `plan`s for them, in the order of the `scheduler`; `window`s take `memory`, and `delivery` hands over
what they bring, as `telling` says it; what nobody has asked for yet is in `stock`; `rate` says how many there are a
second. The other side of a window is the `station`. `states` holds the tables of all of them, `surroundings` what
they share, `params` the numbers and what a link is.

What pairs are worth (rfc_notes/estimation.md): `rounds` draws the pairs that are tested and compares what both ends
saw, `samples` measures them, `tally` makes corrections of it, `flow` bounds the attempts in flight. `settings` chooses
how bright the link is, by what pairs go through (`handling`) and what `calibration` makes of the rounds of
`calibrating`; `estimation` is the unit of all of them.

Octets between the ends (rfc_notes/data.md): `data` sends and receives blocks in order, `dense` has some of them fly in
qubits, as `densecode` writes them.
"""
