"""Circuits: reservation hop by hop, swapping and tracking (rfc_notes/circuit.md), sans-IO.

`machine` is the door. A circuit comes in by `admission`, and is a `reservation` that the tables of `states` drive; its
names are kept in `labels`. Its pairs: `halves` are what is known of one qubit, `swapping` joins two, `tracking`
follows chains, `estimate` composes their states. `turn` ends a turn and `outbound` writes its messages. `surroundings`
is what all circuits share, `params` the numbers.
"""
