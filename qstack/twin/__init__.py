"""The digital twin, sans-IO: requests and instants in, results with their time of delivery out.

It owns the quantum states of a whole network, evolves them exactly, and answers the primitives of rfc_notes/twin.md.
`machine.Twin` is driven by whoever has sockets and a clock; all time inside is domain time, TAI nanoseconds.

A node's memories are a `bank`; the `store` is all of them with the engine and the chance. `operations` are what a
device does to qubits that it holds. `link_requests` are about links: attempts meet in a `window` and become pairs or
outcomes in `attempts`, a `flight` takes a qubit to the other end. `answers` say when their asker may know;
`configuration` says which network it is, `statistics` what was done.
"""
