"""The digital twin, sans-IO: requests and instants in, results with their time of delivery out.

It owns the quantum states of a whole network, evolves them exactly, and answers the primitives of rfc_notes/twin.md.
`machine.Twin` is driven by whoever has sockets and a clock; all time inside is domain time, TAI nanoseconds. A node's
memories are a `bank`, what is in them are `pairs`, attempts meet in a `window`; `configuration` says which network it
is, `statistics` what was done.
"""
