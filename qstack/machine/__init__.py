"""Protocol-blind machinery.

`table` runs a protocol's rules as data, `timers` keeps deadlines, `exchange` is the reliable flow and `retransmission`
its timeouts, `segmentation` divides what is longer than a datagram, `replay` is the window of numbers seen, `bucket`
limits rates, `reed_solomon` puts octets right that a channel lost or changed.

Sans-IO: no clock and no chance in here. Instants are local monotonic nanoseconds and come in as `now_ns`.
"""
